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
from typing import TypeAlias

Plain: TypeAlias = "None | bool | int | float | str | Sequence[Plain] | Mapping[str, Plain]"


def freeze(value: object) -> Plain:
    """A read-only copy: lists become tuples, dicts become read-only mappings.

    Raises:
        TypeError: for anything that is not plain (dates, sets, objects, NaN, infinities).
    """
    if value is None or isinstance(value, bool | int | str):
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
    return repr(value)


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
