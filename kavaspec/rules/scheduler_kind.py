"""scheduler.kind: who starts jobs here."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def scheduler_kind(found: str | None, allowed: Allowed = ANYTHING) -> Decision:
    """The scheduler that was found, or `none`.

    Raises:
        Undecidable: if the spec allows only others.
    """
    none = Candidate(
        value="none",
        because="the spec starts it by hand" if found else "no scheduler was found",
        otherwise=f"{found} starts jobs here",
    )
    if found is None:
        return choose((none,), allowed, hint="write scheduler.kind by hand")
    here = Candidate(value=found, because=f"{found} was found", otherwise="the spec leaves it out")
    return choose((here, none), allowed, hint="write scheduler.kind by hand")


RULE = Rule(key="scheduler.kind", inputs={"found": "fact.scheduler.kind"}, decide=scheduler_kind)
