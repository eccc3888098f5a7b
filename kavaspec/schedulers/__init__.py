"""Batch schedulers: how a process sees that it runs in a job, and what the job was given."""

from __future__ import annotations

from kavaspec.schedulers import kubernetes, lsf, pbs, sge, slurm
from kavaspec.schedulers.scheduler import Env, Read, Scheduler

# innermost first: a pod may run a whole Slurm cluster, and a job of one may start in a pod's
# environment; a Slurm job does not start pods around itself
SCHEDULERS: tuple[Scheduler, ...] = (
    slurm.SCHEDULER,
    pbs.SCHEDULER,
    sge.SCHEDULER,
    lsf.SCHEDULER,
    kubernetes.SCHEDULER,
)


def detect(env: Env) -> tuple[Scheduler, str] | None:
    """The scheduler whose job this process is, with the variables that show it; None outside of jobs."""
    found = [(each, sign) for each in SCHEDULERS if (sign := each.detect(env)) is not None]
    if not found:
        return None
    inner, sign = found[0]
    outer = ", ".join(f"{each.kind} ({sign})" for each, sign in found[1:])
    return inner, f"{sign} is set" + (f"; inside of {outer}" if outer else "")


def submits_to(env: Env, read: Read) -> tuple[Scheduler, str] | None:
    """The scheduler that this machine submits to, without being in a job of any; with the sign."""
    if detect(env) is not None:
        return None
    found = ((each, each.serves(env, read)) for each in SCHEDULERS)
    return next(((each, sign) for each, sign in found if sign is not None), None)
