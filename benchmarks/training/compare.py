"""How fast is a training step, beside what people would otherwise run? Same models, rows and loss.

    python benchmarks/training/compare.py --gguf MODEL.gguf --data FOLDER [--rounds 3] [--steps 12]

SmolLM2-135M teaches a student that starts as its first eight layers, on GSM8K. The contestants run in
turn, each in a process of its own, so that all of them meet the same load; a contestant's speed is rows
per second without its first step; medians over rounds are printed, and ratios within each round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent
OTHERS = ("trainer", "loop", "original")
OURS = {"kavaspec": 1, "kavaspec-cached": 2}
"""Contestant -> epochs. The second keeps what the teacher sees on disk; its second epoch is measured."""
SPEC = """\
name = "speed"

[model.teacher]
source = "teacher"

[model.student]
source = "student"
init = "pretrained"

[data]
source = "data/"
split = "train[:{rows}]"
eval_split = "test[:8]"
max_length = 512

[objective.kv]
aggregate = "concat"
projector.rank = 256

[train]
global_batch = 8
steps = {steps}
learning_rate = 3e-4
projector_learning_rate = 3e-3
warmup_steps = 0
schedule = "constant"
weight_decay = 0.01

[eval]
rows = 8
exact_match_rows = 0

[checkpoint]
every = 100000
keep = 1
"""


def main() -> None:
    """Prepare, run in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="with train.jsonl and test.jsonl")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--original-steps", type=int, default=4)
    parser.add_argument("--only", nargs="*", default=[*OURS, *OTHERS])
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE for `kavaspec lock`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, given.gguf, given.data)
        lock(folder, given.steps, given.set)
        seen: dict[str, list[dict[str, float]]] = {who: [] for who in given.only}
        for number in range(given.rounds):
            for who in (
                given.only[number % len(given.only) :] + given.only[: number % len(given.only)]
            ):
                steps = given.original_steps if who == "original" else given.steps
                seen[who].append(
                    kavaspec(folder, who) if who in OURS else other(who, folder, steps)
                )
                print(f"round {number + 1}: {who} {seen[who][-1]}", file=sys.stderr, flush=True)
    report(seen)


def prepare(folder: Path, gguf: Path, data: Path) -> None:
    """Teacher and student as ordinary folders, so that nobody has to dequantise."""
    import torch

    from kavaspec_runtime.load import pretrained, tokenizer_of, with_layers

    read = pretrained(
        gguf,
        role="teacher",
        dtype=torch.float32,
        device=torch.device("cpu"),
        attention="sdpa",
        quantization="none",
    )
    for name, layers in (("teacher", range(read.config.num_hidden_layers)), ("student", range(8))):
        with_layers(read, layers, "sdpa").save_pretrained(folder / name)
        tokenizer_of(gguf).save_pretrained(folder / name)
    shutil.copytree(data, folder / "data")


def lock(folder: Path, steps: int, settings: list[str]) -> None:
    words = [word for item in settings for word in ("--set", item)]
    for who, epochs in OURS.items():
        spec = SPEC.format(rows=steps * 8, steps=steps * epochs)
        if epochs > 1:
            spec = spec.replace("[train]\n", '[train]\nteacher_placement = "cached"\n')
        (folder / f"{who}.toml").write_text(spec, encoding="utf-8")
        command([sys.executable, "-m", "kavaspec", "lock", f"{who}.toml", *words], folder)


def kavaspec(folder: Path, who: str) -> dict[str, float]:
    for made in ("runs", "cache"):
        shutil.rmtree(folder / made, ignore_errors=True)
    began = time.perf_counter()
    out = command([sys.executable, "-m", "kavaspec", "run", f"{who}.lock", "--json"], folder)
    whole_s = time.perf_counter() - began
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    steps = [event for event in events if event.get("ev") == "step"]
    began_s = next(event["t"] for event in events if event.get("ev") == "run")
    first_s = steps[0]["t"] - began_s
    steps = steps[len(steps) - len(steps) // OURS[who] :]  # of the last epoch
    seconds = [event["metrics"]["step_ms"] / 1000 for event in steps]
    # between two events lies everything that a step costs: digests, events, flags and data order too
    between = [b["t"] - a["t"] for a, b in pairwise(steps)]
    return summary(8, between) | {
        "in_step": sum(seconds[1:]),
        "first_s": first_s,
        "whole_s": whole_s,
    }


def other(who: str, folder: Path, steps: int) -> dict[str, float]:
    out = command([sys.executable, str(HERE / f"{who}.py"), str(folder), str(steps)], folder)
    told = [json.loads(line) for line in out.splitlines() if line.startswith('{"rows"')]
    return summary(8, [item["seconds"] for item in told[1:]])


def summary(rows: int, seconds: list[float]) -> dict[str, float]:
    return {"rows_per_s": rows * len(seconds) / sum(seconds), "seconds": sum(seconds)}


def command(words: list[str], folder: Path) -> str:
    ran = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {ran.returncode}:\n{ran.stderr[-3000:]}")
    return ran.stdout


def report(seen: dict[str, list[dict[str, float]]]) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'':14}{'rows/s':>8}   {'of kavaspec, by round'}")
    for who, rounds in seen.items():
        speed = statistics.median(it["rows_per_s"] for it in rounds)
        line = f"{who:14}{speed:8.2f}"
        if "kavaspec" in seen and who != "kavaspec":
            ratios = [
                ours["rows_per_s"] / theirs["rows_per_s"]
                for ours, theirs in zip(seen["kavaspec"], rounds, strict=True)
            ]
            told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            line += f"   kavaspec is {statistics.median(ratios):.2f} times as fast ({told})"
        print(line)
    for it in seen.get("kavaspec", [])[:1]:
        around = 1 - it["in_step"] / it["seconds"]
        print(
            f"kavaspec: first step after {it['first_s']:.1f} s, {around:.2%} of the time between steps"
        )


if __name__ == "__main__":
    main()
