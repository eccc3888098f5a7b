"""Memory that this process may use: the machine's, or less where a control group says so."""

from __future__ import annotations

import re

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Probe, Seen, sign
from kavaspec.facts.probes.cgroup import memory_limit

NAMES = ("fact.memory.total_bytes",)


def observe(machine: Machine) -> Observation:
    return sign(PROBE.id, {"fact.memory.total_bytes": total(machine)})


def total(machine: Machine) -> Seen:
    has_bytes, evidence = _machine_total(machine)
    limit = memory_limit(machine) if machine.system == "linux" else None
    if limit is not None and limit.value < has_bytes:
        return Seen(value=int(limit.value), evidence=f"{limit.file}; {evidence}")
    return Seen(value=has_bytes, evidence=evidence)


def _machine_total(machine: Machine) -> tuple[int, str]:
    line = re.search(r"^MemTotal:\s+(\d+) kB", machine.read("proc/meminfo") or "", re.MULTILINE)
    if machine.system == "linux" and line is not None:
        return int(line[1]) * 1024, f"the machine has {int(line[1]) // 1024} MiB (/proc/meminfo)"
    import psutil

    has_bytes = int(psutil.virtual_memory().total)
    return has_bytes, f"the machine has {has_bytes // 2**20} MiB"


PROBE = Probe(name="memory", version=1, facts=NAMES, observe=observe)
