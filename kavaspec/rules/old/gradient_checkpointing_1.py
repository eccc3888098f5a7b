"""gradient_checkpointing@1: off, whatever memory there is."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def gradient_checkpointing(allowed: Allowed = ANYTHING) -> Decision:
    """Off unless the spec leaves only `true`; the keys and values are the same bits either way."""
    return choose(CANDIDATES, allowed, hint="train.gradient_checkpointing = false")


CANDIDATES = (
    Candidate(value=False, because="activations are kept until measured memory says otherwise"),
    Candidate(
        value=True,
        because="the spec leaves only this",
        otherwise="computes every activation twice, and nothing shows that memory is short",
    ),
)

RULE = Rule(key="train.gradient_checkpointing", inputs={}, decide=gradient_checkpointing)
