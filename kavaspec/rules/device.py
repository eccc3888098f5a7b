"""train.device: the accelerator that the installed torch really uses; the CPU when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Undecidable

DEVICES = ("cuda", "rocm", "mps")


def device(
    gpu: str | None,
    arch: str | None,
    accelerator: str | None,
    torch: str | None,
    backend: str | None,
    arch_list: Sequence[str] | None,
    login_node: str | None,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """An accelerator counts when a kernel ran on it. A GPU that torch cannot use stops the lock.

    Raises:
        Undecidable: if there is a GPU that torch cannot use, or the spec allows nothing that is
            here, or this is a login node without a GPU. Never falls back to the CPU unless the
            spec says so.
    """
    here = candidates(gpu, arch, accelerator, torch, backend, arch_list)
    if gpu is None and login_node is not None and not _only_cpu(allowed):
        raise Undecidable(
            f"this is a login node of {login_node}, and what a job gets cannot be seen from here",
            hint="lock in a job, or keep its facts (kavaspec facts --save NAME, in a job), "
            'or write train.device = "cpu"',
            missing=True,
        )
    if gpu is not None and accelerator is None and not _only_cpu(allowed):
        raise Undecidable(here[0].impossible or "", hint=_way_out(torch))
    decision = choose(here, allowed, hint='write train.device = "cpu" to train without a GPU')
    possible = {item.value for item in here if item.impossible is None}
    return replace(
        decision, rejected=tuple(item for item in decision.rejected if item.value in possible)
    )


def candidates(
    gpu: str | None,
    arch: str | None,
    accelerator: str | None,
    torch: str | None,
    backend: str | None,
    arch_list: Sequence[str] | None,
) -> tuple[Candidate, ...]:
    """The accelerators and the CPU, best first, with what speaks against each."""
    cpu = Candidate(
        value="cpu",
        because=f"the spec leaves {gpu} alone" if gpu else "no GPU was found",
        otherwise=f"{gpu} is here and torch can use it",
    )
    if accelerator is None:
        why = _unusable(gpu, arch, torch, backend, arch_list) if gpu else "no GPU was found"
        return (*(Candidate(value=name, because="", impossible=why) for name in DEVICES), cpu)
    usable = Candidate(
        value=accelerator,
        because=f"torch {torch} ran a kernel on {gpu}",
        otherwise=f"{gpu} is left alone",
    )
    others = tuple(
        Candidate(value=name, because="", impossible=f"{gpu} is a {accelerator} device for torch")
        for name in DEVICES
        if name != accelerator
    )
    return (usable, cpu, *others)


def _only_cpu(allowed: Allowed) -> bool:
    return all(allowed.refuses(name) for name in DEVICES)


def _unusable(
    gpu: str | None,
    arch: str | None,
    torch: str | None,
    backend: str | None,
    arch_list: Sequence[str] | None,
) -> str:
    if torch is None:
        return f"{gpu} is here, but no torch is installed that could use it"
    if backend == "cpu":
        return f"{gpu} is here, but torch {torch} is built for the CPU only"
    if arch is not None and arch_list and arch not in arch_list:
        return f"{gpu} is here, but torch {torch} has no kernels for {arch}"
    return f"{gpu} is here, but torch {torch} could not run a kernel on it"


def _way_out(torch: str | None) -> str:
    wheel = (
        "install torch: pip install 'kavaspec[runtime]'"
        if torch is None
        else "install the torch wheel for this GPU (https://pytorch.org/get-started/locally)"
    )
    return f'{wheel}, or write train.device = "cpu"'


RULE = Rule(
    key="train.device",
    inputs={
        "gpu": "fact.gpu.name",
        "arch": "fact.gpu.arch",
        "accelerator": "fact.torch.accelerator",
        "torch": "fact.torch.version",
        "backend": "fact.torch.backend",
        "arch_list": "fact.torch.arch_list",
        "login_node": "fact.scheduler.login_node",
    },
    decide=device,
)
