"""A check: a pure function that can veto final values, whether a rule or a person set them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kavaspec.errors import Exit, Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One constraint over values. Not run when a value it reads is not there."""

    name: str
    inputs: Mapping[str, str]
    """Parameter name of `veto` -> key of the spec or of a fact. A parameter annotated `| None` is
    told None when its key or fact is not there."""
    veto: Callable[..., Problem | None]


def error(message: str, *, key: str, hint: str | None = None) -> Problem:
    """No run can meet these values: exit 7."""
    return Problem(message=message, exit=Exit.UNSATISFIABLE, key=key, hint=hint)


def warning(message: str, *, key: str, hint: str | None = None) -> Problem:
    """These values can be run, and somebody will regret it."""
    return Problem(message=message, exit=Exit.UNSATISFIABLE, key=key, hint=hint, severity="warning")
