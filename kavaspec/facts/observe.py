"""Looks: at this machine, and at the models and the data of an experiment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from kavaspec.facts.child import TorchChild
from kavaspec.facts.data import observe_data
from kavaspec.facts.model import Fact, NotFound, Observation
from kavaspec.facts.models import observe_model, observe_part_of_teacher
from kavaspec.facts.probe import Child, Machine, Probe, all_missing
from kavaspec.facts.probes import PROBES, card
from kavaspec.facts.probes.scheduler import LOGIN
from kavaspec.facts.wanted import ExperimentRequest

Report: TypeAlias = Callable[[str], None]

NO_CARD = "gpu@1"
"""Who says that there is no card at all: every probe that looks for cards, together."""

__all__ = [
    "ExperimentRequest",
    "observe_experiment",
    "observe_machine",
    "torch_child",
]


def observe_machine(
    *,
    env: Mapping[str, str],
    report: Report,
    child: Child | None = None,
    root: Path = Path("/"),
    probes: Sequence[Probe] = PROBES,
) -> Observation:
    """Every fact about this machine, and why the others could not be established.

    Args:
        env: environment variables.
        report: called before something slow, with what is being done.
        child: the process that may import torch, when one is running already.
        root: where `proc` and `sys` are.
        probes: who looks.
    """
    with torch_child(env, child) as torch:
        machine = Machine(env=env, child=torch, report=report, root=root)
        return _of_another_node(merge([look(probe, machine) for probe in probes]))


def observe_experiment(
    wanted: ExperimentRequest,
    *,
    report: Report,
    child: Child | None = None,
    env: Mapping[str, str] | None = None,
) -> Observation:
    """Every fact about the models and the data of an experiment that the request names.

    Raises:
        KavaError: when a model or a data set is not what the spec takes it for: exit 8 for
            unreadable files, 7 for contents that cannot be used.
    """
    with torch_child(os.environ if env is None else env, child) as torch:
        seen: list[Observation] = []
        if wanted.teacher_source is not None:
            seen.append(observe_model("teacher", wanted, torch, report))
        if wanted.student_init == "teacher_layers":
            seen.append(observe_part_of_teacher(wanted, seen[0].facts if seen else {}, torch))
        elif wanted.student_source is not None:
            seen.append(observe_model("student", wanted, torch, report))
        if wanted.data_source is not None:
            seen.append(observe_data(wanted, torch, report))
        return union(seen)


def torch_child(
    env: Mapping[str, str],
    child: Child | None = None,
) -> AbstractContextManager[Child]:
    """A child process for one or more observations; one that exists is used and left running."""
    return nullcontext(child) if child is not None else TorchChild(env)


_OF_THE_NODE = ("fact.cpu.", "fact.memory.total", "fact.gpu.", "fact.canary.", "fact.torch.acc")


def _of_another_node(seen: Observation) -> Observation:
    """What was seen on a login node is only assumed of the node that will run."""
    login = seen.facts.get(LOGIN)
    if login is None or login.value is None:
        return seen
    facts = {
        name: replace(fact, how="assumed", evidence=f"{fact.evidence}; on a login node")
        if name.startswith(_OF_THE_NODE)
        else fact
        for name, fact in seen.facts.items()
    }
    return replace(seen, facts=facts)


def look(probe: Probe, machine: Machine) -> Observation:
    """What one probe sees; one that fails has seen nothing, and says so."""
    try:
        return probe.observe(machine)
    # probes meet drivers and systems of every kind: one that fails must not hide what others saw
    except Exception as error:  # noqa: BLE001
        return all_missing(
            probe.id, probe.facts, f"the probe failed: {type(error).__name__}: {error}"
        )


def merge(observations: Sequence[Observation]) -> Observation:
    """All observations of a machine as one; those about cards are settled between their probes."""
    about_cards = [each for each in observations if _names(each) & set(card.NAMES)]
    others = [each for each in observations if not _names(each) & set(card.NAMES)]
    return union([*others, _cards(about_cards)] if about_cards else others)


def union(observations: Sequence[Observation]) -> Observation:
    """All facts of observations that speak about different things."""
    facts: dict[str, Fact] = {}
    not_found: list[NotFound] = []
    for each in observations:
        facts |= each.facts
        not_found += each.not_found
    return Observation(facts=facts, not_found=tuple(not_found))


def _cards(observations: Sequence[Observation]) -> Observation:
    """Who saw a card wins. Nobody did: then there is none, unless somebody could not look."""
    for each in observations:
        vendor = each.facts.get("fact.gpu.vendor")
        if vendor is not None and vendor.value is not None:
            return each
    for each in observations:
        if each.not_found:
            return each
    why = "; ".join(each.facts["fact.gpu.vendor"].evidence for each in observations)
    none = observations[0].facts
    facts = {name: replace(fact, probe=NO_CARD, evidence=why) for name, fact in none.items()}
    return Observation(facts=facts)


def _names(observation: Observation) -> set[str]:
    return {*observation.facts, *(absent.fact for absent in observation.not_found)}
