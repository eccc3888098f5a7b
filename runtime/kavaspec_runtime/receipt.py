"""`receipt.json`: what really happened. Written last: a folder that has one is finished."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
import transformers

import kavaspec
from kavaspec.fitting import predicted
from kavaspec.lock.model import Here, Lock
from kavaspec.plain import thaw
from kavaspec.seals import RECEIPT_VERSION, file_digest, sealed_receipt
from kavaspec_runtime.checkpoint import replace_flushed
from kavaspec_runtime.folder import Folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the run itself knows at its end."""

    steps: int
    tokens: int
    exported: Mapping[str, str]
    peak_bytes: int
    """By the device's own counter: that of CUDA and ROCm counts tensors alone."""
    process_bytes: int
    """Of the whole process."""
    rehearsed_bytes: int | None
    result: Mapping[str, float]
    deviations: Sequence[Mapping[str, Any]]
    """What was done otherwise than locked: the fields of each event."""


def write_receipt(folder: Folder, lock: Lock, here: Here, outcome: Outcome) -> None:
    """One JSON file, sealed; the last thing a run does."""
    receipt = {
        "receipt_version": RECEIPT_VERSION,
        "kx": here.kx,
        "kn": here.kn,
        "target": here.target,
        "attempts": folder.attempt,
        "steps": outcome.steps,
        "tokens": outcome.tokens,
        "result": dict(outcome.result),
        "deviations": list(outcome.deviations),
        "memory": {
            **predicted_memory(lock, here.target),
            "rehearsed_peak_bytes": outcome.rehearsed_bytes,
            "measured_peak_bytes": outcome.peak_bytes,
            "process_peak_bytes": outcome.process_bytes,
        },
        "exported": dict(outcome.exported),
        "versions": versions(),
        "facts": thaw(here.facts),
        "files": {
            "kava.lock": file_digest(folder.path / "kava.lock"),
            "digest.jsonl": file_digest(folder.digests),
        },
    }
    text = sealed_receipt(json.dumps(receipt, indent=1, ensure_ascii=False))
    replace_flushed(folder.receipt, text)


def predicted_memory(lock: Lock, target: str) -> dict[str, int | None]:
    """What a step should take: its tensors, and the peak of the device's counter; None where nobody tried."""
    facts = {name: fact.value for name, fact in lock.facts_of(target).items()}
    values = lock.values(target)
    step = predicted(values, facts)
    return {
        "tensors_bytes": None if step is None else step.tensors_bytes,
        "predicted_peak_bytes": None
        if step is None
        else step.as_measured(str(values["train.device"])),
    }


def versions() -> dict[str, str]:
    """Of everything that can change bits."""
    return {
        "kavaspec": kavaspec.__version__,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "safetensors": version("safetensors"),
        "tokenizers": version("tokenizers"),
    }
