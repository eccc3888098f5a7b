"""A newer kavaspec never moves a lock: the version that a block records decides again, until `--upgrade`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import kavaspec.rules
from kavaspec.checks import CHECKS
from kavaspec.checks.check import error, in_force, newest_version
from kavaspec.cli import main
from kavaspec.decision import AUTO, Decision, Rule
from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import lock_text, parse_lock, read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.stale import compare
from kavaspec.lock.versions import NOTHING_RECORDED, Newer, recorded
from kavaspec.rules import OLD_RULES, RULES
from kavaspec.spec.load import parse_spec
from kavaspec.spec.model import SpecModel
from kavaspec.spec.objectives import OBJECTIVES
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Spec

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/lock/released/v1"


def threads(cores: int) -> Decision:
    """The second version of `train.threads`: leave two cores to the system."""
    return Decision(value=max(1, cores - 2), because=f"two of {cores} cores are for the system")


THREADS_2 = Rule(key="train.threads", inputs={"cores": "fact.cpu.cores"}, decide=threads, version=2)
EVERY = (*RULES, *OLD_RULES)
NEWER = (*EVERY, THREADS_2)

NOW = newest_version(CHECKS)
"""Of the checks that this kavaspec has; the released lock was judged by the first."""
OLD_CHECKS = (Newer(key="checks", targets=(), old="checks@1", new=f"checks@{NOW}"),)

SINCE = tuple(
    Newer(key=new.key, targets=("a100", "cpu"), old=old.name, new=new.name)
    for new in RULES
    for old in OLD_RULES
    if old.key == new.key
)
"""Rules that have learned since the released lock was made."""


@pytest.fixture
def spec() -> Spec:
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    return parse_spec(text, "kava.toml", set={"eval.rows": 64})


@pytest.fixture
def lock() -> Lock:
    return parse_lock((FOLDER / "kava.lock").read_text(encoding="utf-8"), "kava.lock")


def derived(
    spec: Spec, lock: Lock, *, moving: frozenset[str] = frozenset(), rules=NEWER, checks=CHECKS
):
    targets = {
        name: facts_of(
            lock.targets[name].facts if name in lock.targets else lock.targets["cpu"].facts
        )
        for name in spec.targets
    }
    there = recorded(lock, moving=moving)
    return derive(
        spec,
        facts_of(lock.facts),
        targets,
        not_found={},
        recorded=there,
        rules=rules,
        checks=checks,
    )


# ---- rules -------------------------------------------------------------------------------------


def test_old_versions_are_kept_apart_from_the_newest():
    """`OLD_RULES` holds every version below the one in RULES, and none twice."""
    newest = {rule.key: rule.version for rule in RULES}
    assert sorted((rule.key, rule.version) for rule in OLD_RULES) == [
        (key, version) for key in sorted(newest) for version in range(1, newest[key])
    ]


def test_a_newer_rule_leaves_the_lock_fresh_and_is_named(spec: Spec, lock: Lock):
    found = compare(spec, lock, rules=NEWER)
    assert found.fresh
    assert found.newer == (
        *OLD_CHECKS,
        *SINCE,
        Newer(key="train.threads", targets=("a100", "cpu"), old="threads@1", new="threads@2"),
    )
    assert compare(spec, lock).newer == (*OLD_CHECKS, *SINCE)


def test_the_recorded_version_decides_even_when_its_inputs_change(spec: Spec, lock: Lock):
    cpu = lock.targets["cpu"]
    more = {**cpu.facts, "fact.cpu.cores": replace(cpu.facts["fact.cpu.cores"], value=4)}
    smaller = replace(lock, targets={**lock.targets, "cpu": replace(cpu, facts=more)})
    block = derived(spec, smaller).lock.targets["cpu"].decisions["train.threads"]
    assert (block.by, block.value) == ("threads@1", 4)


def test_an_upgraded_key_takes_the_newest_version_and_others_do_not(spec: Spec, lock: Lock):
    rules = (*NEWER, replace(next(rule for rule in RULES if rule.key == "train.world"), version=2))
    new = derived(spec, lock, moving=frozenset({"train.threads"}), rules=rules)
    cpu = new.lock.targets["cpu"].decisions
    assert (cpu["train.threads"].by, cpu["train.threads"].value) == ("threads@2", 14)
    assert cpu["train.world"].by == "world@1"
    since = [item.key for item in SINCE]
    assert [item.key for item in new.newer] == ["checks", *since, "train.world"]
    everything = derived(spec, lock, moving=frozenset({"all"}), rules=rules)
    assert everything.newer == ()
    assert everything.lock.targets["cpu"].decisions["train.world"].by == "world@2"


def test_a_target_that_is_new_takes_the_newest_version(spec: Spec, lock: Lock):
    more = replace(spec, targets={**spec.targets, "new": spec.targets["cpu"]})
    targets = derived(more, lock).lock.targets
    assert targets["new"].decisions["train.threads"].by == "threads@2"
    assert targets["cpu"].decisions["train.threads"].by == "threads@1"


def test_a_key_that_becomes_auto_takes_the_newest_version(spec: Spec, lock: Lock):
    cpu = lock.targets["cpu"]
    literal = replace(cpu.decisions["train.threads"], by="spec", inputs={})
    said = replace(cpu, decisions={**cpu.decisions, "train.threads": literal})
    found = derived(spec, replace(lock, targets={**lock.targets, "cpu": said}))
    assert found.lock.targets["cpu"].decisions["train.threads"].by == "threads@2"


def test_without_a_lock_everything_is_newest(spec: Spec, lock: Lock):
    facts = {name: facts_of(target.facts) for name, target in lock.targets.items()}
    found = derive(
        spec, facts_of(lock.facts), facts, not_found={}, recorded=NOTHING_RECORDED, rules=NEWER
    )
    assert found.lock.targets["cpu"].decisions["train.threads"].by == "threads@2"
    assert found.newer == ()


def test_a_lock_of_a_rule_that_is_not_here_yet_is_not_decided_anew(spec: Spec, lock: Lock):
    future = derived(spec, lock, moving=frozenset({"train.threads"})).lock
    with pytest.raises(KavaError) as caught:
        compare(spec, future)
    [first] = caught.value.problems
    assert first.exit == Exit.BROKEN
    assert first.message == (
        "train.threads was decided by threads@2, which this kavaspec does not have"
    )
    assert first.hint == (
        "use the kavaspec that wrote the lock, or a newer one; or decide the key anew: "
        "kavaspec lock --upgrade train.threads"
    )


@pytest.mark.parametrize(
    ("key", "by"),
    [
        ("train.seed", "default@2"),
        ("train.seed", "default@0"),
        ("train.seed", "default@x"),
        ("objective.kv.aggregate", "preset seed@2"),
        ("objective.kv.aggregate", "preset seed@x"),
        ("objective.kv.layer_map", "layer_map@2"),
    ],
)
def test_a_version_of_anything_that_is_not_here_is_refused(
    spec: Spec, lock: Lock, key: str, by: str
):
    """Deciding it anew with what is here would move the lock back."""
    block = replace(lock.experiment[key], by=by)
    other = replace(lock, experiment={**lock.experiment, key: block})
    with pytest.raises(KavaError) as caught:
        compare(spec, other)
    assert caught.value.exit_code == Exit.BROKEN
    assert caught.value.problems[0].message == (
        f"{key} was decided by {by}, which this kavaspec does not have"
    )


# ---- checks ------------------------------------------------------------------------------------


def threads_leave_one(threads: int, world: int, cores: int) -> Problem | None:
    """The second version of `threads_fit`: one core stays free."""
    return None if threads * world < cores else error("too many", key="train.threads")


[THREADS_FIT] = [check for check in CHECKS if check.name == "threads_fit"]
STRICTER = (
    *(replace(check, until=NOW + 1) if check is THREADS_FIT else check for check in CHECKS),
    replace(THREADS_FIT, veto=threads_leave_one, since=NOW + 1),
)
"""A kavaspec whose next set of checks leaves a core free."""


def test_a_set_of_checks_has_one_version():
    assert newest_version(STRICTER) == NOW + 1
    assert in_force(STRICTER, NOW) == tuple(
        replace(check, until=NOW + 1) if check is THREADS_FIT else check
        for check in in_force(CHECKS, NOW)
    )
    assert [check.name for check in in_force(STRICTER, NOW + 1)] == [
        *(check.name for check in in_force(CHECKS, NOW) if check is not THREADS_FIT),
        "threads_fit",
    ]


def test_a_stricter_check_leaves_the_lock_fresh_and_is_named(spec: Spec, lock: Lock):
    found = compare(spec, lock, checks=STRICTER)
    assert found.fresh
    assert found.newer == (
        Newer(key="checks", targets=(), old="checks@1", new=f"checks@{NOW + 1}"),
        *SINCE,
    )


def test_a_new_lock_is_judged_by_the_newest_checks_and_says_so(spec: Spec, lock: Lock):
    facts = {name: facts_of(target.facts) for name, target in lock.targets.items()}
    less = replace(lock.targets["cpu"].facts["fact.cpu.cores"], value=32)
    facts["cpu"] = facts_of({**lock.targets["cpu"].facts, "fact.cpu.cores": less})
    found = derive(
        parse_spec(
            (FOLDER / "kava.toml").read_text(encoding="utf-8")
            + "\n[targets.cpu.train]\nthreads = 8\n",
            "kava.toml",
            set={"eval.rows": 64},
        ),
        facts_of(lock.facts),
        facts,
        not_found={},
        recorded=NOTHING_RECORDED,
        checks=STRICTER,
    ).lock
    assert found.targets["cpu"].decisions["train.threads"].guard == ("fact.cpu.cores >= 9",)
    text = lock_text(found)
    assert text.splitlines()[1:5] == ["lock_version: 1", "", f"checks: {NOW + 1}", ""]
    assert parse_lock(text, "kava.lock") == found


def test_upgraded_checks_judge_again(spec: Spec, lock: Lock):
    new = derived(spec, lock, moving=frozenset({"checks"}), rules=EVERY, checks=STRICTER)
    assert (new.lock.checks, new.newer) == (NOW + 1, SINCE)
    assert [(problem.key, problem.code) for problem in new.errors] == [
        ("train.threads", "KV0751")
    ], "the rule takes every core of the CPU node, and the second checks refuse that"


def test_a_lock_of_checks_that_are_not_here_yet_is_not_judged_anew(spec: Spec, lock: Lock):
    with pytest.raises(KavaError) as caught:
        compare(spec, replace(lock, checks=NOW + 1))
    assert (str(caught.value), caught.value.exit_code) == (
        f"the lock was judged by checks@{NOW + 1}, and this kavaspec has checks@{NOW}",
        Exit.BROKEN,
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("checks: 4\n", "checks: 1\n"),
            "checks: 1 was edited by hand: this lock was judged by 4",
        ),
        (
            ("checks: 4\n", "checks: 5\n"),
            "checks: 5 was edited by hand: this lock was judged by 4",
        ),
        (("checks: 4\n\n", ""), "checks: 4 was cut out of this lock"),
    ],
)
def test_nobody_turns_checks_off_by_hand(edit: tuple[str, str], message: str):
    text = (ROOT / "tests/golden/cpu-avx512bf16.lock").read_text(encoding="utf-8")
    assert edit[0] in text
    with pytest.raises(KavaError) as caught:
        parse_lock(text.replace(*edit), "kava.lock")
    [problem] = caught.value.problems
    assert (problem.message, problem.exit, problem.code) == (message, Exit.BROKEN, "KV0604")


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", "true"])
def test_a_version_of_checks_that_is_none_is_a_broken_lock(lock: Lock, number: str):
    text = lock_text(lock).replace("facts:", f"checks: {number}\n\nfacts:", 1)
    with pytest.raises(KavaError) as caught:
        parse_lock(text, "kava.lock")
    assert caught.value.exit_code == Exit.BROKEN
    assert "is no version: expected a whole number" in str(caught.value)


def test_the_checks_move_on_the_command_line_too(
    locked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert main(["lock"]) == 0
    monkeypatch.setattr("kavaspec.lock.derive.CHECKS", STRICTER)
    monkeypatch.setattr("kavaspec.compile.CHECKS", STRICTER)
    capsys.readouterr()
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        f"1 newer rule is available: checks (checks@{NOW} -> checks@{NOW + 1})",
        "  take one: kavaspec lock --upgrade KEY",
    ]
    before = (locked / "kava.lock").read_bytes()
    assert main(["lock", "--upgrade", "checks"]) == Exit.UNSATISFIABLE
    assert "error[KV0751]: too many" in capsys.readouterr().err
    assert (locked / "kava.lock").read_bytes() == before


# ---- on the command line -----------------------------------------------------------------------


@pytest.fixture
def newer(
    locked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A lock, and a kavaspec that has learned a second way to choose threads since."""
    assert main(["lock"]) == 0
    old = next(rule for rule in RULES if rule.key == "train.threads")
    present = tuple(THREADS_2 if rule is old else rule for rule in RULES)
    monkeypatch.setattr(kavaspec.rules, "RULES", present)
    monkeypatch.setattr(kavaspec.rules, "OLD_RULES", (old,))
    capsys.readouterr()
    return locked


