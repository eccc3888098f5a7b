"""Kubernetes: a process in a pod. What a pod may use is in its control group, not in its environment."""

from __future__ import annotations

from kavaspec.schedulers.scheduler import (
    Env,
    Job,
    Read,
    Scheduler,
    not_stated,
    not_told,
    number,
)


def detect(env: Env) -> str | None:
    return "KUBERNETES_SERVICE_HOST" if env.get("KUBERNETES_SERVICE_HOST") else None


def describe(env: Env) -> Job:
    """Training jobs tell torchrun its world through `PET_...` variables."""
    return Job(
        nodes=number(env, "PET_NNODES"),
        gpus_per_node=number(env, "PET_NPROC_PER_NODE"),
        cpus=not_stated(),
        memory_bytes=not_stated(),
        walltime_s=not_stated(),
        partition=not_stated(),
    )


def serves(_env: Env, _read: Read) -> str | None:
    """A machine with kubectl is anybody's laptop: nothing follows from it."""
    return None


SCHEDULER = Scheduler(
    kind="kubernetes", detect=detect, describe=describe, ends_at=not_told, serves=serves
)
