"""The device can train in the precision that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.precision import candidates


def precision_on_device(
    precision: str,
    device: str,
    gpu: str | None,
    capability: Sequence[int] | None,
    arch: str | None,
    cpu_features: Sequence[str] | None,
    bfloat16: str | None,
    float16: str | None,
) -> Problem | None:
    """What the rule would never choose may still run; only what cannot is refused."""
    here = candidates(device, gpu, capability, arch, cpu_features, bfloat16, float16)
    why = impossible(here, precision)
    if why is None:
        return None
    return error(
        f"{precision} does not train on {device}: {why}",
        key="train.precision",
        hint='train.precision = "auto"',
    )


CHECK = Check(
    name="precision_on_device",
    inputs={
        "precision": "train.precision",
        "device": "train.device",
        "gpu": "fact.gpu.name",
        "capability": "fact.gpu.capability",
        "arch": "fact.gpu.arch",
        "cpu_features": "fact.cpu.features",
        "bfloat16": "fact.canary.bfloat16",
        "float16": "fact.canary.float16",
    },
    veto=precision_on_device,
)
