"""Comparing locks: nothing is lost, nothing is told twice, and the verdict is that of the ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.errors import Exit
from kavaspec.lock.diff import Change, Diff, choose_pairs, diff
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.model import Lock
from kavaspec.plain import same

ROOT = Path(__file__).parents[2]
LOCKS = {
    path.stem: read_lock(path)
    for path in (*sorted((ROOT / "tests/golden").glob("*.lock")), ROOT / "examples/teacher.lock")
}
PAIRS = list(itertools.permutations(LOCKS, 2))


def compare(a: Lock, b: Lock) -> Diff:
    return diff(a, b, choose_pairs(a, b, (), labels=("a", "b")), whole=True)


def told(changes: tuple[Change, ...]) -> Iterator[Change]:
    """Every change of a tree."""
    for change in changes:
        yield change
        yield from told(change.below)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_the_same_as_itself(name: str):
    found = compare(LOCKS[name], LOCKS[name])
    assert (found.exit, found.changes, found.facts, found.otherwise) == (Exit.SAME, (), (), ())


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_every_value_that_differs_is_told_exactly_once(a: str, b: str):
    old, new = LOCKS[a], LOCKS[b]
    (mine,), (theirs,) = old.targets, new.targets
    before, after = old.values(mine), new.values(theirs)
    differ = sorted(
        key
        for key in {*before, *after}
        if key not in before or key not in after or not same(before[key], after[key])
    )
    found = compare(old, new)
    assert sorted(change.key for change in told(found.changes)) == differ
    assert not {it.key for it in found.otherwise} & set(differ)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_verdict_is_that_of_the_ids_and_the_same_both_ways(a: str, b: str):
    old, new = LOCKS[a], LOCKS[b]
    first, second = (ids(lock, next(iter(lock.targets))) for lock in (old, new))
    there, back = compare(old, new), compare(new, old)
    assert there.same_experiment == (first.kx == second.kx)
    assert there.same_numerics == (first.kn == second.kn)
    assert (there.exit, there.verdict) == (back.exit, back.verdict)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_what_hangs_below_a_change_follows_it(a: str, b: str):
    found = compare(LOCKS[a], LOCKS[b])
    changed = {change.key for change in told(found.changes)} | {fact.name for fact in found.facts}
    for change in told(found.changes):
        assert set(change.follows) <= changed
        assert all(
            change.key in below.follows and below.tier == change.tier for below in change.below
        )


def test_two_locks_without_a_common_target_are_compared_by_their_experiment():
    old = LOCKS["a100-slurm"]
    [target] = old.targets.values()
    first = replace(old, targets={"a": target, "b": target})
    second = replace(old, targets={"c": target, "d": target})
    found = compare(first, second)
    assert (found.pairs, found.removed, found.added) == ((), ("a", "b"), ("c", "d"))
    assert found.exit == Exit.DIFF_PLACEMENT
