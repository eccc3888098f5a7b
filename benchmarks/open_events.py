"""How long does the dashboard take to read a run of a million events?

    python benchmarks/open_events.py [--events 1000000] [--runs 5]

Writes a made-up run with nine metrics a step, an evaluation every 1000 steps and a checkpoint every
5000 into a temporary folder, then reads it again and again, each time from the start, and prints
medians: the state in one process, the whole command `kavaspec tui RUN --json`, and, for comparison
and on a tenth of the lines, every line read by itself.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kavaspec.events import Checkpoint, Eval, Line, Run, Step, from_line, to_line
from kavaspec_tui.live import EVENTS, Live
from kavaspec_tui.state import State, reduce

T0 = 1_790_000_000.0


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_bytes = write(folder / EVENTS, asked.events)
        head = (folder / EVENTS).read_bytes().splitlines()[: asked.events // 10]
        rows = [
            ("state, steps in a row at once", 1, lambda: Live(folder).read_all()),
            ("kavaspec tui RUN --json", 1, lambda: command(folder)),
            ("state, every line by itself", 10, lambda: one_by_one(head)),
        ]
        print(f"{platform.platform()}, Python {platform.python_version()}, {asked.runs} runs each")
        print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        print(f"{asked.events} events, {n_bytes / 2**20:.0f} MiB")
        print(f"{'':32}{'median s':>10}{'best s':>8}{'cpu s':>8}")
        for title, times, work in rows:
            wall, cpu = measured(work, asked.runs)
            note = f"  (a tenth, times {times})" if times > 1 else ""
            print(
                f"{title:32}{times * statistics.median(wall):>10.2f}{times * min(wall):>8.2f}"
                f"{times * statistics.median(cpu):>8.2f}{note}"
            )


def write(path: Path, events: int) -> int:
    """A run of so many events; its size in bytes."""
    dice, seq, tokens, t = random.Random(1), 0, 0, T0
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def say(event: object) -> None:
            nonlocal seq
            file.write(to_line(event, seq=seq, t=t))  # type: ignore[arg-type]
            seq += 1

        say(
            Run(
                name="benchmark", target="here", kx="kx1:0", kn="kn1:0", attempt=1, first_step=0,
                total_steps=events, global_batch=32, pid=1, device="cpu",
            )
        )  # fmt: skip
        step = 0
        while seq < events:
            step += 1
            t += 0.5 * dice.random()
            tokens += dice.randint(900, 1100)
            loss = 0.5 + 3 * math.exp(-step / 2e5) + dice.gauss(0, 0.05) + 5 * (step % 97_000 == 0)
            metrics = {
                "loss": loss,
                "ce": loss * 0.7,
                "kv": loss * 0.3,
                "cosine": 1 - loss / 5,
                "learning_rate": 1e-3 * (1 - step / events),
                "grad_norm": dice.random(),
                "step_ms": 250 * dice.random(),
                "tokens_per_s": 4000 * dice.random(),
                "memory_bytes": 1.2e9,
            }
            say(Step(step=step, tokens=tokens, metrics=metrics))
            if step % 1000 == 0:
                say(Eval(step=step, metrics={"ce": loss, "cosine": 0.5}))
            if step % 5000 == 0:
                say(Checkpoint(step=step, path=f"checkpoints/{step}", bytes=10**8, seconds=0.2))
    return path.stat().st_size


def command(folder: Path) -> None:
    words = [sys.executable, "-m", "kavaspec", "tui", str(folder), "--json"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def one_by_one(texts: list[bytes]) -> State:
    lines = map(from_line, texts)
    return functools.reduce(reduce, (one for one in lines if isinstance(one, Line)), State())


def measured(work: Callable[[], object], runs: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each run, children included."""
    wall, cpu = [], []
    for _ in range(runs):
        before, start = os.times(), time.perf_counter()
        work()
        after = os.times()
        wall.append(time.perf_counter() - start)
        cpu.append(sum(after[:4]) - sum(before[:4]))
    return wall, cpu


if __name__ == "__main__":
    main()
