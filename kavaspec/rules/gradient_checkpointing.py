"""train.gradient_checkpointing: off: it costs a second forward, and takes the cache away."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def gradient_checkpointing(kind: str, allowed: Allowed = ANYTHING) -> Decision:
    """Off. With `kv` it cannot be on: transformers returns no cache under checkpointing.

    Raises:
        Undecidable: if the spec allows only `true` with the kv objective.
    """
    return choose(candidates(kind), allowed, hint="train.gradient_checkpointing = false")


def candidates(kind: str) -> tuple[Candidate, ...]:
    """Off first."""
    no_cache = "transformers returns no cache under checkpointing, and kv compares the cache"
    if kind == "kv":
        return (
            Candidate(value=False, because=no_cache),
            Candidate(value=True, because="", impossible=no_cache),
        )
    return (
        Candidate(value=False, because="activations are kept until measured memory says otherwise"),
        Candidate(
            value=True,
            because="the spec leaves only this",
            otherwise="computes every activation twice, and nothing shows that memory is short",
        ),
    )


RULE = Rule(
    key="train.gradient_checkpointing",
    inputs={"kind": "objective.kind"},
    decide=gradient_checkpointing,
)
