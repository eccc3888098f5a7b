"""scheduler.walltime_s: the limit that the scheduler states, or four hours."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule, Term

ASSUMED_HOURS = 4


def walltime(stated: int | None) -> Decision:
    """Seconds. Without a stated limit it is an assumption: nothing yet says how long a step takes."""
    if stated is not None:
        return Decision(value=stated, because=f"the scheduler states {stated} seconds")
    return Decision(
        value=ASSUMED_HOURS * 3600,
        because=f"no limit is stated; {ASSUMED_HOURS} hours is an assumption",
        terms=(
            Term(name="seconds", formula=f"{ASSUMED_HOURS} * 3600", value=ASSUMED_HOURS * 3600),
        ),
    )


RULE = Rule(
    key="scheduler.walltime_s", inputs={"stated": "fact.scheduler.walltime_s"}, decide=walltime
)
