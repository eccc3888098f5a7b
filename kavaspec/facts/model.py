"""A fact: something observed, never chosen, with how it is known and what saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from kavaspec.plain import Plain

How: TypeAlias = Literal[
    "measured",
    "scheduler",
    "derived",
    "estimated",
    "declared",
    "override",
    "assumed",
]

TRUST: tuple[How, ...] = get_args(How)
"""Most trusted first."""

UNMEASURED: frozenset[How] = frozenset({"estimated", "declared", "override", "assumed"})
"""A decision that rests on one of these is provisional until a run confirms it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A value and how it is known.

    `value=None` means that the probe looked and there is none (no GPU, variable not set); then
    `evidence` says where it looked. A fact that could not be established is left out of `Facts`
    and reported as `NotFound`.
    """

    value: Plain
    how: How
    probe: str
    """Who saw it, with version: `nvidia@1`."""
    evidence: str = ""
    """What exactly was seen, for people: `81559 MiB total (NVML)`. Not part of any lock."""
    of: Mapping[str, Plain] = field(default_factory=dict)
    """What it is a fact *about*: the spec values that the probe was given, such as
    `{"model.teacher.source": "./teacher"}`. Empty for facts about the machine. When the spec says
    something else, the fact is about something else and is observed anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotFound:
    """A fact that a probe could not establish, and why."""

    fact: str
    probe: str
    because: str
    hint: str | None = None


Facts: TypeAlias = Mapping[str, Fact]
"""Facts by full dotted name: `fact.gpu.memory_bytes`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one probe brings home: the facts it saw and those it could not establish."""

    facts: Facts
    not_found: tuple[NotFound, ...] = ()
