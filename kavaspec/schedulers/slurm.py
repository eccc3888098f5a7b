"""Slurm: sbatch, srun, salloc."""

from __future__ import annotations

from kavaspec.schedulers.scheduler import (
    Env,
    Job,
    Read,
    Scheduler,
    Stated,
    not_stated,
    number,
    text,
)


def detect(env: Env) -> str | None:
    return "SLURM_JOB_ID" if env.get("SLURM_JOB_ID") else None


def describe(env: Env) -> Job:
    return Job(
        nodes=number(env, "SLURM_JOB_NUM_NODES", "SLURM_NNODES"),
        gpus_per_node=_gpus(env),
        cpus=number(env, "SLURM_CPUS_ON_NODE"),
        memory_bytes=_memory(env),
        walltime_s=_walltime(env),
        partition=text(env, "SLURM_JOB_PARTITION"),
    )


def _gpus(env: Env) -> Stated:
    """`SLURM_GPUS_PER_NODE` may name a type: `a100:4`."""
    on_node = number(env, "SLURM_GPUS_ON_NODE")
    if on_node.value is not None:
        return on_node
    per_node = env.get("SLURM_GPUS_PER_NODE", "").rpartition(":")[2]
    if per_node.isdigit():
        return Stated(value=int(per_node), evidence=f"SLURM_GPUS_PER_NODE is {per_node}")
    ids = [item for item in env.get("SLURM_JOB_GPUS", "").split(",") if item.strip()]
    if ids:
        return Stated(value=len(ids), evidence=f"SLURM_JOB_GPUS names {len(ids)}")
    return not_stated("SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE", "SLURM_JOB_GPUS")


def _memory(env: Env) -> Stated:
    """In MiB, for the node or for each core; 0 means all that the node has."""
    node = number(env, "SLURM_MEM_PER_NODE", scale=2**20)
    if node.value == 0:
        return Stated(value=None, evidence="SLURM_MEM_PER_NODE is 0: all that the node has")
    if node.value is not None:
        return node
    core, cores = number(env, "SLURM_MEM_PER_CPU", scale=2**20), number(env, "SLURM_CPUS_ON_NODE")
    if isinstance(core.value, int) and isinstance(cores.value, int):
        evidence = f"{core.evidence}, {cores.evidence}"
        return Stated(value=core.value * cores.value, evidence=evidence)
    return not_stated("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU")


def _walltime(env: Env) -> Stated:
    start, end = number(env, "SLURM_JOB_START_TIME"), number(env, "SLURM_JOB_END_TIME")
    if isinstance(start.value, int) and isinstance(end.value, int) and end.value > start.value:
        evidence = "SLURM_JOB_END_TIME - SLURM_JOB_START_TIME"
        return Stated(value=end.value - start.value, evidence=evidence)
    return not_stated("SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME")


def serves(env: Env, read: Read) -> str | None:
    places = (env.get("SLURM_CONF", ""), "etc/slurm/slurm.conf", "etc/slurm-llnl/slurm.conf")
    return next((place for place in places if place and read(place.lstrip("/")) is not None), None)


def ends_at(env: Env) -> Stated:
    return number(env, "SLURM_JOB_END_TIME")


SCHEDULER = Scheduler(
    kind="slurm", detect=detect, describe=describe, ends_at=ends_at, serves=serves
)
