"""train.param_dtype: float32 weights, because 16 bits round small updates away."""

from __future__ import annotations

import math

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Term


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


def frozen_from(learning_rate: float) -> float:
    """The smallest power of two at which a bfloat16 weight no longer moves by `learning_rate`.

    Between w and 2w (w a power of two) bfloat16 has 128 values, w/128 apart; a step below half of
    that, w/256, is rounded away. 2e-4 freezes weights from 1/16 up.
    """
    _, exponent = math.frexp(learning_rate)  # learning_rate < 2 ** exponent, as close as can be
    return math.ldexp(1.0, min(max(exponent + 8, -22), 1023))  # below 2**-22 nothing moves anyway


def _power(value: float) -> str:
    return f"{value:g}" if value >= 1 else f"1 / {1 / value:.0f}"


RULE = Rule(
    key="train.param_dtype",
    inputs={"learning_rate": "train.learning_rate"},
    decide=param_dtype,
)
