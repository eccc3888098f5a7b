"""A check: a pure function that can veto final values, whether a rule or a person set them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from kavaspec.errors import Exit, Problem
from kavaspec.plain import Plain


@dataclass(frozen=True, kw_only=True, slots=True)
class AtLeast:
    """More of this fact never makes a value that passes fail. The guard is the least that passes."""

    ladder: tuple[Plain, ...] | None = None
    """What the fact may be, in rising order; None for every whole number from 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OneOf:
    """The fact has few values, and each is tried. The guard names those that pass."""

    values: tuple[Plain, ...]
    """All that it may be; None among them when it may be unknown."""
    complete: bool = True
    """Whether nothing else exists. If something may, the guard never says `not in`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selects:
    """The fact decides which other facts matter. The guard is `==`, unless no other value changes
    what the check says, with the other facts as they are or unknown.
    """

    values: tuple[Plain, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Same:
    """Only this very value passes. The guard is `==`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """The fact is only spoken of in the message: it never decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Travels:
    """The fact is no property of a machine: it travels in the lock, so no machine can break it."""


Dependence: TypeAlias = AtLeast | OneOf | Selects | Same | Spoken | Travels
"""How the verdict of a check depends on one fact about a machine. Guards are derived from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One constraint over values. Not run when a value it reads is not there."""

    name: str
    code: str
    """`KV0710`: what its problems are called, unless they bring a code of their own."""
    inputs: Mapping[str, str]
    """Parameter name of `veto` -> key of the spec or of a fact. A parameter annotated `| None` is
    told None when its key or fact is not there."""
    veto: Callable[..., Problem | None]
    judges: str = ""
    """The key that it vetoes on some machine and lets pass on another: the guard stands there."""
    depends: Mapping[str, Dependence] = field(default_factory=lambda: MappingProxyType({}))
    """How the verdict depends on each machine fact that it reads, by parameter name."""
    since: int = 1
    """The first version of the set of checks that has it."""
    until: int | None = None
    """The first version that has it no longer; None while it is in force."""


def newest_version(checks: Iterable[Check]) -> int:
    """The version of a set of checks: it rises with each check that comes, goes or changes."""
    return max(
        (version for check in checks for version in (check.since, check.until or 1)), default=1
    )


def in_force(checks: Iterable[Check], version: int) -> tuple[Check, ...]:
    """The checks as they were at a version: those judge what was locked then."""
    return tuple(
        check
        for check in checks
        if check.since <= version and (check.until is None or version < check.until)
    )


def error(message: str, *, key: str, hint: str | None = None) -> Problem:
    """No run can meet these values: exit 7. `veto` adds the check's code."""
    return Problem(message=message, exit=Exit.UNSATISFIABLE, code="", key=key, hint=hint)


def warning(message: str, *, key: str, hint: str | None = None, code: str = "") -> Problem:
    """These values can be run, and somebody will regret it."""
    return Problem(
        message=message,
        exit=Exit.UNSATISFIABLE,
        code=code,
        key=key,
        hint=hint,
        severity="warning",
    )
