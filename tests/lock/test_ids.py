"""What the ids cover: values of their tier, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.decision import Decision, Rule
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.model import Lock
from kavaspec.lock.versions import NOTHING_RECORDED
from kavaspec.rules import RULES
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import keys

ROOT = Path(__file__).parents[2]
LOCK = read_lock(ROOT / "tests/golden/a100-slurm.lock")
[TARGET] = LOCK.targets


def changed(key: str) -> Lock:
    """The lock with another value of one key."""
    if key in LOCK.experiment:
        block = replace(LOCK.experiment[key], value="another value")
        return replace(LOCK, experiment={**LOCK.experiment, key: block})
    target = LOCK.targets[TARGET]
    block = replace(target.decisions[key], value="another value")
    decisions = {**target.decisions, key: block}
    return replace(LOCK, targets={TARGET: replace(target, decisions=decisions)})


@pytest.mark.parametrize("key", LOCK.blocks(TARGET))
def test_a_value_counts_for_the_id_of_its_tier_alone(key: str):
    before, after = ids(LOCK, TARGET), ids(changed(key), TARGET)
    tier = keys()[key].tier
    assert (before.kx != after.kx, before.kn != after.kn) == (
        tier == "experiment",
        tier == "numerics",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"by": "spec"},
        {"inputs": {"fact.cpu.cores": 3}},
        {"guard": ("fact.cpu.cores >= 3",)},
    ],
    ids=["who-decided", "inputs", "guard"],
)
def test_how_a_value_came_about_does_not_count(change: dict[str, object]):
    experiment = {key: replace(block, **change) for key, block in LOCK.experiment.items()}  # type: ignore[arg-type]  # any field
    target = LOCK.targets[TARGET]
    decisions = {key: replace(block, **change) for key, block in target.decisions.items()}  # type: ignore[arg-type]  # any field
    other = replace(
        LOCK, experiment=experiment, targets={TARGET: replace(target, decisions=decisions)}
    )
    assert (ids(other, TARGET).kx, ids(other, TARGET).kn) == (
        ids(LOCK, TARGET).kx,
        ids(LOCK, TARGET).kn,
    )


def test_where_things_lie_never_counts():
    """Hub id or local folder, paths, workers, schedulers: one experiment, one numerics."""
    free = [key.name for key in keys().values() if key.tier == "placement"]
    assert {
        "model.teacher.source",
        "model.student.source",
        "data.source",
        "paths.output",
        "loader.workers",
        "scheduler.kind",
        "name",
    } <= set(free)
    applied = [key for key in free if key in LOCK.blocks(TARGET)]
    assert all(ids(changed(key), TARGET) == ids(LOCK, TARGET) for key in applied)


def test_a_rule_of_the_experiment_cannot_be_given_a_machine_fact():
    """Even a rule that asks for one, of a machine that has it: the learning rate, the steps, ..."""
    told: list[object] = []

    def steps(cores: int | None):
        told.append(cores)
        return Decision(value=7 if cores is None else cores, because="it counts cores")

    greedy = Rule(key="train.steps", inputs={"cores": "fact.cpu.cores"}, decide=steps)
    rules = (*(rule for rule in RULES if rule.key != "train.steps"), greedy)
    text = (ROOT / "kava.toml").read_text(encoding="utf-8").replace("steps = 1000", "epochs = 1")
    spec = parse_spec(text + "\n[targets.x]\n", "kava.toml", set={})
    machine = facts_of(LOCK.targets[TARGET].facts)
    assert machine["fact.cpu.cores"].value == 16
    everywhere = {**facts_of(LOCK.facts), **machine}
    derived = derive(
        spec, everywhere, {"x": machine}, not_found={}, recorded=NOTHING_RECORDED, rules=rules
    )
    assert told == [None]
    assert derived.lock.experiment["train.steps"].value == 7


def test_no_rule_or_check_of_the_experiment_reads_a_machine():
    machine = [
        rule.key
        for rule in RULES
        if keys()[rule.key].tier == "experiment"
        and any(
            source.startswith("fact.")
            and not source.startswith(("fact.teacher.", "fact.student.", "fact.data."))
            for source in rule.inputs.values()
        )
    ]
    assert machine == []
