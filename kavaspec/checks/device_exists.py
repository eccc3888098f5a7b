"""The device is here, and the installed torch can use it."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, OneOf, Spoken, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.device import candidates


def device_exists(
    device: str,
    gpu: str | None,
    arch: str | None,
    accelerator: str | None,
    torch: str | None,
    backend: str | None,
    arch_list: Sequence[str] | None,
) -> Problem | None:
    """A kernel ran there. The CPU is always there."""
    why = impossible(candidates(gpu, arch, accelerator, torch, backend, arch_list), device)
    if why is None:
        return None
    return error(
        f"{device} cannot be used: {why}", key="train.device", hint='train.device = "auto"'
    )


CHECK = Check(
    name="device_exists",
    code="KV0719",
    inputs={
        "device": "train.device",
        "gpu": "fact.gpu.name",
        "arch": "fact.gpu.arch",
        "accelerator": "fact.torch.accelerator",
        "torch": "fact.torch.version",
        "backend": "fact.torch.backend",
        "arch_list": "fact.torch.arch_list",
    },
    veto=device_exists,
    judges="train.device",
    depends={
        "gpu": Spoken(),
        "arch": Spoken(),
        "accelerator": OneOf(values=("cuda", "rocm", "mps", None)),
        "torch": Spoken(),
        "backend": Spoken(),
        "arch_list": Spoken(),
    },
)
