"""The default spec on each example machine gives these bytes. A change here is a change of the format
or of a rule's outcome: bump the rule's version, and say so in the changelog."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from kavaspec.lock.file import parse_lock
from kavaspec.plain import freeze, same

sys.path.insert(0, str(Path(__file__).parent))
from golden import MACHINES, compile_for, golden


@pytest.mark.parametrize("machine", MACHINES)
def test_the_default_spec_gives_the_golden_lock(machine: str, tmp_path: Path):
    compiled = compile_for(machine, tmp_path, recall=True)
    assert compiled.text == golden(machine).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_golden_facts_are_what_the_builtin_model_and_data_give(tmp_path: Path):
    compiled = compile_for("a100-slurm", tmp_path, recall=False)
    assert compiled.text == golden("a100-slurm").read_text(encoding="utf-8")


@pytest.mark.parametrize("machine", MACHINES)
def test_another_yaml_library_reads_the_same_values(machine: str):
    text = golden(machine).read_text(encoding="utf-8")
    lock, tree = parse_lock(text, "kava.lock"), yaml.safe_load(text)
    for key, block in lock.experiment.items():
        assert same(freeze(tree["experiment"][key]["value"]), block.value)
    for name, target in lock.targets.items():
        for key, block in target.decisions.items():
            assert same(freeze(tree["targets"][name]["decisions"][key]["value"]), block.value)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_lock_names_a_time_a_host_or_a_person(machine: str):
    text = golden(machine).read_text(encoding="utf-8")
    assert not [word for word in ("/home/", "/root", "hostname", "2026-") if word in text]


def test_the_four_machines_share_one_experiment():
    locks = [parse_lock(golden(machine).read_text(encoding="utf-8"), "") for machine in MACHINES]
    assert all(lock.experiment == locks[0].experiment for lock in locks)