def test_check_is_fresh_and_tells_of_newer_rules(newer: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("kava.lock is fresh: ")
    assert lines[1:3] == [
        "1 newer rule is available: train.threads (threads@1 -> threads@2)",
        "  take one: kavaspec lock --upgrade KEY",
    ]


def test_lock_moves_nothing_by_itself(newer: Path, capsys: pytest.CaptureFixture[str]):
    before = (newer / "kava.lock").read_bytes()
    assert main(["lock"]) == 0
    assert (newer / "kava.lock").read_bytes() == before
    assert "upgraded" not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["train.threads", "all"])
def test_upgrade_shows_the_effect_and_both_ids(
    newer: Path, capsys: pytest.CaptureFixture[str], key: str
):
    before = read_lock(newer / "kava.lock")
    assert main(["lock", "--upgrade", key]) == 0
    text = capsys.readouterr().out
    start = text.index("upgraded ")
    shown = text[start:].splitlines()
    assert shown[:10] == [
        "upgraded train.threads (cpu): threads@1 -> threads@2",
        "before -> after",
        "same experiment, different numerics, different placement",
        "",
        "numerics",
        "  train.threads  16 -> 14  threads@2 decides it now; before threads@1",
        "",
        "placement",
        "  scheduler.cpus  16 -> 14  follows train.threads",
        "",
    ]
    assert [line.partition(" kn1")[0] for line in shown if "numerics (cpu)" in line] == [
        "  numerics (cpu) "
    ]
    after = read_lock(newer / "kava.lock")
    assert (
        before.targets["cpu"].decisions["train.threads"].by,
        after.targets["cpu"].decisions["train.threads"].by,
    ) == ("threads@1", "threads@2")
    capsys.readouterr()
    assert main(["check"]) == 0
    assert "newer" not in capsys.readouterr().out


