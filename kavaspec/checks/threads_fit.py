"""Processes do not ask for more threads than there are cores."""

from __future__ import annotations

from kavaspec.checks.check import AtLeast, Check, error
from kavaspec.errors import Problem


def threads_fit(threads: int, world: int, cores: int) -> Problem | None:
    """More threads than usable cores wait for each other, and change the bits for nothing."""
    if threads * world <= cores:
        return None
    return error(
        f"train.threads = {threads} x train.world = {world} needs {threads * world} cores, "
        f"but {cores} may be used",
        key="train.threads",
        hint=f"train.threads = {max(1, cores // world)}",
    )


CHECK = Check(
    name="threads_fit",
    code="KV0751",
    inputs={"threads": "train.threads", "world": "train.world", "cores": "fact.cpu.cores"},
    veto=threads_fit,
    judges="train.threads",
    depends={"cores": AtLeast()},
)
