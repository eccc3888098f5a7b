"""Limits of a constrained auto that leave nothing: which of them conflict, and the nearest that do not.

{ auto = true, min = 3, max = 3 } where 1, 2, 4 and 8 are possible:
both are needed for the conflict, and `min = 2` or `max = 4` would end it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.plain import Plain, show, toml

LIMITS = ("min", "max", "multiple_of", "one_of")


def conflicting(allowed: Allowed, possible: Sequence[Plain]) -> tuple[str, ...]:
    """The smallest set of limits, by name, that no possible value meets."""
    kept = [name for name in LIMITS if getattr(allowed, name) is not None]
    for name in tuple(kept):
        others = [other for other in kept if other != name]
        if not _meets(only(allowed, others), possible):
            kept = others
    return tuple(kept)


def only(allowed: Allowed, names: Sequence[str]) -> Allowed:
    """The limits named, without the others."""
    return replace(ANYTHING, **{name: getattr(allowed, name) for name in names})


def written(allowed: Allowed, names: Sequence[str]) -> str:
    """`min = 3 and max = 3`, as kava.toml has it."""
    each = [f"{name} = {toml(getattr(allowed, name))}" for name in names]
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


def repairs(allowed: Allowed, names: Sequence[str], possible: Sequence[Plain]) -> str:
    """The nearest limits that a possible value meets, each alone: `min = 2, or max = 4`.

    `possible` is in the order of preference.
    """
    found = [text for name in names if (text := _repair(allowed, name, possible)) is not None]
    return ", or ".join(found) or "leave the limits out"


def listed(values: Sequence[Plain]) -> str:
    """Values for a message, a few of many."""
    if all(isinstance(value, int | float) for value in values):
        values = sorted(values)  # type: ignore[type-var]  # all are numbers
    shown = [show(value) for value in values]
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if len(numbers) == len(values) > 3 and sorted(numbers) == list(
        range(min(numbers), max(numbers) + 1)
    ):
        return f"{min(numbers)} to {max(numbers)}"
    return ", ".join(shown if len(shown) <= 8 else [*shown[:3], "...", *shown[-3:]])


def _repair(allowed: Allowed, name: str, possible: Sequence[Plain]) -> str | None:
    others = [other for other in LIMITS if other != name and getattr(allowed, other) is not None]
    left = _meets(only(allowed, others), possible)
    if not left:
        return None
    if name == "one_of":
        return f"one_of = {toml((*(allowed.one_of or ()), left[0]))}"
    numbers = [value for value in left if isinstance(value, int | float)]
    if name == "multiple_of" or not numbers:
        return f"leave {name} out"
    return f"{name} = {max(numbers) if name == 'min' else min(numbers)}"


def _meets(allowed: Allowed, possible: Sequence[Plain]) -> list[Plain]:
    return [value for value in possible if allowed.refuses(value) is None]
