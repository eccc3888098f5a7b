"""loader.workers: none: rows are tokenised once, before the first step."""

from __future__ import annotations

from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Rule, Undecidable


def workers(cores: int, allowed: Allowed = ANYTHING) -> Decision:
    """0, or the smallest number that the spec allows.

    Raises:
        Undecidable: if the spec allows no number up to the usable cores.
    """
    value = next((count for count in range(cores + 1) if not allowed.refuses(count)), None)
    if value is None:
        raise Undecidable(
            f"none of 0 to {cores} workers will do: {allowed.refuses(0)}",
            hint="loader.workers = 0",
            possible=range(cores + 1),
            why=f"{cores} cores may be used",
        )
    if value == 0:
        return Decision(
            value=0,
            because="all rows are tokenised before the first step; nothing is left to do beside it",
            rejected=(Rejected(value=1, because="would only pass on what is in memory already"),),
        )
    return Decision(
        value=value,
        because="it is the least that the spec allows",
        rejected=(Rejected(value=0, because=allowed.refuses(0) or ""),),
    )


RULE = Rule(
    key="loader.workers",
    inputs={"cores": "fact.cpu.cores"},
    decide=workers,
)
