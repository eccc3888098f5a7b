"""Recorded runs in a temporary folder, changed as a disk, a person or another machine would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.ids import ids
from kavaspec.seals import START, sealed_line, sealed_receipt
from tests.verify.record import RECORDED

Change = Callable[[dict[str, Any]], object]


def copy(name: str, into: Path, called: str | None = None) -> Path:
    """A recorded run, as `kavaspec run` left it."""
    return shutil.copytree(RECORDED / name, into / (called or name))


def digests(run: Path, change: Callable[[int, dict[str, Any]], object]) -> None:
    """Change lines of `digest.jsonl`, and seal it all anew, so that only its meaning differs."""
    before, text = START, ""
    for line in (run / "digest.jsonl").read_text(encoding="utf-8").splitlines():
        bits = json.loads(line)
        del bits["seal"]
        change(bits["step"], bits)
        sealed, before = sealed_line(json.dumps(bits, separators=(",", ":")), before)
        text += sealed + "\n"
    (run / "digest.jsonl").write_text(text, encoding="utf-8", newline="\n")
    follow(run)


def remembered(run: Path, tensors: int, process: int) -> None:
    """What a receipt of today says of memory; the recorded ones are older."""
    memory = {
        "tensors_bytes": tensors,
        "predicted_peak_bytes": tensors,
        "rehearsed_peak_bytes": process,
        "measured_peak_bytes": process,
        "process_peak_bytes": process,
    }
    receipt(run, lambda it: it.update(memory=memory))


def receipt(run: Path, change: Change) -> None:
    """Change the receipt, and seal it anew."""
    content = json.loads((run / "receipt.json").read_text(encoding="utf-8"))
    del content["seal"]
    change(content)
    text = sealed_receipt(json.dumps(content, indent=1, ensure_ascii=False))
    (run / "receipt.json").write_text(text, encoding="utf-8", newline="\n")


def follow(run: Path) -> None:
    """The receipt names lock and digests as they are now."""
    if (run / "receipt.json").exists():
        receipt(
            run,
            lambda it: it["files"].update(
                {
                    name: sha256((run / name).read_bytes()).hexdigest()
                    for name in ("kava.lock", "digest.jsonl")
                }
            ),
        )


def events(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change every event."""
    lines = [json.loads(line) for line in _lines(run / "events.jsonl")]
    for line in lines:
        change(line)
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (run / "events.jsonl").write_text(text, encoding="utf-8", newline="\n")


def metrics_follow(run: Path) -> None:
    """Events say the losses of `digest.jsonl`."""
    bits = {it["step"]: it for it in map(json.loads, _lines(run / "digest.jsonl"))}

    def follow_one(event: dict[str, Any]) -> None:
        if event["ev"] == "step":
            for name in ("loss", "grad_norm"):
                event["metrics"][name] = float.fromhex(bits[event["step"]][name])

    events(run, follow_one)


def unfinished(run: Path, steps: int, *, torn: bool = False) -> None:
    """As a kill after some steps leaves it: no end, no receipt, no student."""
    cut = _lines(run / "digest.jsonl")[:steps]
    text = "".join(line + "\n" for line in cut) + ('{"step":' if torn else "")
    (run / "digest.jsonl").write_text(text, encoding="utf-8", newline="\n")
    kept = []
    for line in _lines(run / "events.jsonl"):
        event = json.loads(line)
        if event["ev"] == "step" and event["step"] > steps:
            break
        kept.append(line)
    (run / "events.jsonl").write_text("".join(it + "\n" for it in kept), encoding="utf-8")
    (run / "receipt.json").unlink()
    (run / "projector.safetensors").unlink()
    shutil.rmtree(run / "student")
    shutil.rmtree(run / "checkpoints")


def locked(run: Path, values: Mapping[str, Any]) -> None:
    """Another lock, with the ids that it gives wherever ids are said."""
    lock = read_lock(run / "kava.lock")
    [target] = lock.targets
    experiment = dict(lock.experiment)
    decisions = dict(lock.targets[target].decisions)
    for key, value in values.items():
        blocks = experiment if key in experiment else decisions
        blocks[key] = replace(blocks[key], value=value, by="spec", inputs={})
    named = replace(lock.targets[target], decisions=decisions)
    new = replace(lock, experiment=experiment, targets={target: named})
    (run / "kava.lock").write_text(lock_text(new), encoding="utf-8", newline="\n")
    both = ids(new, target)
    names = {"kx": both.kx, "kn": both.kn}
    events(run, lambda it: it.update(names) if it["ev"] == "run" else None)
    known = json.loads((run / "run.json").read_text(encoding="utf-8")) | names
    (run / "run.json").write_text(json.dumps(known), encoding="utf-8")
    shutil.rmtree(run / "checkpoints")
    if (run / "receipt.json").exists():
        receipt(run, lambda it: it.update(names))
    follow(run)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
