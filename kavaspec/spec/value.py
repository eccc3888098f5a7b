"""One value for one key: what the schema makes of it, or what it expected instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from pydantic import ValidationError

from kavaspec.decision import AUTO
from kavaspec.plain import Plain, freeze, thaw, too_large
from kavaspec.spec.model import SpecModel
from kavaspec.spec.schema import Key, describe, keys


class Refused(Exception):
    """The schema does not take a value; the text says what it expects. Caught by who asked."""


def typed(key: Key, value: Plain) -> Plain:
    """The value as a lock would hold it: `1` is 1.0 for a key that is a fraction.

    Raises:
        Refused: with what was expected.
    """
    if isinstance(value, Mapping) and dict(value) == {"unset": True}:
        value = None
    kinds = (key.field.annotation, *get_args(key.field.annotation))
    if too_large(value):
        raise Refused(f"{describe(key.field)} of at most 64 bits")
    if value is None and type(None) not in kinds:
        raise Refused(describe(key.field, auto=key.auto))
    if value == AUTO:
        raise Refused('a value: it cannot be "auto"')
    path = tuple(key.name.split("."))
    tree = thaw(value)
    for name in reversed(path):
        tree = {name: tree}
    try:
        SpecModel.model_validate(tree)
    except ValidationError as error:  # keys that are missing beside this one do not matter
        if any(item["loc"][: len(path)] == path for item in error.errors(include_url=False)):
            raise Refused(describe(key.field, auto=key.auto)) from None
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds:
        return value if int in kinds else float(value)
    return freeze(value)


def misfits(values: Mapping[str, Plain]) -> frozenset[str]:
    """The keys, by dotted name, whose value no lock can hold, because the schema does not take it."""
    wrong = {name for name, value in values.items() if _is_no_value(keys()[name], value)}
    tree: dict[str, object] = {}
    for name in values.keys() - wrong:
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})  # type: ignore[assignment]  # tables hold tables
        branch[last] = thaw(values[name])
    try:
        SpecModel.model_validate(tree)
    except ValidationError as error:  # a key that is missing is named, too, and is not among them
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            named = (
                ".".join(map(str, item["loc"][:size])) for size in range(1, len(item["loc"]) + 1)
            )
            wrong |= {name for name in named if name in values}
    return frozenset(wrong)


def _is_no_value(key: Key, value: Plain) -> bool:
    """Whether a lock could not say it although a spec could: `"auto"`, or a number of more than 64 bits."""
    return too_large(value) or (key.auto and value == AUTO)
