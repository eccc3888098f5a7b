"""Everything that looks at a machine: one module for each thing."""

from __future__ import annotations

from kavaspec.facts.probe import Probe
from kavaspec.facts.probes import (
    amd,
    apple,
    assumptions,
    cpu,
    disk,
    environment,
    memory,
    nvidia,
    os_python,
    scheduler,
    software,
    torch_child,
)

PROBES: tuple[Probe, ...] = (
    os_python.PROBE,
    cpu.PROBE,
    memory.PROBE,
    nvidia.PROBE,
    amd.PROBE,
    apple.PROBE,
    software.PROBE,
    torch_child.PROBE,
    environment.PROBE,
    disk.PROBE,
    scheduler.PROBE,
    assumptions.PROBE,
)
