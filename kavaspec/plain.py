"""Plain values: the only kind of data that specs, facts, decisions and locks hold.

A plain value is None, a bool, an int, a finite float, a string, a tuple of plain values, or a
mapping from strings to plain values. Plain values compare by value *and type* (`same`), freeze
(`freeze`) and have one spelling for people (`show`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

LARGEST = 2**63
"""Whole numbers have 64 bits, as in TOML, in JSON readers and on devices."""

DEEPEST = 24
"""Levels of a file: ours have eight."""

Plain: TypeAlias = "None | bool | int | float | str | Sequence[Plain] | Mapping[str, Plain]"


def freeze(value: object) -> Plain:
    """A read-only copy: lists become tuples, dicts become read-only mappings.

    Raises:
        TypeError: for anything that is not plain (dates, sets, objects, NaN, infinities, numbers of
            more than 64 bits).
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if too_large(value):
            raise TypeError(f"{show(value)} is too large for 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} is not a finite number")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{key!r} is not a string, and names are strings")
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    raise TypeError(f"{type(value).__name__} is not a plain value")


def too_large(value: object) -> bool:
    """Whether this is a whole number of more than 64 bits."""
    return isinstance(value, int) and not -LARGEST <= value < LARGEST


def held_within_bounds(tree: Any) -> Any:
    """A file that was read, unchanged: a tree of a size that can be copied and printed.

    Raises:
        TypeError: for numbers of more than 64 bits, for more levels than any file of ours has, and for
            one part that stands in two places (a YAML alias), which may grow without end.
    """
    seen: set[int] = set()
    level: list[object] = [tree]
    for _ in range(DEEPEST):
        below: list[object] = []
        for item in level:
            if isinstance(item, int) and not isinstance(item, bool):
                freeze(int(item))
            if isinstance(item, Mapping | list | tuple) and item:
                if id(item) in seen:
                    raise TypeError("a part of it stands in two places (an alias)")
                seen.add(id(item))
                below += item.values() if isinstance(item, Mapping) else item
        if not below:
            return tree
        level = below
    raise TypeError(f"it is nested deeper than {DEEPEST} levels")


def thaw(value: Plain) -> object:
    """The same value from lists and dicts, as JSON and YAML writers want it."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [thaw(item) for item in value]
    return value


def same(a: Plain, b: Plain) -> bool:
    """Equal in value and in type: `1`, `1.0` and `True` are three different things."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def show(value: Plain) -> str:
    """One line for people: runs of equal items are folded, strings lose their quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value.isprintable() else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{_range(value) or ', '.join(_runs([show(item) for item in value]))}]"
    if isinstance(value, int) and value.bit_length() > HUGE_BITS:
        return f"a number of {value.bit_length()} bits"  # Python refuses to spell the longest
    return repr(value)


HUGE_BITS = 1000


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def toml(value: Plain) -> str:
    """The value as a person would write it in kava.toml."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _range(items: Sequence[Plain]) -> str | None:
    """`0..27` for whole numbers that count up by one; None for anything else, or a few."""
    numbers = [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    if len(numbers) < 4 or len(numbers) < len(items):
        return None
    counts_up = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return f"{numbers[0]}..{numbers[-1]}" if counts_up else None


def _runs(items: list[str]) -> list[str]:
    """`['256', '256', '256']` becomes `['256 x 3']`; short runs stay as they are."""
    folded: list[str] = []
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or items[end] != items[start]:
            count = end - start
            folded += [f"{items[start]} x {count}"] if count > 2 else items[start:end]
            start = end
    return folded
