"""The GPU of Apple silicon, which shares the machine's memory."""

from __future__ import annotations

import platform

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, NoAnswer, Probe
from kavaspec.facts.probes.card import NAMES, Card, cards_here, none_here, unknown


def observe(machine: Machine) -> Observation:
    if machine.system != "darwin":
        return none_here(PROBE.id, f"no Apple GPU: this is {machine.system}")
    if machine.cpu != "arm64":
        return none_here(
            PROBE.id, f"no Apple GPU: the processor is {machine.cpu}, not Apple silicon"
        )
    try:
        name = machine.run("sysctl", "-n", "machdep.cpu.brand_string").strip()
        memory = machine.run("sysctl", "-n", "hw.memsize").strip()
    except NoAnswer as error:
        return unknown(PROBE.id, error.because)
    if not memory.isdigit():
        return unknown(PROBE.id, f"sysctl hw.memsize says {memory!r}, which is no number")
    card = Card(name=name, memory_bytes=int(memory), unified=True)
    release = platform.mac_ver()[0]
    driver = f"macOS {release}" if release else None
    return cards_here(PROBE.id, "apple", [card], driver=driver, source="sysctl")


PROBE = Probe(name="apple", version=1, facts=NAMES, observe=observe)
