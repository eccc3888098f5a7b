"""The batch job that this process runs in, as its environment describes it."""

from __future__ import annotations

from dataclasses import fields

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Missing, Probe, Seen, sign
from kavaspec.schedulers import SCHEDULERS, detect, submits_to
from kavaspec.schedulers.scheduler import Job

DETAILS = tuple(field.name for field in fields(Job))
LOGIN = "fact.scheduler.login_node"
NAMES = ("fact.scheduler.kind", LOGIN, *(f"fact.scheduler.{name}" for name in DETAILS))


def observe(machine: Machine) -> Observation:
    found = detect(machine.env)
    submits = submits_to(machine.env, machine.read)
    login = Seen(value=None, evidence="in a job, or no scheduler's configuration is here")
    if submits is not None:
        kind, sign_of_it = submits[0].kind, submits[1]
        login = Seen(value=kind, evidence=f"no job, and {sign_of_it} is here", how="scheduler")
    if found is None:
        kinds = ", ".join(scheduler.kind for scheduler in SCHEDULERS)
        nothing = Seen(value=None, evidence=f"not in a job of {kinds}")
        return sign(PROBE.id, {**dict.fromkeys(NAMES, nothing), LOGIN: login})
    scheduler, evidence = found
    job = scheduler.describe(machine.env)
    seen: dict[str, Seen | Missing] = {
        "fact.scheduler.kind": Seen(value=scheduler.kind, evidence=evidence, how="scheduler"),
        LOGIN: login,
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
