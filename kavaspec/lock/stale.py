"""Is a lock what its spec, its recorded facts and the rules give? Every decision that is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kavaspec.checks.check import Check
from kavaspec.decision import Rule
from kavaspec.errors import Problem
from kavaspec.facts.model import Facts
from kavaspec.lock.derive import Derived, derive, facts_of, locked_fact
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.versions import Newer, recorded
from kavaspec.plain import Plain, same
from kavaspec.spec.spec import Spec


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The facts to derive from, by name: those of the experiment, and those of each target."""

    experiment: Facts
    targets: Mapping[str, Facts]
    notes: tuple[str, ...] = ()
    """What a fact file says and is not taken, and files that are not there: nothing is silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FactChange:
    """A fact that is not as the lock recorded it; None where there is none."""

    target: str
    """Empty for a fact about models or data."""
    name: str
    old: LockedFact | None
    new: LockedFact | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What `check` found: the lock as it should be, and how the real one differs."""

    derived: Derived
    differing: tuple[tuple[str, str], ...]
    """Target (empty for the experiment) and key of every decision that is not as it should be. Why,
    and what is a consequence of what, is told by `kavaspec.lock.reasons`."""
    missing_facts: tuple[str, ...]
    """Facts that the spec now needs and the lock does not hold: `lock` would observe them."""
    changed_facts: tuple[FactChange, ...] = ()
    """Facts of which a fact file says something else by now."""

    @property
    def outdated(self) -> Mapping[str, frozenset[str]]:
        """Target -> trials that the lock holds for other values than are decided now."""
        return self.derived.outdated

    @property
    def impossible(self) -> tuple[Problem, ...]:
        """Errors that locking again would meet too, because no unknown fact stands behind them."""
        waits = self.missing_facts or self.outdated or self.derived.needed
        return () if waits else self.derived.errors

    @property
    def newer(self) -> tuple[Newer, ...]:
        """What a lock could move to, and does not until it is asked to."""
        return self.derived.newer

    @property
    def fresh(self) -> bool:
        same_facts = not self.missing_facts and not self.changed_facts and not self.outdated
        return not self.differing and same_facts and not self.derived.errors


def compare(
    spec: Spec,
    lock: Lock,
    *,
    known: Known | None = None,
    rules: Sequence[Rule] | None = None,
    checks: Sequence[Check] | None = None,
) -> Comparison:
    """Derive every value again, from the spec and the lock's own facts. Pure.

    `known` holds other facts than the lock's own, where fact files say what they are by now.

    Raises:
        KavaError: exit 6, when a rule, default or preset that decided is not in this kavaspec.
    """
    held = recorded_facts(spec, lock)
    known = known or held
    missing = tuple(sorted({*lock.facts} - {*held.experiment} - {*known.experiment}))
    derived = derive(
        spec,
        known.experiment,
        known.targets,
        not_found=dict.fromkeys(missing, "the lock holds it for another model or data set"),
        recorded=recorded(lock),
        rules=rules,
        checks=checks,
    )
    return Comparison(
        derived=derived,
        differing=tuple(_differing(lock, derived.lock)),
        missing_facts=missing,
        changed_facts=() if known is held else tuple(_changed(held, known, derived)),
    )


def recorded_facts(spec: Spec, lock: Lock) -> Known:
    """The facts of a lock: those that are about what the spec names, and those of its targets."""
    about = {name: fact for name, fact in lock.facts.items() if is_about(spec, fact.of)}
    targets = {
        name: facts_of(lock.targets[name].facts) if name in lock.targets else {}
        for name in spec.targets
    }
    return Known(experiment=facts_of(about), targets=targets)


def _changed(held: Known, known: Known, derived: Derived) -> Iterator[FactChange]:
    """What a lock made now would record otherwise; a fact that nothing asks for is in no lock."""
    sections = [("", held.experiment, known.experiment, derived.lock.facts)]
    for name, target in derived.lock.targets.items():
        sections.append((name, held.targets[name], known.targets[name], target.facts))
    for target_name, was, now, wanted in sections:
        gone = (set(was) - set(now)) & derived.wanted[target_name]
        for name in sorted({*wanted, *gone}):
            old, new = (locked_fact(it[name]) if name in it else None for it in (was, now))
            if not _alike(old, new):
                yield FactChange(target=target_name, name=name, old=old, new=new)


def _alike(a: LockedFact | None, b: LockedFact | None) -> bool:
    if a is None or b is None:
        return a is b
    return (a.how, a.probe) == (b.how, b.probe) and same(a.value, b.value) and same(a.of, b.of)


def is_about(spec: Spec, of: Mapping[str, Plain]) -> bool:
    """Whether a fact observed for these spec values still describes what the spec names."""
    return all(same(spec.literal(key), value) for key, value in of.items())


def equal(a: Block | None, b: Block | None) -> bool:
    """Whether two blocks say the same, types included; None is no block."""
    if a is None or b is None:
        return a is b
    return (
        same(a.value, b.value)
        and a.by == b.by
        and same(a.inputs, b.inputs)
        and a.guard == b.guard
        and a.provisional == b.provisional
    )


def _differing(lock: Lock, derived: Lock) -> Iterator[tuple[str, str]]:
    """Target (empty for the experiment) and key of every decision that is not the same in both."""
    sections = [("", lock.experiment, derived.experiment)]
    for name in sorted({*lock.targets, *derived.targets}):
        old, new = (locked.targets.get(name) for locked in (lock, derived))
        sections.append((name, old.decisions if old else {}, new.decisions if new else {}))
    for target, before, after in sections:
        for key in sorted({*before, *after}):
            if not equal(before.get(key), after.get(key)):
                yield target, key
