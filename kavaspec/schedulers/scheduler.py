"""What a batch scheduler tells a job about itself, and the words for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["slurm", "pbs", "sge", "lsf", "kubernetes"]
Env: TypeAlias = Mapping[str, str]
Read: TypeAlias = Callable[[str], str | None]
"""The text of a file below the root of the machine, or None when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """One number or name that the job's environment states, and where."""

    value: int | str | None
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the scheduler gave this job. Never its id, never its hosts."""

    nodes: Stated
    gpus_per_node: Stated
    cpus: Stated
    """On each node."""
    memory_bytes: Stated
    """On each node."""
    walltime_s: Stated
    partition: Stated


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheduler:
    """One cluster's way of starting jobs."""

    kind: Kind
    detect: Callable[[Env], str | None]
    """The variables that show that this process runs in one of its jobs, or None."""
    describe: Callable[[Env], Job]
    ends_at: Callable[[Env], Stated]
    """When this job's time ends, in seconds since 1970, where the scheduler tells its jobs."""
    serves: Callable[[Env, Read], str | None]
    """The configuration that shows that this machine submits jobs to it, or None. Commands on the
    path show nothing: a client may be installed without a server."""


def not_stated(*names: str) -> Stated:
    """None of the variables that would tell is set (or there is no such variable)."""
    if not names:
        return Stated(value=None, evidence="this scheduler does not tell its jobs")
    return Stated(
        value=None, evidence=f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set"
    )


def not_told(env: Env) -> Stated:
    """Where the scheduler tells its jobs nothing of the kind."""
    del env
    return not_stated()


def number(env: Env, *names: str, scale: int = 1) -> Stated:
    """The first variable that holds a whole number, times `scale`."""
    for name in names:
        text = env.get(name, "").strip()
        if text.isdigit():
            return Stated(value=int(text) * scale, evidence=f"{name} is {text}")
    return not_stated(*names)


def text(env: Env, *names: str) -> Stated:
    """The first variable that is set to something."""
    for name in names:
        if env.get(name, "").strip():
            return Stated(value=env[name].strip(), evidence=f"{name}")
    return not_stated(*names)


def lines(env: Env, name: str) -> list[str]:
    """The lines of the file that a variable names; none when there is no such file."""
    if not env.get(name):
        return []
    try:
        content = Path(env[name]).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in content.splitlines() if line.strip()]


def seconds(clock: str) -> int | None:
    """`1-02:03:04`, `02:03:04`, `03:04` and `184` as seconds."""
    days, _, rest = clock.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in [*parts, days or "0"]) or len(parts) > 3:
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total + int(days or 0) * 86400
