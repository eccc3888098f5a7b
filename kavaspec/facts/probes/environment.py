"""Which environment variables that kavaspec reads are set. What they say is never kept."""

from __future__ import annotations

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Probe, Seen, sign

VARIABLES = (
    "KAVA_DATA_PATH",
    "KAVA_MODEL_PATH",
    "KAVA_OUTPUT_PATH",
    "KAVA_CACHE_PATH",
    "SCRATCH",
    "WORK",
    "PSCRATCH",
    "SCRATCHDIR",
    "LOCAL_SCRATCH",
    "CUDA_VISIBLE_DEVICES",
)
NAMES = tuple(f"fact.env.{name}" for name in VARIABLES)


def observe(machine: Machine) -> Observation:
    seen = {
        f"fact.env.{name}": Seen(value="set", evidence=f"{name} is set")
        if name in machine.env
        else Seen(value=None, evidence=f"{name} is not set")
        for name in VARIABLES
    }
    return sign(PROBE.id, seen)


PROBE = Probe(name="environment", version=1, facts=NAMES, observe=observe)
