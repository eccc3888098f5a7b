"""What a run can say: one frozen type for each kind of event, and one JSON line for each event.

    {"v":1,"seq":12,"t":1790000000.123,"ev":"step","step":40,"tokens":51200,"metrics":{"loss":1.2}}

Runtime and dashboard meet only in this file format. Lines are appended, never changed; a resumed
run appends to the same file, so steps may go back at a `resume`. Readers ignore fields and kinds
that they do not know. JSON has no NaN or infinity: they are written as "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """How one metric wants to be shown."""

    name: str
    unit: str = ""
    better: Literal["up", "down", ""] = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """First event of every attempt: which lock, which target, how much is ahead."""

    ev: ClassVar[str] = "run"
    name: str
    target: str
    kx: str
    kn: str
    attempt: int
    first_step: int
    """Steps already done when this attempt starts."""
    total_steps: int
    global_batch: int
    pid: int
    device: str
    """What computes, for people: `NVIDIA H200` or `cpu (2 threads)`."""
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One optimizer step is done. `step` counts from 1."""

    ev: ClassVar[str] = "step"
    step: int
    tokens: int
    """Non-padding tokens the student has read since step 0."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`loss`, `ce`, `kv`, `cosine`, `learning_rate`, `grad_norm`, `step_ms`, `tokens_per_s`,
    `memory_bytes`, ... declared in `Run.metrics`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Eval:
    """Held-out numbers after `step` steps."""

    ev: ClassVar[str] = "eval"
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """One optimizer step at the longest shape, done and undone before training."""

    ev: ClassVar[str] = "rehearsal"
    micro_batch: int
    length: int
    peak_bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """State after `step` steps is safe on disk."""

    ev: ClassVar[str] = "checkpoint"
    step: int
    path: str
    """Relative to the run folder."""
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """Training goes on from a checkpoint; later steps that were already logged are done again."""

    ev: ClassVar[str] = "resume"
    step: int
    path: str
    proof: str
    """How the resume was checked: `bitwise`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """A line for people."""

    ev: ClassVar[str] = "log"
    level: Literal["info", "warning", "error"]
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeat:
    """The process lives. Written when nothing else was said for ten seconds."""

    ev: ClassVar[str] = "heartbeat"
    step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """Last event of an attempt."""

    ev: ClassVar[str] = "end"
    status: Literal["finished", "interrupted", "failed"]
    reason: str
    step: int
    result: Mapping[str, float] = field(default_factory=dict)
    """The final table: `exact_match`, `ce`, `cosine`, `cosine_shuffled`, ..."""


Event: TypeAlias = Run | Step | Eval | Rehearsal | Checkpoint | Resume | Log | Heartbeat | End

KINDS: Mapping[str, type[Event]] = {
    kind.ev: kind for kind in (Run, Step, Eval, Rehearsal, Checkpoint, Resume, Log, Heartbeat, End)
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of `events.jsonl`."""

    seq: int
    t: float
    """Seconds since 1970, of the writer's clock."""
    event: Event


def to_line(event: Event, *, seq: int, t: float) -> str:
    """One JSON line, with its newline."""
    record: dict[str, Any] = {"v": VERSION, "seq": seq, "t": round(t, 3), "ev": event.ev}
    for item in fields(event):
        record[item.name] = _out(getattr(event, item.name))
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def from_line(text: str | bytes) -> Line | None:
    """The event of one line, or None for a kind that this version does not know.

    Raises:
        ValueError: if the line is torn, not JSON, or lacks a field its kind needs.
    """
    record = json.loads(text)
    if not isinstance(record, dict) or "ev" not in record:
        raise ValueError("not an event")
    kind = KINDS.get(record["ev"])
    if kind is None:
        return None
    values = {item.name: _in(record[item.name]) for item in fields(kind) if item.name in record}
    if "metrics" in values and kind is Run:
        values["metrics"] = tuple(Metric(**metric) for metric in values["metrics"])
    try:
        return Line(seq=int(record["seq"]), t=float(record["t"]), event=kind(**values))
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a {record['ev']} event: {error}") from error


def _out(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {name: _out(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_out(item) for item in value]
    if isinstance(value, Metric):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return value


def _in(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _number(item) for name, item in value.items()}
    return value


def _number(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value
