"""How near is the estimated memory of a step to what the step takes, on this CPU?

    python benchmarks/memory/accuracy.py --gguf MODEL.gguf

SmolLM2-135M teaches a student that starts as its first eight layers. For each row of the table one process
estimates, from the two configs alone; a second takes the real step and counts tensors as they live; a third
takes it as it is, and asks the kernel for its peak (VmHWM of three steps, less what the process had after
its imports).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

HALF, FULL, FEW = "bfloat16", "float32", "bfloat16, int8 moments"
NUMERICS = {
    HALF: {"train.precision": "bfloat16"},
    FULL: {"train.precision": "float32"},
    FEW: {
        "train.precision": "bfloat16",
        "train.param_dtype": "bfloat16",
        "train.optimizer_state_dtype": "int8",
    },
}
GRID = [
    (HALF, 1, 128, False),
    (HALF, 1, 512, False),
    (HALF, 4, 256, False),
    (HALF, 4, 512, False),
    (HALF, 8, 512, False),
    (HALF, 16, 512, False),
    (HALF, 8, 512, True),
    (HALF, 16, 512, True),
    (FULL, 4, 256, False),
    (FULL, 8, 512, False),
    (FULL, 8, 512, True),
    (FEW, 4, 256, False),
    (FEW, 8, 512, False),
]
"""Numerics, rows at once, tokens a row, whether activations are computed again."""


def main() -> None:
    """Each row of the grid, in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FOLDER", "NUMBER"))
    given = parser.parse_args()
    if given.child:
        what, folder, number = given.child
        print(json.dumps(CHILDREN[what](Path(folder), *GRID[int(number)])))
        return
    from compare import SPEC, command, prepare

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = folder / "rows"
        rows.mkdir()
        text = json.dumps({"question": "What is one and one?", "answer": "#### 2"}) + "\n"
        for split in ("train", "test"):
            (rows / f"{split}.jsonl").write_text(text * 64, encoding="utf-8")
        prepare(folder, given.gguf, rows)
        spec = SPEC.format(rows=64, steps=4).replace("global_batch = 8", "global_batch = 32")
        (folder / "kava.toml").write_text(spec, encoding="utf-8")
        command([sys.executable, "-m", "kavaspec", "lock"], folder)
        print(
            "| computes | rows | tokens | again | estimated | took | tracked | process | it is | more |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        for number, (numerics, micro_batch, length, again) in enumerate(GRID):
            told, tracked, process = (child(what, folder, number) for what in CHILDREN)
            print(
                f"| {numerics} | {micro_batch} | {length} | {'yes' if again else 'no'} "
                f"| {mib(told['bytes'])} | {told['seconds']:.1f} s | {mib(tracked['bytes'])} "
                f"| {tracked['bytes'] / told['bytes'] - 1:+.2%} | {mib(process['bytes'])} "
                f"| {process['bytes'] / told['bytes'] - 1:+.1%} |",
                flush=True,
            )


def mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def child(what: str, folder: Path, number: int) -> dict:
    words = [sys.executable, __file__, "--child", what, str(folder), str(number)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def settings_of(folder: Path, numerics: str, length: int, again: bool):
    from kavaspec.lock.file import read_lock
    from kavaspec_runtime.settings import Settings

    lock = read_lock(folder / "kava.lock")
    settings = Settings.of(lock, next(iter(lock.targets)))
    more = {"train.gradient_checkpointing": again, "data.max_length": length}
    return replace(settings, values={**settings.values, **more, **NUMERICS[numerics]})


def files_of(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(teacher=folder / "teacher", student=folder / "student")


def tried(micro_batch: int, length: int, again: bool):
    from kavaspec_runtime.estimate import Tried

    return Tried(
        micro_batch=micro_batch, length=length, accumulates=micro_batch < 32, checkpointing=again
    )


def estimated(folder: Path, numerics: str, micro_batch: int, length: int, again: bool) -> dict:
    from kavaspec_runtime.estimate import estimate

    began = time.monotonic()
    settings = settings_of(folder, numerics, length, again)
    [found] = estimate(settings, files_of(folder), [tried(micro_batch, length, again)])
    return {"bytes": found.bytes, "seconds": time.monotonic() - began}


def real(folder: Path, numerics: str, length: int, again: bool):
    import torch

    from kavaspec_runtime import load
    from kavaspec_runtime.build import models_of, objective_of, trainer_of

    torch.set_num_threads(2)
    settings = settings_of(folder, numerics, length, again)
    objective = objective_of(settings).supposed()
    device = torch.device("cpu")
    models = models_of(settings, files_of(folder), objective, device, load.pretrained)
    return trainer_of(settings, models, objective)


def tracked(folder: Path, numerics: str, micro_batch: int, length: int, again: bool) -> dict:
    from kavaspec_runtime.eight_bit import make_tables
    from kavaspec_runtime.estimate import GRANULES, longest, watched
    from kavaspec_runtime.liveness import Liveness

    make_tables()
    batch = longest(tried(micro_batch, length, again))
    with Liveness(GRANULES["cpu"]) as liveness:
        [found] = watched(liveness, real(folder, numerics, length, again), [batch])
    return {"bytes": found.bytes}


def process(folder: Path, numerics: str, micro_batch: int, length: int, again: bool) -> dict:
    from kavaspec_runtime.data import full_rows
    from kavaspec_runtime.estimate import longest
    from kavaspec_runtime.step import take_step

    empty = kernel("VmRSS")  # with torch and transformers imported
    trainer = real(folder, numerics, length, again)
    take_step(trainer, 0, full_rows(1, 4))
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    batch = longest(tried(micro_batch, length, again))
    for step in range(3):
        take_step(trainer, step + 1, batch)
    return {"bytes": kernel("VmHWM") - empty}


def kernel(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024


CHILDREN = {"estimated": estimated, "tracked": tracked, "process": process}


if __name__ == "__main__":
    main()
