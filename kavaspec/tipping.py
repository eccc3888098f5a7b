"""Tipping points: the nearest values of what a rule was told at which it decides something else.

A rule is pure, so it can be asked again: one input moves, the others stay as they were recorded.
A number moves one by one, then in doubling steps, until the decision changes, and bisection finds
the first value that changes it. (Far away, between two values that were tried, a change that
changes back is not seen.) Where an input has few values, each is tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Undecidable
from kavaspec.explanation import Flip
from kavaspec.facts.names import kind_of
from kavaspec.plain import Plain, freeze, same
from kavaspec.resolve import optional_parameters
from kavaspec.spec.schema import Key, choices, keys

CAPABILITIES = ((6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0))
"""CUDA compute capabilities that cards in use have."""

BIG = ("bytes", "parameters")
MOST, MOST_OF = (
    1 << 20,
    {"bytes": 1 << 50, "parameters": 1 << 50, "cores": 1 << 12, "GPUs": 1 << 12},
)
"""How far up whole numbers are searched, and those that count one of these."""

ONE_BY_ONE = 512
"""So far every whole number is tried: what divides a batch comes and goes. Not sizes in bytes."""

PRECISELY = 1e-6
"""How near a tipping point of a fraction is told, as a share of it."""


CanBe: TypeAlias = Callable[[str, Plain], bool]
"""Whether an input, by name, may have a value here."""


def tipping_points(
    rule: Rule,
    inputs: Mapping[str, Plain],
    *,
    decided: Collection[str],
    can_be: CanBe | None = None,
) -> tuple[Flip, ...]:
    """Every tipping point around the recorded `inputs` of a decision, in the order of their names.

    `decided` names inputs that other rules decide. Their numbers follow from something else, so
    they do not move here; their words do, because a person may write another one: one that the
    input `can_be`.
    """
    now = decide_again(rule, inputs)
    if isinstance(now, Undecidable):
        return ()
    to_unit = keys()[rule.key].unit
    found = [
        flip
        for source in sorted(set(rule.inputs.values()) & inputs.keys())
        for flip in _of_source(rule, inputs, source, now, fixed=source in decided, can_be=can_be)
    ]
    return tuple(replace(flip, to_unit=to_unit) for flip in found)


def decide_again(rule: Rule, inputs: Mapping[str, Plain]) -> Decision | Undecidable:
    """What a rule says about these inputs, by name of key or fact, or why it cannot decide."""
    limits = inputs.get("auto")
    allowed = Allowed.of(limits) if isinstance(limits, Mapping) else ANYTHING
    told: dict[str, Any] = {name: inputs.get(source) for name, source in rule.inputs.items()}
    if "allowed" in rule.decide.__annotations__:
        told["allowed"] = allowed
    try:
        decision = rule.decide(**told)
    except Undecidable as stop:
        return stop
    refusal = allowed.refuses(decision.value)
    return Undecidable(refusal) if refusal else decision


# ---- one input moves ---------------------------------------------------------------------------

Number: TypeAlias = int | float

Outcome = tuple[Plain, str | None]
"""The value that is decided, or None and the reason why there is none."""

Ask = Callable[[Plain], Outcome]
"""What is decided when the input that moves has this value."""


def _of_source(
    rule: Rule,
    inputs: Mapping[str, Plain],
    source: str,
    now: Decision,
    *,
    fixed: bool,
    can_be: CanBe | None,
) -> Iterator[Flip]:
    def ask(value: Plain) -> Outcome:
        result = decide_again(rule, {**inputs, source: value})
        return (None, result.because) if isinstance(result, Undecidable) else (result.value, None)

    here, old = inputs[source], (now.value, None)
    others = _few(rule, source, here)
    if others:
        possible = tuple(value for value in others if can_be is None or can_be(source, value))
        yield from _words(source, possible, ask, old)
    elif fixed:
        return
    elif isinstance(here, Mapping):
        for name, number in here.items():
            if isinstance(number, int) and not isinstance(number, bool):
                yield from _numbers(_entry(source, here, name, ask), number, old)
    elif isinstance(here, int | float):
        yield from _numbers(_number(source, here, ask), here, old)


def _few(rule: Rule, source: str, here: Plain) -> tuple[Plain, ...]:
    """All other values of an input that can have only a few; nothing for the others."""
    if isinstance(here, bool):
        return (not here,)
    kind, key = kind_of(source), keys().get(source)
    domain: tuple[Plain, ...] = ()
    if source == "fact.gpu.capability":
        domain = CAPABILITIES
    elif kind is not None:
        domain = kind.one_of
    elif key is not None and isinstance(here, str):
        domain = choices(key.field)
    parameter = next(name for name, told in rule.inputs.items() if told == source)
    if domain and kind is not None and parameter in optional_parameters(rule.decide):
        domain = (*domain, None)
    return tuple(value for value in domain if not same(value, here))


def _words(source: str, others: tuple[Plain, ...], ask: Ask, old: Outcome) -> Iterator[Flip]:
    """Each other value, those with one outcome together."""
    outcomes: list[tuple[Outcome, list[Plain]]] = []
    for value in others:
        outcome = ask(value)
        if _equal(outcome, old):
            continue
        alike = next((values for known, values in outcomes if _equal(known, outcome)), None)
        if alike is None:
            outcomes.append((outcome, [value]))
        else:
            alike.append(value)
    for (to, stop), values in outcomes:
        single = len(values) == 1
        at = values[0] if single else tuple(values)
        yield Flip(source=source, op="==" if single else "in", at=at, to=to, stop=stop)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Track:
    """A number that moves: what it is, how far it may go, and what is decided there."""

    name: str
    unit: str
    low: Number
    high: Number
    ask: Ask


def _entry(source: str, table: Mapping[str, Plain], name: str, ask: Ask) -> _Track:
    """One number of a table of numbers."""

    def moved(value: Plain) -> Outcome:
        return ask({**table, name: value})

    return _Track(name=f"{source}.{name}", unit="", low=0, high=MOST, ask=moved)


def _number(source: str, here: Number, ask: Ask) -> _Track:
    kind, key = kind_of(source), keys().get(source)
    unit = kind.unit if kind else key.unit if key else ""
    low, high = (kind.at_least, None) if kind else _schema_limits(key) if key else (None, None)
    most = MOST_OF.get(unit, MOST)
    far = abs(here) * MOST if isinstance(here, float) else max(most, 2 * abs(here))
    return _Track(
        name=source,
        unit=unit,
        low=-far if low is None else low,
        high=far if high is None else high,
        ask=ask,
    )


def _schema_limits(key: Key) -> tuple[Number | None, Number | None]:
    """The least and the most that the schema accepts, where it has them both inclusive."""
    low: Number | None = None
    high: Number | None = None
    for limit in key.field.metadata:
        if getattr(limit, "ge", None) is not None:
            low = limit.ge
        if getattr(limit, "gt", None) is not None:
            low = _step(limit.gt, 1)
        if getattr(limit, "le", None) is not None:
            high = limit.le
        if getattr(limit, "lt", None) is not None:
            high = _step(limit.lt, -1)
    return low, high


def _step(limit: Number, direction: int) -> Number:
    """The nearest number beyond an exclusive limit."""
    if isinstance(limit, int):
        return limit + direction
    return math.nextafter(limit, math.inf * direction)


def _numbers(track: _Track, here: Number, old: Outcome) -> Iterator[Flip]:
    """The nearest tipping point below, and the nearest above."""
    for direction in (-1, 1):
        at = _nearest(track, here, direction, old)
        if at is None:
            continue
        to, stop = track.ask(at)
        until = _nearest(track, at, direction, (to, stop))
        if until is not None and isinstance(until, int):
            until -= direction
        op = "==" if until == at else ">=" if direction > 0 else "<="
        yield Flip(
            source=track.name,
            op=op,
            at=at,
            to=to,
            stop=stop,
            until=None if op == "==" else until,
            unit=track.unit,
        )


def _nearest(track: _Track, here: Number, direction: int, old: Outcome) -> Number | None:
    """The first value in one direction at which something else is decided, or None."""
    end = track.high if direction > 0 else track.low
    known: Number = here
    for offset in _offsets(here, track.unit):
        if known == end:
            return None
        at = here + direction * offset
        if (at - end) * direction > 0:
            at = end
        if not _equal(track.ask(at), old):
            return _first_of(track, known, at, old)
        known = at
    return None


def _offsets(here: Number, unit: str) -> Iterator[Number]:
    """How far to go: one by one, then each time twice as far; for fractions in shares of them."""
    if isinstance(here, float):
        step: Number = abs(here) * PRECISELY or PRECISELY
    else:
        step = 1 if unit in BIG else ONE_BY_ONE
        yield from range(1, step)
    while math.isfinite(step):
        yield step
        step *= 2


def _first_of(track: _Track, known: Number, at: Number, old: Outcome) -> Number:
    """By bisection: the first value after `known`, which decides as before, that does not."""
    if isinstance(known, int) and isinstance(at, int):
        while abs(at - known) > 1:
            middle = (known + at) // 2
            known, at = (middle, at) if _equal(track.ask(middle), old) else (known, middle)
        return at
    while abs(at - known) > PRECISELY / 10 * abs(at):
        between = (known + at) / 2
        known, at = (between, at) if _equal(track.ask(between), old) else (known, between)
    return _short(track, known, at, old)


def _short(track: _Track, known: float, at: float, old: Outcome) -> float:
    """The same tipping point with as few digits as tell it."""
    for digits in range(1, 17):
        rounded = float(f"{at:.{digits}g}")
        near = abs(rounded - at) <= PRECISELY / 2 * abs(at)
        if near and (rounded - known) * (at - known) > 0 and not _equal(track.ask(rounded), old):
            return rounded
    return at


def _equal(a: Outcome, b: Outcome) -> bool:
    """The same value, or no value in both."""
    return (a[1] is None) == (b[1] is None) and same(freeze(a[0]), freeze(b[0]))
