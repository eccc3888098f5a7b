"""Operating system and Python version."""

from __future__ import annotations

import platform
import sys

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Missing, Probe, Seen, sign

NAMES = ("fact.os.name", "fact.python.version")
KNOWN = ("linux", "darwin", "windows")


def observe(machine: Machine) -> Observation:
    major, minor, *_ = sys.version_info
    system: Seen | Missing = Missing(because=f"{machine.system or 'this system'} is not known")
    if machine.system in KNOWN:
        system = Seen(value=machine.system, evidence=f"{platform.system()} {platform.release()}")
    python = Seen(value=f"{major}.{minor}", evidence=f"Python {platform.python_version()}")
    return sign(PROBE.id, {"fact.os.name": system, "fact.python.version": python})


PROBE = Probe(name="os_python", version=1, facts=NAMES, observe=observe)
