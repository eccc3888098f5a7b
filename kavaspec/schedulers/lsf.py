"""LSF: IBM Spectrum LSF."""

from __future__ import annotations

from kavaspec.schedulers.scheduler import (
    Env,
    Job,
    Read,
    Scheduler,
    Stated,
    not_stated,
    not_told,
    text,
)


def detect(env: Env) -> str | None:
    return "LSB_JOBID" if env.get("LSB_JOBID") else None


def describe(env: Env) -> Job:
    return Job(
        nodes=_nodes(env),
        gpus_per_node=not_stated(),
        cpus=_cpus(env),
        memory_bytes=not_stated(),
        walltime_s=not_stated(),
        partition=text(env, "LSB_QUEUE"),
    )


def _slots(env: Env) -> dict[str, int]:
    """Slots by host, from `host1 4 host2 4`, or from a list that names a host once for each slot."""
    words = env.get("LSB_MCPU_HOSTS", "").split()
    if len(words) % 2 == 0 and words and all(count.isdigit() for count in words[1::2]):
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))
    hosts = env.get("LSB_HOSTS", "").split()  # unset by LSF when it grows beyond 4096 bytes
    return {host: hosts.count(host) for host in hosts}


def _nodes(env: Env) -> Stated:
    hosts = _slots(env)
    if hosts:
        return Stated(value=len(hosts), evidence=f"LSB_MCPU_HOSTS or LSB_HOSTS names {len(hosts)}")
    return not_stated("LSB_MCPU_HOSTS", "LSB_HOSTS")


def _cpus(env: Env) -> Stated:
    hosts = _slots(env)
    if hosts:
        return Stated(value=min(hosts.values()), evidence="LSB_MCPU_HOSTS or LSB_HOSTS")
    return not_stated("LSB_MCPU_HOSTS", "LSB_HOSTS")


def serves(env: Env, read: Read) -> str | None:
    place = f"{env.get('LSF_ENVDIR', '')}/lsf.conf"
    return place if env.get("LSF_ENVDIR") and read(place.lstrip("/")) is not None else None


SCHEDULER = Scheduler(kind="lsf", detect=detect, describe=describe, ends_at=not_told, serves=serves)
