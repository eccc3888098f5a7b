"""Say why a key has its value: from a lock, by running its rule again on the recorded inputs.

    lock + spec ──open_cases──▶ one Case per target ──explain──▶ Explanation

A case holds what the rules give beside what the lock records. Where the two differ, only what is
recorded is told, and that it is stale: a fresh derivation is never passed off as what was locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType

from kavaspec.checks import CHECKS
from kavaspec.checks.check import in_force
from kavaspec.decision import Decision, Guard, Rule
from kavaspec.errors import Where
from kavaspec.explanation import NO_EVIDENCE, Explanation, Flip, Override, Source
from kavaspec.facts.model import TRUST, Facts, How
from kavaspec.facts.names import kind_of
from kavaspec.lock.derive import facts_of
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.stale import Comparison, compare
from kavaspec.paste import paste
from kavaspec.plain import Plain, same, show
from kavaspec.resolve import veto
from kavaspec.rules import every_version
from kavaspec.sizes import spelled
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Spec
from kavaspec.tipping import tipping_points

SUPPOSED = "supposition@1"
"""Who "saw" a fact of `--if`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One target of a lock, with everything that explains it."""

    spec: Spec
    lock: Lock
    target: str
    decisions: Mapping[str, Decision]
    """What the spec, the recorded facts and the rules give now."""
    doubts: Mapping[str, str]
    """Keys whose block says something else than that, and what."""
    kept: Facts
    """Facts of the target's fact file, with their evidence."""
    supposed: frozenset[str] = frozenset()
    """Keys that are as `--if` has them, not as kava.toml asks."""

    @property
    def blocks(self) -> Mapping[str, Block]:
        return self.lock.blocks(self.target)

    @property
    def facts(self) -> Mapping[str, LockedFact]:
        return self.lock.facts_of(self.target)


def open_case(spec: Spec, lock: Lock, target: str, *, kept: Facts) -> Case:
    """One target. `kept` has the facts of its fact file.

    Raises:
        KavaError: exit 6, when a rule that decided is not in this kavaspec.
    """
    found = compare(one_spec(spec, target), one_lock(lock, target))
    return _open(found, spec, lock, target, kept)


def open_cases(spec: Spec, lock: Lock, *, kept: Mapping[str, Facts]) -> Mapping[str, Case]:
    """Target -> its case, for every target of a lock.

    Raises:
        KavaError: as `open_case`.
    """
    found = compare(spec, lock)
    return MappingProxyType(
        {name: _open(found, spec, lock, name, kept.get(name, {})) for name in lock.targets}
    )


def one_spec(spec: Spec, target: str) -> Spec:
    """The spec with one target: what the others say is another question."""
    return replace(spec, targets=MappingProxyType({target: spec.targets[target]}))


def one_lock(lock: Lock, target: str) -> Lock:
    """The lock with one target."""
    return replace(lock, targets=MappingProxyType({target: lock.targets[target]}))


def explain_all(
    spec: Spec, lock: Lock, *, kept: Mapping[str, Facts]
) -> Mapping[str, Mapping[str, Explanation]]:
    """Target -> key -> explanation, for every decision of a lock."""
    return MappingProxyType(
        {
            name: MappingProxyType({key: explain(case, key) for key in case.blocks})
            for name, case in open_cases(spec, lock, kept=kept).items()
        }
    )


def explain(case: Case, key: str) -> Explanation:
    """Everything worth knowing about one decision."""
    block, declared = case.blocks[key], keys()[key]
    recorded = Explanation(
        key=key,
        value=block.value,
        tier=declared.tier,
        by=block.by,
        meaning=declared.meaning,
        unit=declared.unit,
        because="",
        asked=asked_for(case, key, block.by),
        where=_where(case, key, block.by),
        sources=_sources(case, block.inputs),
        guard=tuple(map(guard_text, block.guard)),
        feeds=feeds(key, case.blocks),
        reaches=reaches(key, case.blocks),
        find_override=_override(case, key, block.value),
    )
    if key in case.doubts:
        return replace(recorded, because="nobody can tell any more", stale=case.doubts[key])
    decision = case.decisions[key]
    return replace(
        recorded,
        because=decision.because,
        terms=decision.terms,
        rejected=decision.rejected,
        provisional=decision.provisional,
        find_flips=_flips(case, key, decision),
    )


def feeds(source: str, blocks: Mapping[str, Block]) -> tuple[str, ...]:
    """Keys that were decided from `source`, a key or a fact."""
    return tuple(key for key, block in blocks.items() if source in block.inputs)


def reaches(source: str, blocks: Mapping[str, Block]) -> tuple[str, ...]:
    """Keys that depend on `source` through others, without those that read it themselves."""
    direct = feeds(source, blocks)
    seen, todo = set(direct), list(direct)
    while todo:
        new = [key for key in feeds(todo.pop(), blocks) if key not in seen]
        seen.update(new)
        todo += new
    return tuple(sorted(seen - set(direct)))


