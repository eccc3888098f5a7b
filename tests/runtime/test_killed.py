"""Fifty runs that are killed at any moment, and gone on from, are the run that was left alone: bit for bit.

With gradient accumulation, dropout in adapters and projector, LoRA and a learning-rate schedule on.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kavaspec.events import Event, Line, from_line
from kavaspec_runtime.checkpoint import newest

sys.path.insert(0, str(Path(__file__).parent))
from attempt import Harm, attempt

pytestmark = pytest.mark.slow

RUNS = 51
STEPS = 12
CHANGED = {
    "train__steps": STEPS,
    "train__lora__rank": 2,
    "train__lora__dropout": 0.2,
    "objective__kv__projector__kind": "mlp",
    "objective__kv__projector__dropout": 0.2,
    "eval__rows": 4,
    "eval__exact_match_rows": 1,
}
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")


def tried(world, folder: str, harm: Harm | None, **changed) -> int:
    there = (world.root / folder / "run.json").exists()
    here = replace(world.here, run_folder=world.root / folder, resume=there)
    return attempt(world.lock(**CHANGED | changed), here, harm)


def said(folder: Path) -> list[Event]:
    lines = map(from_line, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines())
    return [line.event for line in lines if isinstance(line, Line)]


def everything(folder: Path) -> dict[str, torch.Tensor]:
    """Student, projector and the whole state of the last checkpoint, optimizer included."""
    last, _ = newest(folder / "checkpoints")
    files = [folder / "student/model.safetensors", folder / "projector.safetensors"]
    return {
        f"{file.name} {name}": tensor
        for file in [*files, *sorted(last.path.glob("*.safetensors"))]
        for name, tensor in load_file(file).items()
    }


def test_killed_again_and_again(world):
    assert tried(world, "whole", None) == 0
    whole, digests = everything(world.root / "whole"), digest(world.root / "whole")
    assert len(digests) == STEPS
    dice = random.Random(20261123)
    ended: Counter[str] = Counter()
    for number in range(RUNS):
        folder = f"parts-{number}"
        # every step saved: most kills meet a checkpoint that is being written
        every = dice.choice([1, 1, 2, 5])
        for _ in range(dice.choice([1, 2, 3])):
            saved, _ = newest(world.root / folder / "checkpoints")
            harm = Harm(
                name=SIGNALS[number % 3],
                events=dice.randint(1, 2 * STEPS),
                delay_s=dice.uniform(0.0, 0.03),
            )
            code = tried(world, folder, harm, checkpoint__every=every)
            ended[name_of(code)] += 1
            resumes = [event.step for event in said(world.root / folder) if event.ev == "resume"]
            if saved is not None and code != -signal.SIGKILL:
                assert resumes[-1] == saved.step, "nothing is lost beyond the last checkpoint"
            if code == 0:
                break
        else:
            code = tried(world, folder, None, checkpoint__every=every)
            if code == 1:  # three in a row were killed before they saved anything: said once
                code = tried(world, folder, None, checkpoint__every=every)
            assert code == 0
        proofs = {event.proof for event in said(world.root / folder) if event.ev == "resume"}
        assert proofs <= {"bitwise"}
        assert digest(world.root / folder) == digests, folder
        parts = everything(world.root / folder)
        assert parts.keys() == whole.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), folder
    print(f"{RUNS} runs, {sum(ended.values())} attempts were sent a signal: {dict(ended)}")
    assert min(ended["SIGKILL"], ended["85"]) > 10, "most signals met a run that was at work"
    assert set(ended) <= {"SIGKILL", "85", "0"}


def name_of(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else str(code)


def digest(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "digest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
