"""The batch job that this process runs in, as its environment describes it."""

from __future__ import annotations

from dataclasses import fields

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Missing, Probe, Seen, sign
from kavaspec.schedulers import SCHEDULERS, detect
from kavaspec.schedulers.scheduler import Job

DETAILS = tuple(field.name for field in fields(Job))
NAMES = ("fact.scheduler.kind", *(f"fact.scheduler.{name}" for name in DETAILS))


def observe(machine: Machine) -> Observation:
    found = detect(machine.env)
    if found is None:
        kinds = ", ".join(scheduler.kind for scheduler in SCHEDULERS)
        nothing = Seen(value=None, evidence=f"not in a job of {kinds}")
        return sign(PROBE.id, dict.fromkeys(NAMES, nothing))
    scheduler, evidence = found
    job = scheduler.describe(machine.env)
    seen: dict[str, Seen | Missing] = {
        "fact.scheduler.kind": Seen(value=scheduler.kind, evidence=evidence, how="scheduler"),
    }
    for name in DETAILS:
        stated = getattr(job, name)
        seen[f"fact.scheduler.{name}"] = Seen(
            value=stated.value,
            evidence=stated.evidence,
            how="scheduler",
        )
    return sign(PROBE.id, seen)


PROBE = Probe(name="scheduler", version=1, facts=NAMES, observe=observe)
