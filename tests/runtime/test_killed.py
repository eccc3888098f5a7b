"""Real processes, killed without warning, and gone on from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kavaspec.events import from_line

pytestmark = pytest.mark.slow

CHILD = """
import json, sys
from pathlib import Path
from kavaspec.lock.model import Block, Here, Lock, Target
from kavaspec.plain import freeze
from kavaspec_runtime.run import run
from kavaspec_runtime.sink import Sink

told = json.loads(sys.argv[1])
blocks = {key: Block(value=freeze(value), by="spec") for key, value in told["values"].items()}
lock = Lock(version=1, set={}, facts={}, experiment=blocks,
            targets={"here": Target(facts={}, decisions={})})
places = {name: Path(told[name]) for name in ("run_folder", "teacher", "student", "data")}
here = Here(target="here", kx="kx1:a", kn="kn1:b", lock_text="", device_index=0,
            resume=told["resume"], allow_numerics=False, rehearse=False, stop_after=None, judge_at_most=None, facts={}, **places)
with Sink(here.run_folder / "events.jsonl") as sink:
    run(lock, here, sink, lambda: None)
"""

CHANGED = {
    "train.steps": 40,
    "checkpoint.every": 3,
    "train.lora.rank": 2,
    "train.lora.dropout": 0.2,
    "objective.kv.projector.kind": "mlp",
    "objective.kv.projector.dropout": 0.2,
}


def start(world, folder: str) -> subprocess.Popen:
    here = world.here
    told = {
        "values": world.values | CHANGED,
        "run_folder": str(world.root / folder),
        "resume": (world.root / folder / "run.json").exists(),
        **{name: str(getattr(here, name)) for name in ("teacher", "student", "data")},
    }
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD, json.dumps(told)],
        env={**os.environ, "PYTHONPATH": path},
    )


def steps_said(folder: Path) -> int:
    """Step lines of all attempts so far."""
    events = folder / "events.jsonl"
    return events.read_bytes().count(b'"ev":"step"') if events.exists() else 0


def killed_after(world, folder: str, more: int, delay_s: float) -> None:
    """Kill a run `delay_s` after it has said `more` further steps."""
    path = world.root / folder
    enough = steps_said(path) + more
    child = start(world, folder)
    while child.poll() is None and steps_said(path) < enough:
        time.sleep(0.002)
    time.sleep(delay_s)
    child.kill()
    child.wait()


def test_a_run_killed_again_and_again_is_the_run_that_was_left_alone(world):
    assert start(world, "whole").wait() == 0
    for more, delay_s in [(1, 0.0), (4, 0.01), (7, 0.003), (5, 0.03)]:
        killed_after(world, "parts", more, delay_s)
    assert start(world, "parts").wait() == 0
    for file in ("projector.safetensors", "student/model.safetensors"):
        whole, parts = (
            load_file(world.root / "whole" / file),
            load_file(world.root / "parts" / file),
        )
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
    digests = [(world.root / name / "digest.jsonl").read_text() for name in ("whole", "parts")]
    assert digests[0] == digests[1]
    lines = [
        from_line(text)
        for text in (world.root / "parts" / "events.jsonl").read_bytes().splitlines()
        if text.endswith(b"}")
    ]
    proofs = [line.event.proof for line in lines if line.event.ev == "resume"]
    assert proofs
    assert set(proofs) == {"bitwise"}
