"""The device can train in the precision that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import AtLeast, Check, OneOf, Spoken, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.precision import candidates

CAPABILITIES = tuple((major, minor) for major in range(3, 13) for minor in range(10))
"""CUDA compute capabilities: those that exist are among them."""

ARCHS = (
    *("gfx900", "gfx906", "gfx908", "gfx90a", "gfx940", "gfx941", "gfx942", "gfx950"),
    *("gfx1010", "gfx1012", "gfx1030", "gfx1031", "gfx1032", "gfx1034", "gfx1035", "gfx1036"),
    *("gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1200", "gfx1201"),
    None,
)
"""AMD's cards. On others the name of the architecture decides nothing."""

CANARY = ("faster", "slower", "wrong", "unsupported", None)


def precision_on_device(
    precision: str,
    device: str,
    gpu: str | None,
    capability: Sequence[int] | None,
    arch: str | None,
    cpu_features: Sequence[str] | None,
) -> Problem | None:
    """What the rule would never choose may still run; only what cannot is refused."""
    here = candidates(device, gpu, capability, arch, cpu_features, bfloat16=None, float16=None)
    return _refused(precision, device, impossible(here, precision))


def canary_is_right(
    precision: str, device: str, bfloat16: str | None, float16: str | None
) -> Problem | None:
    """A dtype in which a small training step came out wrong here is never trained in."""
    found = {"bfloat16": bfloat16, "float16": float16}.get(precision)
    if found not in {"wrong", "unsupported"}:
        return None
    return _refused(precision, device, f"the canary found {precision} {found} here")


def _refused(precision: str, device: str, why: str | None) -> Problem | None:
    if why is None:
        return None
    return error(
        f"{precision} does not train on {device}: {why}",
        key="train.precision",
        hint='train.precision = "auto"',
    )


CHECKS = (
    Check(
        name="precision_on_device",
        code="KV0735",
        inputs={
            "precision": "train.precision",
            "device": "train.device",
            "gpu": "fact.gpu.name",
            "capability": "fact.gpu.capability",
            "arch": "fact.gpu.arch",
            "cpu_features": "fact.cpu.features",
        },
        veto=precision_on_device,
        judges="train.precision",
        depends={
            "gpu": Spoken(),
            "capability": AtLeast(ladder=CAPABILITIES),
            "arch": OneOf(values=ARCHS, complete=False),
            "cpu_features": Spoken(),
        },
    ),
    Check(
        name="canary_is_right",
        code="KV0757",
        inputs={
            "precision": "train.precision",
            "device": "train.device",
            "bfloat16": "fact.canary.bfloat16",
            "float16": "fact.canary.float16",
        },
        veto=canary_is_right,
        judges="train.precision",
        depends={"bfloat16": OneOf(values=CANARY), "float16": OneOf(values=CANARY)},
    ),
)
