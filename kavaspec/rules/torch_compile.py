"""train.compile: off: rows of many lengths make torch.compile start over and over."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def torch_compile(max_length: int, allowed: Allowed = ANYTHING) -> Decision:
    """Off. Batches are as long as their longest row, and torch gives up after 8 recompilations.

    Raises:
        Undecidable: if the spec allows neither.
    """
    candidates = (
        Candidate(
            value=False,
            because=f"batches have many lengths up to {max_length}, and each compiles anew",
        ),
        Candidate(
            value=True,
            because="the spec leaves only this",
            otherwise="recompiles for every length, 8 times at most, and is not proved here",
        ),
    )
    return choose(candidates, allowed)


RULE = Rule(key="train.compile", inputs={"max_length": "data.max_length"}, decide=torch_compile)
