"""Why a key has its value, as data. One type serves the command line, JSON and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kavaspec.decision import Rejected, Term
from kavaspec.plain import Plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One thing the decision was told."""

    name: str
    """A key, or a fact (`fact.gpu.memory_bytes`)."""
    value: Plain
    how: str
    """For a key: who decided it (`precision@1`). For a fact: `measured by nvml@1`."""
    evidence: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Everything worth knowing about one decision."""

    key: str
    value: Plain
    tier: str
    by: str
    meaning: str
    """The key's docstring."""
    unit: str
    because: str
    asked: str
    """Where it was asked for: `asked for at kava.toml:15:1`, `left out of kava.toml`."""
    terms: tuple[Term, ...] = ()
    sources: tuple[Source, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    guard: tuple[str, ...] = ()
    provisional: str | None = None
    feeds: tuple[str, ...] = ()
    """Keys whose decision reads this one."""
    override: str = ""
    """What to write in kava.toml to decide it by hand."""


def headline(explanation: Explanation) -> str:
    """`train.precision = bfloat16`: the first line of every view."""
    from kavaspec.plain import show

    return f"{explanation.key} = {show(explanation.value)}"


Explanations = Mapping[str, Explanation]
