"""optimizer_state_dtype@1: float32 moments everywhere; there were none of 8 bits."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def optimizer_state_dtype(beta2: float, allowed: Allowed = ANYTHING) -> Decision:
    """A step moves the second moment by a share of 1 - beta2; bfloat16 holds shares from 1/256.

    Raises:
        Undecidable: if the spec allows only float16.
    """
    share = max(1, round(1 / (1 - beta2)))
    lost = f"a step moves the second moment by 1/{share}, and bfloat16 holds 1/256"
    kept = f"it holds the second moment's steps of 1/{share} with room to spare"
    candidates = (
        Candidate(value="float32", because=lost if share > 256 else kept),
        Candidate(
            value="bfloat16",
            because="the spec leaves only this",
            otherwise="holds steps from 1/256 only"
            if share > 256
            else "is close to its limit, 1/256",
        ),
        Candidate(
            value="float16", because="", impossible="squares of small gradients are 0 in float16"
        ),
    )
    return choose(candidates, allowed, hint="float32 always works")


RULE = Rule(
    key="train.optimizer_state_dtype",
    inputs={"beta2": "train.beta2"},
    decide=optimizer_state_dtype,
)
