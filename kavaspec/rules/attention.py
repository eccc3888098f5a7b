"""train.attention: torch's fused kernel, which keeps no length x length matrix."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def attention(device: str, max_length: int, allowed: Allowed = ANYTHING) -> Decision:
    """`sdpa` on every device; on MPS only the teacher gains, since its backward is not fused.

    Raises:
        Undecidable: if the spec allows neither.
    """
    fused = f"one fused kernel, without a {max_length} x {max_length} matrix for every head"
    metal = "it is fused on Metal for the teacher, and for the student the same as eager"
    candidates = (
        Candidate(value="sdpa", because=metal if device == "mps" else fused),
        Candidate(
            value="eager",
            because="the spec leaves only this",
            otherwise=f"keeps a {max_length} x {max_length} matrix for every head",
        ),
    )
    return choose(candidates, allowed)


RULE = Rule(
    key="train.attention",
    inputs={"device": "train.device", "max_length": "data.max_length"},
    decide=attention,
)
