"""param_dtype@1: float32 weights everywhere; bfloat16 ones were rounded to the nearest."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Term
from kavaspec.rules.param_dtype import frozen_from


def param_dtype(learning_rate: float, allowed: Allowed = ANYTHING) -> Decision:
    """AdamW moves a weight by about the learning rate; bfloat16 keeps 8 bits of it.

    Raises:
        Undecidable: if the spec allows only float16.
    """
    return choose(candidates(learning_rate), allowed, hint="float32 always trains")


def candidates(learning_rate: float) -> tuple[Candidate, ...]:
    """All three dtypes, best first."""
    frozen = frozen_from(learning_rate)
    spelled = _power(frozen)
    return (
        Candidate(
            value="float32",
            because=f"in bfloat16, steps of {learning_rate} vanish on weights from {spelled} up",
            terms=(
                Term(
                    name=f"half of bfloat16's grid at {spelled}, above the learning rate",
                    formula=f"{spelled} / 256",
                    value=frozen / 256,
                ),
            ),
        ),
        Candidate(
            value="bfloat16",
            because=f"the spec leaves only this; weights from {spelled} up will not move",
            otherwise=f"steps of {learning_rate} vanish on weights from {spelled} up",
        ),
        Candidate(
            value="float16",
            because="",
            impossible="gradients of float16 weights cannot be unscaled",
        ),
    )


def _power(value: float) -> str:
    return f"{value:g}" if value >= 1 else f"1 / {1 / value:.0f}"


RULE = Rule(
    key="train.param_dtype",
    inputs={"learning_rate": "train.learning_rate"},
    decide=param_dtype,
)
