"""`digest.jsonl` and `receipt.json`: how the runtime seals them, and how they are read again.

    digest.jsonl    {"step":1,"loss":"0x1.5ap+1","grad_norm":"0x1.0fp+0","batch":"…","seal":"…"}
                    loss, grad_norm   bits, as hexadecimal floats
                    batch             over the tokens of the global batch, padding left out
                    weights           over all that learns, after the step; on some steps only
                    seal              over the line and the seal of the line before it
    receipt.json    its last field is a seal over all before it

A seal notices a slip or a damaged disk. It is no signature: who writes a file anew can seal it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

START = ""
"""What stands for the seal before the first line."""

_SEALED = re.compile(r'(\{.*),"seal":"([0-9a-f]{16})"\}')
"""A line of `digest.jsonl`: what is sealed, and its seal."""

# ---- seals -------------------------------------------------------------------------------------


def sealed_line(line: str, before: str) -> tuple[str, str]:
    """One JSON object on a line with its seal, and that seal; `before` is the seal of the line before."""
    seal = _seal(line, before)
    return f'{line[:-1]},"seal":"{seal}"}}', seal


def _seal(line: str, before: str) -> str:
    return sha256(f"{before}\n{line}".encode()).hexdigest()[:16]


def seal_of(line: str) -> str:
    """The seal that a line carries; `START` for one of an older version, which has none."""
    found = _SEALED.fullmatch(line)
    return found[2] if found else START


def sealed_receipt(text: str) -> str:
    """An indented JSON object with a seal as its last field."""
    body = text.rstrip().removesuffix("}").rstrip()
    return f'{body},\n "seal": "{sha256(body.encode()).hexdigest()}"\n}}\n'


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OSError: when it cannot be read.
    """
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# ---- digest.jsonl ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDigest:
    """The bits of one step."""

    step: int
    loss: str
    grad_norm: str
    batch: str | None
    """None in a line of an older version."""
    weights: str | None
    """None on most steps."""
    seal: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Digests:
    """All of `digest.jsonl`."""

    steps: tuple[StepDigest, ...]
    """Every line that can be read, as they stand."""
    faults: tuple[str, ...]
    """`line 4: its seal does not fit` ..."""
    torn: bool
    """The last line has no end: a kill tore it."""


_BITS = re.compile(r"-?0x[01]\.[0-9a-f]+p[+-]\d+|nan|-?inf")
_DIGEST = re.compile(r"[0-9a-f]{16}")


def read_digests(content: bytes) -> Digests:
    """What the file says, and where it cannot be what was written."""
    *whole, rest = content.split(b"\n")
    steps: list[StepDigest] = []
    faults: list[str] = []
    before, sealed = START, False
    for number, raw in enumerate(whole, 1):
        text = raw.decode("utf-8", "replace")
        found = _SEALED.fullmatch(text)
        if found:
            if found[2] != _seal(found[1] + "}", before):
                faults.append(f"line {number}: its seal does not fit")
            before, sealed = found[2], True
        elif sealed:
            faults.append(f"line {number}: it has no seal")
        one = _step(text, found[2] if found else None)
        if isinstance(one, str):
            faults.append(f"line {number}: {one}")
        else:
            faults += _out_of_order(number, one, steps)
            steps.append(one)
    return Digests(steps=tuple(steps), faults=tuple(faults), torn=bool(rest))


def _step(text: str, seal: str | None) -> StepDigest | str:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return "it has no step"
    for name, form, needed in (
        ("loss", _BITS, True),
        ("grad_norm", _BITS, True),
        ("batch", _DIGEST, False),
        ("weights", _DIGEST, False),
    ):
        value = record.get(name)
        if (needed or name in record) and not (isinstance(value, str) and form.fullmatch(value)):
            return f"it has no {name}" if name not in record else f"its {name} is not one"
    if not all(_is_float(record[name]) for name in ("loss", "grad_norm")):
        return "its numbers are greater than any"
    return StepDigest(
        step=record["step"],
        loss=record["loss"],
        grad_norm=record["grad_norm"],
        batch=record.get("batch"),
        weights=record.get("weights"),
        seal=seal,
    )


def _is_float(bits: str) -> bool:
    try:
        float.fromhex(bits)
    except OverflowError:
        return False
    return True


def _out_of_order(number: int, one: StepDigest, before: list[StepDigest]) -> Iterator[str]:
    last = before[-1].step if before else 0
    if one.step != last + 1:
        yield f"line {number}: step {one.step} stands where step {last + 1} should"


# ---- receipt.json ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """All of `receipt.json`."""

    content: Mapping[str, Any]
    """Empty when it cannot be read."""
    faults: tuple[str, ...]
    sealed: bool

    def part(self, name: str) -> Mapping[str, Any]:
        """A field that is an object; empty when it is not."""
        found = self.content.get(name)
        return found if isinstance(found, Mapping) else {}


RECEIPT_VERSION = 2
"""Version 1 had no seal, and did not name its lock and its digests."""

_RECEIPT = re.compile(r'(.*),\n "seal": "([0-9a-f]{64})"\n\}\n', flags=re.DOTALL)


def read_receipt(raw: bytes) -> Receipt:
    """What the file says, and whether it is what was written."""
    text = raw.decode("utf-8", "replace")
    found = _RECEIPT.fullmatch(text)
    fits = found is not None and sha256(found[1].encode()).hexdigest() == found[2]
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        return Receipt(content={}, faults=("it is not JSON",), sealed=False)
    if fits:
        return Receipt(content=content, faults=(), sealed=True)
    if content.get("receipt_version") == 1 and "seal" not in content:
        return Receipt(content=content, faults=(), sealed=False)
    return Receipt(content=content, faults=("its seal does not fit",), sealed=False)
