"""The limits that a container or a batch system puts on this process (Linux control groups)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kavaspec.facts.probe import Machine

_MOUNT = "sys/fs/cgroup"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """The tightest limit that applies, and the file that states it."""

    value: float
    file: str


def cpu_limit(machine: Machine) -> Limit | None:
    """Cores that the CPU quota allows; None without a quota."""
    found = []
    for folder in _folders(machine, "cpu"):
        quota, period = _quota(machine, folder)
        if quota > 0 and period > 0:
            found.append(Limit(value=quota / period, file=f"/{folder}"))
    return min(found, key=lambda limit: limit.value, default=None)


def memory_limit(machine: Machine) -> Limit | None:
    """Bytes that may be used; None without a limit."""
    found = []
    for folder in _folders(machine, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = (machine.read(f"{folder}/{name}") or "").strip()
            if text.isdigit():
                found.append(Limit(value=int(text), file=f"/{folder}/{name}"))
    return min(found, key=lambda limit: limit.value, default=None)


def _quota(machine: Machine, folder: str) -> tuple[int, int]:
    """Microseconds of CPU per period; zeros where no quota is set."""
    new = (machine.read(f"{folder}/cpu.max") or "").split()  # version 2: "150000 100000"
    if len(new) == 2 and new[0].isdigit():
        return int(new[0]), int(new[1])
    quota = (machine.read(f"{folder}/cpu.cfs_quota_us") or "").strip()
    period = (machine.read(f"{folder}/cpu.cfs_period_us") or "").strip()
    return (int(quota), int(period)) if quota.isdigit() and period.isdigit() else (0, 0)


def _folders(machine: Machine, controller: str) -> Iterator[str]:
    """This process's control group and all above it: a limit anywhere on the way applies."""
    for line in (machine.read("proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            mounts = [_MOUNT]
        elif controller in controllers.split(","):
            mounts = [f"{_MOUNT}/{controllers}", f"{_MOUNT}/{controller}"]
        else:
            continue
        group = PurePosixPath(path.strip("/"))
        for mount in mounts:
            for step in (group, *group.parents):
                yield f"{mount}/{step}".removesuffix("/.")
