"""Is a lock what its spec, its recorded facts and the rules give? Every difference, causes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kavaspec.errors import Problem
from kavaspec.facts.model import Facts
from kavaspec.lock.derive import Derived, derive, facts_of
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.plain import Plain, same, show
from kavaspec.spec.spec import Spec


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One decision that is not what it should be."""

    key: str
    target: str
    """Empty for the experiment."""
    old: str
    new: str
    because: str
    """`kava.toml changed it`, `follows train.steps`, ..."""
    follows: str | None
    """The changed key that it follows, or None when it is a cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What `check` found: the lock as it should be, and how the real one differs."""

    derived: Derived
    changes: tuple[Change, ...]
    missing_facts: tuple[str, ...]
    """Facts that the spec now needs and the lock does not hold: `lock` would observe them."""

    @property
    def impossible(self) -> tuple[Problem, ...]:
        """Errors that locking again would meet too, because no unknown fact stands behind them."""
        return () if self.missing_facts or self.derived.needed else self.derived.errors

    @property
    def fresh(self) -> bool:
        return not self.changes and not self.missing_facts and not self.derived.errors


def compare(spec: Spec, lock: Lock) -> Comparison:
    """Derive every value again from the spec and the lock's own facts. Pure."""
    experiment, missing = _still_about(spec, lock.facts)
    targets = {
        name: facts_of(lock.targets[name].facts) if name in lock.targets else {}
        for name in spec.targets
    }
    not_found = dict.fromkeys(missing, "the lock holds it for another model or data set")
    derived = derive(spec, experiment, targets, not_found=not_found)
    return Comparison(
        derived=derived,
        changes=tuple(_in_order(list(_changes(lock, derived)))),
        missing_facts=missing,
    )


def _still_about(spec: Spec, facts: Mapping[str, LockedFact]) -> tuple[Facts, tuple[str, ...]]:
    """The facts that are about what the spec names, and the names of those that no longer are."""
    keep = {name: fact for name, fact in facts.items() if is_about(spec, fact.of)}
    return facts_of(keep), tuple(sorted(set(facts) - set(keep)))


def is_about(spec: Spec, of: Mapping[str, Plain]) -> bool:
    """Whether a fact observed for these spec values still describes what the spec names."""
    some_target = next(iter(spec.targets))
    for key, value in of.items():
        asked = spec.asked(key, some_target)
        if not same(None if asked is None or asked.auto else asked.value, value):
            return False
    return True


def _changes(lock: Lock, derived: Derived) -> Iterator[Change]:
    yield from _section("", lock.experiment, derived.lock.experiment)
    for name in sorted({*lock.targets, *derived.lock.targets}):
        if name not in derived.lock.targets:
            yield _change(name, name, "in the lock", "gone", "kava.toml has no such target")
        elif name not in lock.targets:
            yield _change(name, name, "missing", "wanted", "kava.toml has a new target")
        else:
            yield from _section(
                name, lock.targets[name].decisions, derived.lock.targets[name].decisions
            )


def _change(key: str, target: str, old: str, new: str, because: str) -> Change:
    return Change(key=key, target=target, old=old, new=new, because=because, follows=None)


def _section(target: str, old: Mapping[str, Block], new: Mapping[str, Block]) -> Iterator[Change]:
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if a is None and b is not None:
            yield _change(key, target, "missing", show(b.value), "the lock does not have it")
        elif b is None and a is not None:
            yield _change(key, target, show(a.value), "gone", "the key does not apply any more")
        elif a is not None and b is not None and not _equal(a, b):
            yield _difference(key, target, a, b)


def _equal(a: Block, b: Block) -> bool:
    return (
        same(a.value, b.value)
        and a.by == b.by
        and same(a.inputs, b.inputs)
        and a.guard == b.guard
        and a.provisional == b.provisional
    )


def _difference(key: str, target: str, a: Block, b: Block) -> Change:
    moved = [name for name in b.inputs if not same(a.inputs.get(name), b.inputs[name])]
    keys = [name for name in moved if not name.startswith("fact.") and name != "auto"]
    old, new = show(a.value), show(b.value)
    if old == new and a.by != b.by:
        old, new = f"{old} (by {a.by})", f"{new} (by {b.by})"
    if old == new and a.by == b.by:
        new = f"{new}, from other inputs"
    if a.by != b.by and b.by in ("spec", "set", "target"):
        because = "kava.toml decides it now" if b.by != "set" else "--set decides it now"
    elif a.by != b.by:
        because = f"{b.by} decides it now, {a.by} did"
    elif not moved:
        because = "kava.toml changed it" if "@" not in b.by else f"{b.by} gives another value"
    else:
        because = "follows " + ", ".join(moved)
    return Change(
        key=key, target=target, old=old, new=new, because=because, follows=keys[0] if keys else None
    )


def _in_order(changes: list[Change]) -> Iterator[Change]:
    """Causes first, each followed by what follows it."""
    names = {change.key for change in changes}
    causes = [change for change in changes if change.follows not in names]
    done: set[int] = set()

    def below(change: Change) -> Iterator[Change]:
        if id(change) in done:
            return
        done.add(id(change))
        yield change
        for other in changes:
            if other.follows == change.key and other.target in (change.target, other.target):
                yield from below(other)

    for change in causes:
        yield from below(change)
    yield from (change for change in changes if id(change) not in done)
