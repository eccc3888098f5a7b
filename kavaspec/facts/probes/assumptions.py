"""What kavaspec assumes until somebody measures it."""

from __future__ import annotations

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Probe, Seen, sign

NAMES = ("fact.memory.batch_table",)
BATCH_TABLE = ((40 * 10**9, 8), (24 * 10**9, 4), (8 * 10**9, 2), (0, 1))


def assumed() -> Observation:
    """All assumptions; they are the same on every machine."""
    table = Seen(
        value=BATCH_TABLE,
        how="assumed",
        evidence="the original scripts' table: rows of 512 tokens that a student of 494,032,768 "
        "parameters was trained with, by memory of the card",
    )
    return sign(PROBE.id, {"fact.memory.batch_table": table})


def observe(_: Machine) -> Observation:
    return assumed()


PROBE = Probe(name="original_table", version=1, facts=NAMES, observe=observe)
