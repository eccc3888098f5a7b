"""Grid Engine: Son of Grid Engine, Univa and Altair Grid Engine."""

from __future__ import annotations

from kavaspec.schedulers.scheduler import (
    Env,
    Job,
    Read,
    Scheduler,
    Stated,
    lines,
    not_stated,
    not_told,
    number,
    text,
)


def detect(env: Env) -> str | None:
    """`JOB_ID` alone is too common a name. `SGE_TASK_ID` is always there, "undefined" outside arrays."""
    if not env.get("JOB_ID"):
        return None
    signs = [name for name in ("SGE_TASK_ID", "PE_HOSTFILE") if env.get(name)]
    return f"JOB_ID and {signs[0]}" if signs else None


def describe(env: Env) -> Job:
    return Job(
        nodes=number(env, "NHOSTS"),
        gpus_per_node=_gpus(env),
        cpus=_cpus(env),
        memory_bytes=not_stated(),
        walltime_s=not_stated(),
        partition=text(env, "QUEUE"),
    )


def _gpus(env: Env) -> Stated:
    """Univa lists the cards it grants; the name of the resource is the site's own."""
    for name in ("SGE_HGR_gpu", "SGE_HGR_GPU", "SGE_HGR_ngpus"):
        cards = env.get(name, "").split()
        if cards:
            return Stated(value=len(cards), evidence=f"{name} names {len(cards)}")
    return not_stated("SGE_HGR_gpu")


def _cpus(env: Env) -> Stated:
    """Slots of the smallest host: `PE_HOSTFILE` has a line `host slots queue processors` for each."""
    slots = [int(line.split()[1]) for line in lines(env, "PE_HOSTFILE") if _has_slots(line)]
    if slots:
        return Stated(value=min(slots), evidence="PE_HOSTFILE")
    total, hosts = number(env, "NSLOTS"), number(env, "NHOSTS")
    if isinstance(total.value, int) and hosts.value in (1, None):
        return total
    return not_stated("PE_HOSTFILE", "NSLOTS")


def _has_slots(line: str) -> bool:
    words = line.split()
    return len(words) >= 2 and words[1].isdigit()


def serves(env: Env, read: Read) -> str | None:
    place = f"{env.get('SGE_ROOT', '')}/{env.get('SGE_CELL', 'default')}/common/act_qmaster"
    return place if env.get("SGE_ROOT") and read(place.lstrip("/")) else None


SCHEDULER = Scheduler(kind="sge", detect=detect, describe=describe, ends_at=not_told, serves=serves)
