"""What the events of a run tell, put together: attempts, the steps that stand, what was not as locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kavaspec.events import Deviation, End, Event, Rehearsal, Resume, Run, Step
from kavaspec.lock.ids import short
from kavaspec.plain import Plain
from kavaspec.run_record import Record

SHOWN = 6
"""Names in one line."""


@dataclass(slots=True)
class Attempt:
    """One process's part of the run."""

    run: Run
    resumed: Resume | None = None
    last: int | None = None
    """The last step that it told of."""
    end: End | None = None


@dataclass(slots=True)
class Told:
    """The events, put together; only built here."""

    attempts: list[Attempt] = field(default_factory=list)
    metrics: dict[int, Mapping[str, float]] = field(default_factory=dict)
    """Of every step that stands: those after a checkpoint that was gone on from are undone."""
    rehearsals: list[Rehearsal] = field(default_factory=list)
    deviations: list[tuple[int, str]] = field(default_factory=list)
    """From which step on, and what."""
    jumps: list[str] = field(default_factory=list)
    """Steps that do not follow each other."""


def told_by(run: Record) -> Told:
    told = Told()
    for line in run.said.lines:
        _tell(told, line.event)
    return told


def _tell(told: Told, event: Event) -> None:
    if isinstance(event, Run):
        before = told.attempts[-1].run if told.attempts else event
        if before.kn != event.kn:
            what = f"numerics {short_id(before.kn)} became {short_id(event.kn)}"
            told.deviations.append((event.first_step + 1, what))
        told.attempts.append(Attempt(run=event))
        told.metrics = {at: it for at, it in told.metrics.items() if at <= event.first_step}
    elif not told.attempts:
        told.jumps.append(f"{event.ev} comes before any attempt")
    elif isinstance(event, Step):
        _tell_step(told, told.attempts[-1], event)
    elif isinstance(event, Resume):
        told.attempts[-1].resumed = event
    elif isinstance(event, Rehearsal):
        told.rehearsals.append(event)
    elif isinstance(event, Deviation):
        told.deviations.append(
            (event.step, f"{event.key} {event.was} -> {event.now}: {event.because}")
        )
    elif isinstance(event, End):
        told.attempts[-1].end = event


def _tell_step(told: Told, attempt: Attempt, event: Step) -> None:
    last = attempt.run.first_step if attempt.last is None else attempt.last
    if event.step <= last:
        told.jumps.append(f"step {event.step} comes after step {last}")
    attempt.last = event.step
    told.metrics[event.step] = event.metrics


def short_id(full: str) -> str:
    """`kx1:8175b25f`."""
    return short(full, provisional=False)


def whole(value: object) -> int:
    """A whole number from JSON; 0 for anything else."""
    return value if type(value) is int else 0


def target_of(run: Record) -> str:
    """The target that the run is of; a lock's only one where `run.json` says something else."""
    named = str(run.known.get("target"))
    return named if named in run.lock.targets else next(iter(run.lock.targets))


def listed(names: Iterable[str], joint: str = ", ") -> str:
    """The first few, and how many more."""
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return joint.join(every[:SHOWN]) + more


def plain(value: object) -> Plain:
    """A value from JSON as `show` takes it."""
    if value is None or isinstance(value, bool | int | float | str | list):
        return value
    return str(value)
