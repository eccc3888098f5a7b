"""The device can keep the promise of reproducibility."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.reproducibility import candidates


def reproducibility_on_device(reproducibility: str, device: str) -> Problem | None:
    """A promise that cannot be kept is refused, not weakened."""
    why = impossible(candidates(device), reproducibility)
    if why is None:
        return None
    return error(
        f"{reproducibility} cannot be promised on {device}: {why}",
        key="train.reproducibility",
        hint='train.reproducibility = "data_exact"',
    )


CHECK = Check(
    name="reproducibility_on_device",
    code="KV0741",
    inputs={"reproducibility": "train.reproducibility", "device": "train.device"},
    veto=reproducibility_on_device,
)
