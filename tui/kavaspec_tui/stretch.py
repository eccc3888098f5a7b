"""Many steps in a row, as columns: what a million lines become without a million objects.

The lines of a step all look alike, so msgspec reads hundreds of them at once. It is asked only for
the plainest form; whatever is not that, or is not an event at all, is left to `events.from_line`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter, lt
from typing import Annotated, Any, Literal

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from kavaspec.events import LARGEST, YEAR_3000, Line, Step

Whole = Annotated[int, Meta(ge=0, le=LARGEST - 1)]


class _Row(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A step as it is written: every field, and no other."""

    v: int
    seq: Whole
    t: Annotated[float, Meta(ge=0.0, lt=YEAR_3000)]
    ev: Literal["step"]
    step: Whole
    tokens: Whole
    metrics: dict[str, float | Literal["nan", "inf", "-inf"]]


_ROWS = Decoder(_Row)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rising steps with the same metrics. Every column has the same length, at least 1."""

    seq: Sequence[int]
    t: Sequence[float]
    """Writer's clock."""
    step: Sequence[int]
    tokens: Sequence[int]
    metrics: Mapping[str, array[float]]

    def lines(self) -> Iterator[Line]:
        """The same, one by one."""
        for row, (seq, t) in enumerate(zip(self.seq, self.t, strict=True)):
            metrics = {name: values[row] for name, values in self.metrics.items()}
            event = Step(step=self.step[row], tokens=self.tokens[row], metrics=metrics)
            yield Line(seq=seq, t=t, event=event)


def stretch_of(text: bytes) -> Stretch | None:
    """Whole lines that are steps of one stretch; None when they are anything else."""
    try:
        rows = _ROWS.decode_lines(text)
    except (MsgspecError, UnicodeDecodeError):
        return None
    if not rows or len(rows) != text.count(b"\n"):  # an object may not go over a line's end
        return None
    steps = [row.step for row in rows]
    metrics = [row.metrics for row in rows]
    names = list(metrics[0])
    if set(map(len, metrics)) != {len(names)} or not all(map(lt, steps, steps[1:])):
        return None
    try:
        columns = {name: _numbers(list(map(itemgetter(name), metrics))) for name in names}
    except KeyError:
        return None
    return Stretch(
        [row.seq for row in rows],
        [row.t for row in rows],
        steps,
        [row.tokens for row in rows],
        columns,
    )


def _numbers(values: list[Any]) -> array[float]:
    try:
        return array("d", values)
    except TypeError:  # "nan", "inf" or "-inf" among them
        return array("d", map(float, values))


def stretches(lines: Iterable[Line]) -> Iterator[Stretch]:
    """Lines of steps, in as few stretches as they make."""
    part: list[tuple[Line, Step]] = []
    for line in lines:
        step = line.event
        assert isinstance(step, Step)
        if part and not _goes_on(part[-1][1], step):
            yield _columns(part)
            part = []
        part.append((line, step))
    if part:
        yield _columns(part)


def _goes_on(before: Step, after: Step) -> bool:
    return before.step < after.step and before.metrics.keys() == after.metrics.keys()


def _columns(part: Sequence[tuple[Line, Step]]) -> Stretch:
    steps = [step for _, step in part]
    return Stretch(
        [line.seq for line, _ in part],
        [line.t for line, _ in part],
        [step.step for step in steps],
        [step.tokens for step in steps],
        {name: array("d", [step.metrics[name] for step in steps]) for name in steps[0].metrics},
    )
