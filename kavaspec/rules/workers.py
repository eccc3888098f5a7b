"""loader.workers: none: rows are tokenised once, before the first step."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def workers(rows: int, cores: int, allowed: Allowed = ANYTHING) -> Decision:
    """0, or the smallest number that the spec allows.

    Raises:
        Undecidable: if the spec allows no number up to the usable cores.
    """
    ahead = f"{rows} rows are tokenised before the first step; nothing is left to do beside it"
    none = Candidate(value=0, because=ahead)
    some = tuple(
        Candidate(value=count, because="it is the least that the spec allows", otherwise=_IDLE)
        for count in range(1, cores + 1)
    )
    decision = choose((none, *some), allowed)
    return Decision(value=decision.value, because=decision.because, rejected=decision.rejected[:1])


_IDLE = "would only pass on what is in memory already"

RULE = Rule(
    key="loader.workers",
    inputs={"rows": "fact.data.rows", "cores": "fact.cpu.cores"},
    decide=workers,
)
