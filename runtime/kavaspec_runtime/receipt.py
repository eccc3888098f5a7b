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
from kavaspec.lock.model import Here, Lock
from kavaspec.plain import Plain, thaw
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
            "predicted_peak_bytes": predicted(lock, here.target, outcome.rehearsed_bytes),
            "measured_peak_bytes": outcome.peak_bytes,
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


def predicted(lock: Lock, target: str, rehearsed_bytes: int | None) -> int | None:
    """Peak bytes for the locked micro-batch: from a recorded trial, else from the rehearsal."""
    recorded = lock.facts_of(target).get("fact.trial.memory")
    table: Plain = None if recorded is None else recorded.value
    micro_batch = lock.values(target)["train.micro_batch"]
    if isinstance(table, Mapping):
        found = {str(size): peak for size, peak in table.items()}.get(str(micro_batch))
        return found if isinstance(found, int) else rehearsed_bytes
    return rehearsed_bytes


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
