"""What a run can say: one frozen type for each kind of event, and one JSON line for each event.

    {"v":1,"seq":12,"t":1790000000.123,"ev":"step","step":40,"tokens":51200,"metrics":{"loss":1.2}}

Runtime and dashboard meet only in this file format. Lines are appended, never changed; a resumed
run appends to the same file, so steps may go back at a `resume`. Readers ignore fields and kinds
that they do not know. JSON has no NaN or infinity: they are written as "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias

VERSION = 1
LARGEST = 2**63
YEAR_3000 = 32_503_680_000.0
"""Counts and times beyond these are damage, not data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """How one metric wants to be shown."""

    name: str
    """As in `step.metrics`."""
    unit: str = ""
    """`ms`; empty for a plain number."""
    better: Literal["up", "down", ""] = ""
    """Which way is better; empty where neither is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """First event of every attempt: which lock, which target, how much is ahead."""

    ev: ClassVar[str] = "run"
    name: str
    """As the spec names it."""
    target: str
    """Of the lock: where it runs."""
    kx: str
    """Id of the experiment."""
    kn: str
    """Id of the numerics."""
    attempt: int
    """1 for the first process that works on this run folder."""
    first_step: int
    """Steps already done when this attempt starts."""
    total_steps: int
    """Steps of the whole run."""
    global_batch: int
    """Rows of each step."""
    pid: int
    """Of the process that trains."""
    device: str
    """What computes, for people: `NVIDIA H200` or `cpu (2 threads)`."""
    metrics: tuple[Metric, ...] = ()
    """How to show what `step.metrics` holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One optimizer step is done. `step` counts from 1."""

    ev: ClassVar[str] = "step"
    step: int
    """How many are done."""
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
    """After how many steps."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`ce`, `cosine`, `exact_match`, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """One optimizer step at the longest shape, done and undone before training."""

    ev: ClassVar[str] = "rehearsal"
    micro_batch: int
    """Rows computed at once, as locked."""
    length: int
    """Tokens of each row: the longest that the run will see."""
    peak_bytes: int
    """Memory at its highest."""
    seconds: float
    """How long the step took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """State after `step` steps is safe on disk."""

    ev: ClassVar[str] = "checkpoint"
    step: int
    """After how many steps."""
    path: str
    """Relative to the run folder."""
    bytes: int
    """Of all its files."""
    seconds: float
    """How long saving took, until it was on the disk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """Training goes on from a checkpoint; later steps that were already logged are done again."""

    ev: ClassVar[str] = "resume"
    step: int
    """Of the checkpoint: the next one is trained first."""
    path: str
    """Of the checkpoint, relative to the run folder."""
    proof: str
    """How the resume was checked: `bitwise`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """From this step on something is not as the lock says, as the lock allows; the claim is kept."""

    ev: ClassVar[str] = "deviation"
    step: int
    """The first step that is done otherwise."""
    key: str
    """`train.micro_batch`."""
    was: int
    """As locked, or as the last deviation left it."""
    now: int
    """From this step on."""
    because: str
    """For people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """A line for people."""

    ev: ClassVar[str] = "log"
    level: Literal["info", "warning", "error"]
    """How much it matters."""
    message: str
    """The line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeat:
    """The process lives. Written when nothing else was said for ten seconds."""

    ev: ClassVar[str] = "heartbeat"
    step: int
    """The last one that was said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """Last event of an attempt."""

    ev: ClassVar[str] = "end"
    status: Literal["finished", "interrupted", "failed"]
    """Whether the run is whole, can go on with `--resume`, or stands before a mistake."""
    reason: str
    """For people."""
    step: int
    """Steps that are done."""
    result: Mapping[str, float] = field(default_factory=dict)
    """The final table: `exact_match`, `ce`, `cosine`, `cosine_shuffled`, ..."""


Event: TypeAlias = (
    Run | Step | Eval | Rehearsal | Checkpoint | Resume | Deviation | Log | Heartbeat | End
)

KINDS: Mapping[str, type[Event]] = {
    kind.ev: kind
    for kind in (
        Run,
        Step,
        Eval,
        Rehearsal,
        Checkpoint,
        Resume,
        Deviation,
        Log,
        Heartbeat,
        End,
    )
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


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line with an event of a kind that this version does not know: a later one wrote it."""

    ev: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no event: torn by a crash, edited, or damaged."""

    because: str


def from_line(text: str | bytes) -> Line | Unknown | Unreadable:
    """What one line says. Never raises, whatever the line holds."""
    try:
        record = json.loads(text if isinstance(text, str) else text.decode())
    except RecursionError:
        return Unreadable("it is nested too deep")
    except ValueError as error:  # neither UTF-8 nor JSON
        return Unreadable(f"it is not JSON: {error}")
    if not isinstance(record, dict) or not isinstance(record.get("ev"), str):
        return Unreadable('it is not an object with "ev"')
    kind = KINDS.get(record["ev"])
    if kind is None:
        return Unknown(record["ev"])
    try:
        return Line(
            seq=_read(record, "seq", "int"),
            t=_time(_read(record, "t", "float")),
            event=kind(**_values(record, kind)),
        )
    except _NotThisError as error:
        return Unreadable(f"{kind.ev}: {error}")


class _NotThisError(Exception):
    """What a field should have been. Caught by `from_line`."""


def _values(record: Mapping[str, Any], kind: type[Event | Metric]) -> dict[str, Any]:
    """The fields of a kind; one that has a default may be missing."""
    wanted = [
        item
        for item in fields(kind)
        if item.name in record or (item.default is MISSING and item.default_factory is MISSING)
    ]
    return {item.name: _read(record, item.name, str(item.type)) for item in wanted}


def _read(record: Mapping[str, Any], name: str, declared: str) -> Any:
    """One field, as the type it is declared with."""
    if name not in record:
        raise _NotThisError(f"{name} is missing")
    for start, (expected, read) in _TYPES.items():
        if declared.startswith(start):
            value = read(record[name])
            if value is None:
                raise _NotThisError(f"{name} is {_shown(record[name])}, expected {expected}")
            return value
    raise AssertionError(f"no way to read {declared}")


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < LARGEST else None


def _number(value: Any) -> float | None:
    """A float; "nan", "inf" and "-inf" are how JSON says those."""
    if type(value) not in (int, float) and value not in ("nan", "inf", "-inf"):
        return None
    try:
        return float(value)
    except OverflowError:  # an int of hundreds of digits
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _numbers(value: Any) -> dict[str, float] | None:
    if not isinstance(value, dict):
        return None
    read: dict[str, float] = {}
    for name, item in value.items():
        number = _number(item)
        if number is None:
            return None
        read[name] = number
    return read


def _metrics(value: Any) -> tuple[Metric, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    return tuple(Metric(**_values(item, Metric)) for item in value)


_TYPES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "int": ("a whole number from 0 to 2**63 - 1", _whole),
    "float": ("a number", _number),
    "str": ("a text", _text),
    "Literal": ("a text", _text),  # a later version may know more words
    "Mapping": ("an object of numbers", _numbers),
    "tuple": ("a list of metrics", _metrics),
}
"""How a declared type, by how it begins, is read from JSON; None when it cannot be."""


def _time(t: float) -> float:
    if not 0.0 <= t < YEAR_3000:
        raise _NotThisError(f"t is {t!r}, expected seconds since 1970")
    return t


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


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