def test_why_explains_with_the_version_that_decided(
    newer: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["why", "train.threads"]) == 0
    shown = capsys.readouterr().out
    assert "train.threads = 16" in shown
    assert "threads@1" in shown


def test_a_key_at_its_newest_version_says_so(newer: Path, capsys: pytest.CaptureFixture[str]):
    before = (newer / "kava.lock").read_bytes()
    assert main(["lock", "--upgrade", "train.world"]) == 0
    assert (
        "nothing to upgrade: what was named is at its newest version\n" in capsys.readouterr().out
    )
    assert (newer / "kava.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("key", "message", "hint"),
    [
        ("train.treads", "--upgrade train.treads: there is no such key", "did you mean train.threads?"),
        ("train.seed", "train.seed is decided by kava.toml: there is no version to move to", "nothing was changed"),
    ],
)  # fmt: skip
def test_what_cannot_be_upgraded(
    newer: Path, capsys: pytest.CaptureFixture[str], key: str, message: str, hint: str
):
    before = (newer / "kava.lock").read_bytes()
    assert main(["lock", "--upgrade", key]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert hint in shown
    assert (newer / "kava.lock").read_bytes() == before


# ---- defaults ----------------------------------------------------------------------------------


@pytest.fixture
def changed_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`eval.max_new_tokens` was 96, and is 200 now: `default@2`."""
    yield from change_default(monkeypatch, "max_new_tokens", was=[96], now=200)


def change_default(
    patch: pytest.MonkeyPatch, name: str, *, was: list[object], now: object
) -> Iterator[None]:
    """What `key(now, ..., was=was)` would declare."""
    table = "eval" if name == "max_new_tokens" else "loader"
    field = SpecModel.model_fields[table].annotation.model_fields[name]  # type: ignore[union-attr]
    patch.setattr(field, "default", now)
    patch.setitem(field.json_schema_extra, "was", was)  # type: ignore[arg-type]
    keys.cache_clear()
    yield
    patch.undo()
    keys.cache_clear()


@pytest.mark.usefixtures("changed_default")
def test_a_default_stays_what_it_was_in_a_lock_that_records_it(lock: Lock):
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, "kava.toml", set={"eval.rows": 64})
    assert spec.experiment["eval.max_new_tokens"].by == "default@2"
    found = compare(spec, lock)
    assert found.fresh
    assert found.newer == (
        *OLD_CHECKS,
        Newer(key="eval.max_new_tokens", targets=(), old="default@1", new="default@2"),
        *SINCE,
    )
    moved = derived(spec, lock, moving=frozenset({"eval.max_new_tokens"}), rules=EVERY).lock
    block = moved.experiment["eval.max_new_tokens"]
    assert (block.value, block.by) == (200, "default@2")


@pytest.mark.usefixtures("changed_default")
def test_a_new_lock_takes_the_new_default(lock: Lock):
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, "kava.toml", set={})
    facts = {name: facts_of(target.facts) for name, target in lock.targets.items()}
    found = derive(spec, facts_of(lock.facts), facts, not_found={}, recorded=NOTHING_RECORDED)
    block = found.lock.experiment["eval.max_new_tokens"]
    assert (block.value, block.by) == (200, "default@2")


def test_a_default_that_was_auto_stays_with_its_rule(lock: Lock, monkeypatch: pytest.MonkeyPatch):
    patched = change_default(monkeypatch, "workers", was=[AUTO], now=2)
    next(patched)
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, "kava.toml", set={"eval.rows": 64})
    found = compare(spec, lock)
    list(patched)
    assert found.fresh
    assert [(item.key, item.old, item.new) for item in found.newer[1:]] == [
        ("loader.workers", "default@1", "default@2"),
        *((item.key, item.old, item.new) for item in SINCE),
    ]


def test_every_older_default_is_a_value_of_its_key():
    from pydantic import TypeAdapter

    for key in keys().values():
        for default in key.was:
            if default != AUTO:
                TypeAdapter(key.field.annotation).validate_python(default, strict=True)


# ---- presets -----------------------------------------------------------------------------------


@pytest.fixture
def changed_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """`seed` leaves its dropout and takes a rank, in its second version."""
    kind = OBJECTIVES["kv"]
    old = kind.presets["seed"]
    new = {key: value for key, value in old.items() if key != "objective.kv.projector.dropout"}
    changed = replace(
        kind,
        presets={**kind.presets, "seed": {**new, "objective.kv.projector.rank": 8}},
        older={"seed": (old,)},
    )
    monkeypatch.setitem(OBJECTIVES, "kv", changed)


@pytest.mark.usefixtures("changed_preset")
def test_a_preset_stays_what_it_was_and_moves_as_a_whole(lock: Lock):
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, "kava.toml", set={"eval.rows": 64})
    assert spec.experiment["objective.kv.projector.rank"].by == "preset seed@2"
    found = compare(spec, lock)
    assert found.fresh
    assert found.newer == (
        *OLD_CHECKS,
        Newer(key="objective.preset", targets=(), old="preset seed@1", new="preset seed@2"),
        *SINCE,
    )
    moved = derived(spec, lock, moving=frozenset({"objective.preset"}), rules=EVERY).lock.experiment
    assert (
        moved["objective.kv.projector.rank"].value,
        moved["objective.kv.projector.rank"].by,
    ) == (8, "preset seed@2")
    assert moved["objective.kv.projector.dropout"].by == "default@1"


@pytest.mark.usefixtures("changed_preset")
def test_a_key_of_a_preset_is_not_upgraded_alone(locked: Path, capsys: pytest.CaptureFixture[str]):
    text = (locked / "kava.toml").read_text(encoding="utf-8")
    (locked / "kava.toml").write_text(
        text.replace("[objective]\n", '[objective]\npreset = "seed"\n', 1), encoding="utf-8"
    )
    assert main(["lock", "--upgrade", "objective.kv.aggregate"]) == 2
    shown = capsys.readouterr().err
    assert "objective.kv.aggregate comes from preset seed@2, which moves as a whole" in shown
    assert "kavaspec lock --upgrade objective.preset" in shown


@pytest.mark.usefixtures("changed_preset")
def test_a_preset_that_was_chosen_just_now_is_the_newest(lock: Lock):
    """The lock has nothing of it: there is no version to keep."""
    text = (FOLDER / "kava.toml").read_text(encoding="utf-8")
    spec = parse_spec(text, "kava.toml", set={"eval.rows": 64})
    without = {
        key: replace(block, by="default@1") if block.by.startswith("preset ") else block
        for key, block in lock.experiment.items()
    }
    found = derived(spec, replace(lock, experiment=without), rules=EVERY)
    assert found.lock.experiment["objective.kv.projector.rank"].by == "preset seed@2"


# ---- keys that are younger than a lock ---------------------------------------------------------


def test_a_young_key_counts_by_the_default_that_it_came_with(
    lock: Lock, monkeypatch: pytest.MonkeyPatch
):
    """It came with 96, means 200 now; a lock that says 96 has the id of one without the key."""
    from kavaspec.lock.ids import ids

    patched = change_default(monkeypatch, "max_new_tokens", was=[96], now=200)
    field = SpecModel.model_fields["eval"].annotation.model_fields["max_new_tokens"]  # type: ignore[union-attr]
    monkeypatch.setitem(field.json_schema_extra, "since", 2)  # type: ignore[arg-type]
    next(patched)
    block = lock.experiment["eval.max_new_tokens"]
    without = {key: it for key, it in lock.experiment.items() if key != "eval.max_new_tokens"}
    other = {**without, "eval.max_new_tokens": replace(block, value=200)}
    found = [
        ids(replace(lock, experiment=it), "cpu").kx for it in (lock.experiment, without, other)
    ]
    list(patched)
    assert found[0] == found[1]
    assert found[0] != found[2]
