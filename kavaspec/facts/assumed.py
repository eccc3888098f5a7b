"""What kavaspec assumes about a machine until somebody measures it; the same everywhere."""

from __future__ import annotations

from types import MappingProxyType

from kavaspec.facts.model import Fact, Facts

PROBE, VERSION = "original_table", 1

ASSUMED: Facts = MappingProxyType(
    {
        "fact.memory.batch_table": Fact(
            value=((40 * 10**9, 8), (24 * 10**9, 4), (8 * 10**9, 2), (0, 1)),
            how="assumed",
            probe=f"{PROBE}@{VERSION}",
            evidence="the original scripts' table: rows of 512 tokens that a student of 494,032,768 "
            "parameters was trained with, by memory of the card",
        )
    }
)


def with_assumptions(facts: Facts) -> Facts:
    """The facts, and for those that nobody states what kavaspec assumes."""
    return {**ASSUMED, **facts}
