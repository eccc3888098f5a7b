"""PBS: OpenPBS, PBS Professional and Torque."""

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
    seconds,
    text,
)


def detect(env: Env) -> str | None:
    return "PBS_JOBID" if env.get("PBS_JOBID") else None


def describe(env: Env) -> Job:
    return Job(
        nodes=_nodes(env),
        gpus_per_node=_gpus(env),
        cpus=number(env, "NCPUS", "PBS_NUM_PPN"),
        memory_bytes=not_stated(),
        walltime_s=_walltime(env),
        partition=text(env, "PBS_QUEUE"),
    )


def _nodes(env: Env) -> Stated:
    """Torque counts them; the others give a file that names each host once for each process."""
    counted = number(env, "PBS_NUM_NODES")
    if counted.value is not None:
        return counted
    hosts = set(lines(env, "PBS_NODEFILE"))
    if hosts:
        return Stated(value=len(hosts), evidence=f"PBS_NODEFILE names {len(hosts)}")
    return not_stated("PBS_NUM_NODES", "PBS_NODEFILE")


def _gpus(env: Env) -> Stated:
    """Torque gives a file with one line a GPU, over all nodes."""
    cards, nodes = len(lines(env, "PBS_GPUFILE")), _nodes(env).value
    if cards and isinstance(nodes, int) and cards % nodes == 0:
        return Stated(value=cards // nodes, evidence=f"PBS_GPUFILE names {cards}")
    return not_stated("PBS_GPUFILE")


def _walltime(env: Env) -> Stated:
    limit_s = seconds(env.get("PBS_WALLTIME", "").strip() or "unset")
    if limit_s is None:
        return not_stated("PBS_WALLTIME")
    return Stated(value=limit_s, evidence=f"PBS_WALLTIME is {env['PBS_WALLTIME'].strip()}")


def serves(env: Env, read: Read) -> str | None:
    place = env.get("PBS_CONF_FILE", "etc/pbs.conf")
    return place if "PBS_SERVER=" in (read(place.lstrip("/")) or "") else None


SCHEDULER = Scheduler(kind="pbs", detect=detect, describe=describe, ends_at=not_told, serves=serves)