def rule_of(key: str, by: str) -> Rule | None:
    """The rule that decided, in the version that is recorded; None when no rule did."""
    return next((rule for rule in every_version() if rule.key == key and rule.name == by), None)


# ---- facts, tables, uses -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class FactStory:
    """Everything worth knowing about one fact."""

    name: str
    value: Plain
    unit: str
    meaning: str
    how: str
    """`declared by datasheet@1`; empty when the lock does not hold it."""
    evidence: str
    unseen: str
    of: Mapping[str, Plain]
    """What it is a fact about: values of the spec."""
    feeds: tuple[str, ...]
    reaches: tuple[str, ...]
    checks: tuple[str, ...]
    guards: tuple[tuple[str, str], ...]
    """Keys that hold only while this fact does something, and what."""


def tell_fact(case: Case, name: str) -> FactStory:
    """One fact: what it says, how it is known, and what rests on it."""
    fact, kind = case.facts.get(name), kind_of(name)
    unit, meaning = (kind.unit, kind.meaning) if kind else ("", "")
    evidence, unseen = ("", "") if fact is None else _evidence(case, name, fact)
    return FactStory(
        name=name,
        value=None if fact is None else fact.value,
        unit=unit,
        meaning=meaning,
        how="" if fact is None else f"{fact.how} by {fact.probe}",
        evidence=evidence,
        unseen=unseen,
        of={} if fact is None else fact.of,
        feeds=feeds(name, case.blocks),
        reaches=reaches(name, case.blocks),
        checks=checked_by(case, name),
        guards=tuple(
            (key, guard_text(guard))
            for key, block in case.blocks.items()
            for guard in block.guard
            if guard.partition(" ")[0] == name
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """One key that depends on something, and what depends on it in turn."""

    key: str
    value: Plain
    unit: str
    by: str
    then: tuple[Use, ...]
    again: bool = False
    """It stands further up already, with all that follows it."""


def uses(case: Case, source: str) -> tuple[Use, ...]:
    """Everything that depends on a key or a fact, as a tree; each key is unfolded once."""
    told: set[str] = set()

    def below(name: str) -> tuple[Use, ...]:
        return tuple(use(key) for key in feeds(name, case.blocks))

    def use(key: str) -> Use:
        block, again = case.blocks[key], key in told
        told.add(key)
        return Use(
            key=key,
            value=block.value,
            unit=keys()[key].unit,
            by=block.by,
            then=() if again else below(key),
            again=again and bool(feeds(key, case.blocks)),
        )

    return below(source)


def checked_by(case: Case, source: str) -> tuple[str, ...]:
    """Names of the checks that read a key or a fact, as far as this lock has what they read."""
    return tuple(
        check.name
        for check in in_force(CHECKS, case.lock.checks)
        if source in check.inputs.values()
        and all(name in case.blocks for name in check.inputs.values() if not is_fact(name))
    )


# ---- parts of an explanation -------------------------------------------------------------------


def _open(found: Comparison, spec: Spec, lock: Lock, target: str, kept: Facts) -> Case:
    decisions = found.derived.decisions.get(target, {})
    doubts = {
        key: _doubt(key, block, decisions.get(key)) for key, block in lock.blocks(target).items()
    }
    return Case(
        spec=spec,
        lock=lock,
        target=target,
        decisions=decisions,
        doubts=MappingProxyType({key: doubt for key, doubt in doubts.items() if doubt}),
        kept=kept,
    )


def _doubt(key: str, block: Block, decision: Decision | None) -> str:
    """How a block departs from what its rule gives, or nothing."""
    if decision is None:
        return f"{block.by} cannot decide {key} from what the lock holds"
    if block.by != decision.by:
        return f"the lock says that {block.by} decided it, but now {decision.by} does"
    moved = [name for name in decision.inputs if name not in block.inputs]
    moved += [
        name
        for name, value in block.inputs.items()
        if name not in decision.inputs or not same(value, decision.inputs[name])
    ]
    if moved:
        told = ", ".join(_moved(name, block.inputs, decision.inputs) for name in sorted(moved))
        return f"it was decided from {told}"
    if not same(block.value, decision.value):
        return (
            f"{block.by} gives {show(decision.value)} from the same inputs, not {show(block.value)}"
        )
    if block.guard != tuple(map(str, decision.guard)):
        there = " and ".join(map(str, decision.guard)) or "any machine"
        return f"the checks let it be valid on {there}, and the lock says something else"
    if block.provisional != (decision.provisional is not None):
        return "the lock says otherwise whether it is provisional"
    return ""


def _moved(name: str, old: Mapping[str, Plain], new: Mapping[str, Plain]) -> str:
    was = show(old[name]) if name in old else "nothing"
    return f"{name} = {was}, which is {show(new[name]) if name in new else 'not asked'} now"


def asked_for(case: Case, key: str, by: str) -> str:
    """Where a decision was asked for."""
    if key in case.supposed:
        return "" if by == "supposition" else "as supposed"
    if by == "set":
        return "set on the command line (--set)"
    if not case.spec.text:
        return "as locked"
    where = case.spec.where(key, case.target)
    if where is not None:
        return f"asked for at {where}"
    if by.startswith("preset"):
        return "from objective.preset"
    return f"left out of {case.spec.path}"


def _where(case: Case, key: str, by: str) -> Where | None:
    if not case.spec.text or by == "set" or key in case.supposed:
        return None
    return case.spec.where(key, case.target)


def _sources(case: Case, inputs: Mapping[str, Plain]) -> tuple[Source, ...]:
    facts = {name: case.facts[name] for name in inputs if name in case.facts}
    least = max((fact.how for fact in facts.values()), key=TRUST.index, default=None)
    return tuple(_source(case, name, value, least) for name, value in inputs.items())


def _source(case: Case, name: str, value: Plain, least: How | None) -> Source:
    if name == "auto":
        return Source(name=name, value=value, how=f"limit in {case.spec.path}")
    fact = case.facts.get(name)
    if fact is None:
        block = case.blocks.get(name)
        by = (
            ""
            if block is None
            else f"by {block.by}" + (", provisional" if block.provisional else "")
        )
        unit = keys()[name].unit if name in keys() else ""
        return Source(name=name, value=value, how=by, unit=unit)
    evidence, unseen = _evidence(case, name, fact)
    kind = kind_of(name)
    return Source(
        name=name,
        value=value,
        how="supposed" if fact.probe == SUPPOSED else f"{fact.how} by {fact.probe}",
        evidence=evidence,
        unseen=unseen,
        trust=fact.how,
        weakest=fact.how == least,
        unit=kind.unit if kind else "",
    )


def _evidence(case: Case, name: str, fact: LockedFact) -> tuple[str, str]:
    """What the probe saw, or why nobody can tell any more."""
    kept = case.kept.get(name)
    if kept is None:
        return "", "" if fact.probe == SUPPOSED else NO_EVIDENCE
    if not same(kept.value, fact.value):
        return "", f"{NO_EVIDENCE}: the fact file says {show(kept.value)} by now"
    if (kept.how, kept.probe) != (fact.how, fact.probe):
        return "", f"{NO_EVIDENCE}: the fact file has it {kept.how} by {kept.probe} by now"
    return (kept.evidence, "") if kept.evidence else ("", NO_EVIDENCE)


def guard_text(guard: str) -> str:
    """The guard as it is locked, and in brackets how people call its size."""
    name, _, _ = guard.partition(" ")
    kind = kind_of(name)
    try:
        size = spelled(Guard.parse(guard).value, kind.unit if kind else "")
    except ValueError:
        return guard
    return f"{guard} ({size})" if size else guard


def _flips(case: Case, key: str, decision: Decision) -> Callable[[], tuple[Flip, ...]]:
    rule = rule_of(key, decision.by)
    if rule is None:
        return tuple
    decided = frozenset(
        name for name, other in case.decisions.items() if rule_of(name, other.by) is not None
    )
    return cache(
        partial(
            tipping_points,
            rule,
            decision.inputs,
            decided=decided,
            can_be=partial(_can_be, case),
        )
    )


def _can_be(case: Case, key: str, value: Plain) -> bool:
    """Whether a key may have a value here, as far as the checks know that look at it alone.

    A rule can be asked what it would do on `cuda`; where there is no card, nobody wants to know.
    """
    if key not in case.decisions:
        return True
    alone = [
        check
        for check in in_force(CHECKS, case.lock.checks)
        if key in check.inputs.values()
        and all(name == key or is_fact(name) for name in check.inputs.values())
    ]
    supposed = {key: replace(case.decisions[key], value=value)}
    said, _ = veto(alone, supposed, facts_of(case.facts))
    return not any(problem.severity == "error" for problem in said)


def _override(case: Case, key: str, value: Plain) -> Callable[[], Override]:
    several = len(case.spec.targets) > 1 and keys()[key].tier != "experiment"
    target = case.target if several else None
    return cache(partial(paste, case.spec, key, value, target=target))


def is_fact(name: str) -> bool:
    return name.startswith("fact.")


def all_names(case: Case) -> Iterator[str]:
    """Every name that can be asked about: keys, facts and their tables."""
    seen: set[str] = set()
    for name in (*case.blocks, *case.facts):
        parts = name.split(".")
        for size in range(len(parts), 0, -1):
            whole = ".".join(parts[:size])
            if whole not in seen:
                seen.add(whole)
                yield whole
