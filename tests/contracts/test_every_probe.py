"""Promises that every probe and every scheduler keeps."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

from kavaspec import schedulers
from kavaspec.facts import probes
from kavaspec.facts.names import FACTS, kind_of
from kavaspec.facts.observe import look, observe_machine
from kavaspec.facts.probe import Machine, NoAnswer, Probe
from kavaspec.facts.probes import PROBES
from kavaspec.schedulers import SCHEDULERS
from kavaspec.trials import is_trial


class NoTorch:
    def missing(self):
        return "torch"

    def ask(self, question, *, timeout_s):
        raise NoAnswer("torch is not installed", hint="pip install 'kavaspec[runtime]'")


def bare(tmp_path: Path, system: str) -> Machine:
    """A machine with no files, no commands, no variables and no torch."""
    return Machine(env={}, child=NoTorch(), report=lambda _: None, root=tmp_path, system=system)


every_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
every_system = pytest.mark.parametrize("system", ["linux", "darwin", "windows", "plan9"])


def members(package, attribute):
    """What the modules of a folder declare under this name."""
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        found = getattr(importlib.import_module(module.name), attribute, None)
        if found is not None:
            yield module.name, found


def test_every_probe_that_a_module_declares_is_listed():
    assert {name: probe for name, probe in members(probes, "PROBE") if probe not in PROBES} == {}


def test_every_scheduler_that_a_module_declares_is_listed():
    found = dict(members(schedulers, "SCHEDULER"))
    assert {name: each for name, each in found.items() if each not in SCHEDULERS} == {}
    assert len(found) == len(SCHEDULERS)


def test_every_probe_has_its_own_name():
    assert len({probe.name for probe in PROBES}) == len(PROBES)


@every_probe
def test_every_probe_answers_only_for_known_facts_of_machines(probe: Probe):
    kinds = {name: kind_of(name) for name in probe.facts}
    assert [name for name, kind in kinds.items() if kind is None] == []
    assert {kind.scope for kind in kinds.values()} == {"machine"}


def test_some_probe_answers_for_every_fact_of_a_machine():
    answered = {name for probe in PROBES for name in probe.facts}
    family = {name for name, kind in FACTS.items() if kind.scope == "machine"} - answered
    tried = {name for name in family if is_trial(name)}
    assert family - tried == {"fact.env.*"}


@every_system
@every_probe
def test_every_declared_fact_is_seen_or_not_found_on_a_bare_machine(probe, system, tmp_path):
    seen = probe.observe(bare(tmp_path, system))
    found = [*seen.facts, *(absent.fact for absent in seen.not_found)]
    assert sorted(found) == sorted(probe.facts)


@every_system
@every_probe
def test_every_fact_fits_its_kind_is_signed_and_has_evidence(probe, system, tmp_path):
    seen = probe.observe(bare(tmp_path, system))
    for name, fact in seen.facts.items():
        assert kind_of(name).wrong(fact.value) is None, name
        assert fact.probe == probe.id
        assert fact.evidence, name
        assert dict(fact.of) == {}
    for absent in seen.not_found:
        assert absent.because, absent.fact
        assert absent.probe == probe.id


@every_probe
def test_looking_twice_at_a_bare_machine_sees_the_same(probe, tmp_path):
    machine = bare(tmp_path, "linux")
    assert probe.observe(machine) == probe.observe(machine)


@every_probe
def test_the_module_of_every_probe_opens_with_a_sentence(probe):
    module = importlib.import_module(probe.observe.__module__)
    first = (module.__doc__ or "").splitlines()[0]
    assert first.endswith("."), f"{module.__name__}: {first!r}"


def test_a_probe_that_fails_hides_nothing_that_others_saw(tmp_path):
    def broken(_):
        raise ZeroDivisionError("division by zero")

    probe = Probe(name="broken", version=3, facts=("fact.os.name",), observe=broken)
    absent = look(probe, bare(tmp_path, "linux")).not_found[0]
    assert (absent.fact, absent.probe) == ("fact.os.name", "broken@3")
    assert absent.because == "the probe failed: ZeroDivisionError: division by zero"


def test_a_whole_machine_is_observed_without_path_variables_or_torch(tmp_path):
    seen = observe_machine(env={}, report=lambda _: None, child=NoTorch(), root=tmp_path)
    names = [*seen.facts, *(absent.fact for absent in seen.not_found)]
    assert len(names) == len(set(names))
    assert set(names) == {name for probe in PROBES for name in probe.facts}
