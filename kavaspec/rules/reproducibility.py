"""train.reproducibility: the strongest promise that the device can keep."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule

_BITWISE = {
    "cpu": "a fixed number of threads adds up in a fixed order",
    "cuda": "deterministic kernels and a fixed cuBLAS workspace give the same bits",
}
_NOT_BITWISE = {
    "rocm": "fused attention on ROCm ignores the deterministic flag (pytorch#197771)",
    "mps": "deterministic mode on MPS stops in the embedding's backward",
}


def reproducibility(device: str, allowed: Allowed = ANYTHING) -> Decision:
    """`bitwise`: same bits; `data_exact`: same rows in the same order; `statistical`: alike.

    Raises:
        Undecidable: if the spec asks for more than the device can give.
    """
    return choose(candidates(device), allowed, hint='train.reproducibility = "data_exact"')


def candidates(device: str) -> tuple[Candidate, ...]:
    """Strongest first."""
    because = _NOT_BITWISE.get(device, "the spec leaves only this")
    return (
        Candidate(
            value="bitwise",
            because=_BITWISE.get(device, ""),
            impossible=_NOT_BITWISE.get(device),
        ),
        Candidate(
            value="data_exact", because=because, otherwise="promises less than this device can give"
        ),
        Candidate(
            value="statistical",
            because="the spec leaves only this",
            otherwise="promises less than this device can give",
        ),
    )


RULE = Rule(key="train.reproducibility", inputs={"device": "train.device"}, decide=reproducibility)
