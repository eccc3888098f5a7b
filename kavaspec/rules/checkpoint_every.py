"""checkpoint.every: about ten checkpoints in a run."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule, Term
from kavaspec.plain import counted

CHECKPOINTS = 10


def checkpoint_every(steps: int) -> Decision:
    """A tenth of the run, rounded up: that much is lost at worst. The last step always has one."""
    value = max(1, (steps + CHECKPOINTS - 1) // CHECKPOINTS)
    return Decision(
        value=value,
        because=f"at most a tenth of {counted(steps, 'step')} is lost when a run is cut off",
        terms=(
            Term(
                name="a tenth of the steps, rounded up",
                formula=f"max(1, ({steps} + {CHECKPOINTS - 1}) // {CHECKPOINTS})",
                value=value,
            ),
        ),
    )


RULE = Rule(key="checkpoint.every", inputs={"steps": "train.steps"}, decide=checkpoint_every)
