"""What would change if a fact or a key were another: derived again beside the lock, nothing written.

kavaspec why --if fact.gpu.memory_bytes=24GiB --if train.global_batch=64
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from types import MappingProxyType

from kavaspec.checks import CHECKS
from kavaspec.decision import ANYTHING, AUTO, Guard
from kavaspec.errors import Exit, KavaError, Problem, did_you_mean, fail
from kavaspec.explain import SUPPOSED, Case, guard_text, is_fact, one_lock, one_spec
from kavaspec.facts.names import FACTS, kind_of
from kavaspec.lock.derive import is_experiment_fact
from kavaspec.lock.ids import Ids, ids
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.stale import compare
from kavaspec.plain import Plain, same, show, too_large
from kavaspec.resolve import optional_parameters
from kavaspec.rules import every_version
from kavaspec.sizes import read_bytes, with_size
from kavaspec.spec.load import literal_value, parse_spec
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Asked, Spec, TargetSpec
from kavaspec.spec.value import Refused, typed


@dataclass(frozen=True, kw_only=True, slots=True)
class Supposition:
    """Facts and keys as they are not."""

    facts: Mapping[str, Plain]
    keys: Mapping[str, Plain]
    """`"auto"` stands for itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequence:
    """One decision that would be another."""

    key: str
    tier: str
    unit: str
    old: Block | None
    """None where the lock has no such key."""
    new: Block | None
    """None where the key would be gone, or could not be decided."""
    because: str
    depth: int
    """0 for what was supposed or follows from it alone; more for what follows from others here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a supposition comes to."""

    supposed: Supposition
    before: Mapping[str, Plain]
    """What each supposed name is in the lock; a name that it does not hold is missing."""
    case: Case
    """The target as it would be: for explaining a key there."""
    consequences: tuple[Consequence, ...]
    """Causes before what follows from them."""
    kept: tuple[str, ...]
    """Keys that would be decided from other inputs, to the same value."""
    broken: tuple[tuple[str, str], ...]
    """Keys whose locked value would not be valid there, and the guard that says so."""
    problems: tuple[Problem, ...]
    """What would be wrong, and is not now."""
    unknown: tuple[str, ...]
    """Facts that would be needed and that the lock does not hold."""
    old_ids: Ids
    new_ids: Ids | None
    """None when some key could not be decided."""


def read_suppositions(texts: Iterable[str], *, option: str = "--if") -> Supposition:
    """`fact.gpu.memory_bytes=24GiB`, `train.global_batch=64`.

    Raises:
        KavaError: exit 2, with every name that is no fact and no key and every value it cannot have.
    """
    facts: dict[str, Plain] = {}
    found: dict[str, Plain] = {}
    problems: list[Problem] = []
    for text in texts:
        name, equals, literal = (part.strip() for part in text.partition("="))
        wrong = None
        if not equals or not name:
            wrong = _usage(f"{option} {text}: expected NAME=VALUE", name)
        elif name in facts or name in found:
            wrong = _usage(f"{option} {name} is given twice", name)
        elif is_fact(name):
            wrong = _read_fact(name, literal, facts, option)
        else:
            wrong = _read_key(name, literal, found, option)
        problems += [wrong] if wrong else []
    if problems:
        raise KavaError(*problems)
    return Supposition(facts=MappingProxyType(facts), keys=MappingProxyType(found))


def what_if(case: Case, supposed: Supposition) -> Outcome:
    """Derive the target again under a supposition and compare it with what is locked. Pure.

    Raises:
        KavaError: exit 3 when the lock is stale by itself, so that nothing can be compared with it.
    """
    if case.doubts:
        some = ", ".join(sorted(case.doubts)[:3])
        raise fail(
            f"the lock is not what its rules give ({some}), so nothing can be compared with it",
            Exit.STALE,
            code="KV0301",
            hint="lock again first: kavaspec lock",
        )
    spec, lock = suppose(case.spec, supposed.keys), one_lock(case.lock, case.target)
    there = _with_facts(lock, case.target, supposed.facts)
    derived = compare(one_spec(spec, case.target), there).derived
    decisions = derived.decisions.get(case.target, {})
    now = replace(
        case,
        spec=spec,
        lock=derived.lock,
        decisions=decisions,
        supposed=case.supposed | supposed.keys.keys(),
        kept={name: fact for name, fact in case.kept.items() if name not in supposed.facts},
    )
    changed = _changed(case.blocks, now.blocks)
    before = compare(one_spec(case.spec, case.target), lock).derived.problems
    already = {problem.message for problem in before}
    complete = not (derived.errors or derived.needed or derived.outdated)
    return Outcome(
        supposed=supposed,
        before={
            **{name: case.facts[name].value for name in supposed.facts if name in case.facts},
            **{key: case.blocks[key].value for key in supposed.keys if key in case.blocks},
        },
        case=now,
        consequences=_consequences(case, now, changed, supposed.keys),
        kept=tuple(
            key
            for key, block in now.blocks.items()
            if key in case.blocks
            and key not in changed
            and not same(block.inputs, case.blocks[key].inputs)
        ),
        broken=_broken(case.blocks, supposed.facts),
        problems=tuple(item for item in derived.problems if item.message not in already),
        unknown=tuple(sorted({*derived.needed, *derived.outdated.get(case.target, ())})),
        old_ids=ids(case.lock, case.target),
        new_ids=ids(derived.lock, case.target) if complete else None,
    )


def suppose(spec: Spec, wanted: Mapping[str, Plain]) -> Spec:
    """The spec with these keys as if kava.toml said so.

    Raises:
        KavaError: with what is wrong with it, as a whole.
    """
    if "objective.kind" in wanted:  # it decides which keys there are
        if not spec.text:
            message = "what objective.kind would change cannot be told without kava.toml"
            raise fail(
                message,
                Exit.ENVIRONMENT,
                code="KV0001",
                key="objective.kind",
                hint="put it beside the lock",
            )
        try:
            spec = parse_spec(spec.text, spec.path, set={**spec.set, **wanted})
        except KavaError as error:
            said = (replace(item, message=f"then {item.message}") for item in error.problems)
            raise KavaError(*said) from None
    return replace(
        spec,
        experiment=_supposed(spec.experiment, wanted),
        targets=MappingProxyType(
            {
                name: TargetSpec(facts=target.facts, asked=_supposed(target.asked, wanted))
                for name, target in spec.targets.items()
            }
        ),
    )


# ---- reading -----------------------------------------------------------------------------------


def _read_fact(name: str, literal: str, into: dict[str, Plain], option: str) -> Problem | None:
    kind = kind_of(name)
    if kind is None:
        near = did_you_mean(name, FACTS)
        hint = f"did you mean {near}?" if near else "`kavaspec facts` lists every fact"
        return _usage(f"{option} {name}: there is no such fact", name, hint)
    value = literal_value(literal)
    if kind.unit == "bytes" and isinstance(value, str):
        size = read_bytes(value)
        value = value if size is None else size
    if kind.type == "text" and not isinstance(value, str):
        value = literal  # 3.12 is a version, not a number
    if literal == "none":
        value = None
    wrong = kind.wrong(value)
    if too_large(value):
        wrong = "expected a number of at most 64 bits"
    if value is None and _is_needed(name):
        wrong = "a rule or check needs it"
    if wrong is not None:
        example = ", for example 24GiB" if kind.unit == "bytes" else ""
        return _usage(f"{option} {name}: {wrong}{example}, got {show(value)}", name)
    into[name] = value
    return None


def _read_key(name: str, literal: str, into: dict[str, Plain], option: str) -> Problem | None:
    if name not in keys():
        near = did_you_mean(name, {**keys(), **FACTS})
        hint = f"did you mean {near}?" if near else None
        return _usage(f"{option} {name}: there is no such key or fact", name, hint)
    value = literal_value(literal)
    if value == AUTO:
        if not keys()[name].auto:
            return _usage(f'{option} {name}: it cannot be "auto"', name)
        into[name] = AUTO
        return None
    try:
        into[name] = typed_literal(name, literal)
    except Refused as expected:
        return _usage(f"{option} {name}: expected {expected}, got {show(value)}", name)
    return None


def _is_needed(fact: str) -> bool:
    """Whether a rule or a check can do nothing when there is no such thing."""
    rules = ((rule.decide, rule.inputs) for rule in every_version())
    checks = ((check.veto, check.inputs) for check in CHECKS)
    return any(
        source == fact and name not in optional_parameters(reader)
        for reader, inputs in (*rules, *checks)
        for name, source in inputs.items()
    )


def typed_literal(key: str, literal: str) -> Plain:
    """What the schema makes of a value from the command line: of `3.12` a word, where it wants one.

    Raises:
        Refused: with what was expected.
    """
    value = literal_value(literal)
    try:
        return typed(keys()[key], value)
    except Refused:
        if isinstance(value, str):
            raise
    try:
        return typed(keys()[key], literal)
    except Refused:
        return typed(keys()[key], value)  # the message is about what it looks like


def _usage(message: str, key: str, hint: str | None = None) -> Problem:
    return Problem(message=message, exit=Exit.USAGE, code="KV0013", key=key or None, hint=hint)


# ---- deriving ----------------------------------------------------------------------------------


def _supposed(asked: Mapping[str, Asked], wanted: Mapping[str, Plain]) -> Mapping[str, Asked]:
    return MappingProxyType(
        {key: _one(item, wanted[key]) if key in wanted else item for key, item in asked.items()}
    )


def _one(asked: Asked, value: Plain) -> Asked:
    if value == AUTO:
        return replace(asked, value=None, auto=True, allowed=ANYTHING, by="spec")
    return replace(asked, value=value, auto=False, allowed=ANYTHING, by="supposition")


def _with_facts(lock: Lock, target: str, facts: Mapping[str, Plain]) -> Lock:
    """The lock with other facts, as if somebody had overridden them."""

    def seen(there: Mapping[str, LockedFact], *, experiment: bool) -> Mapping[str, LockedFact]:
        new = {
            name: LockedFact(
                value=value,
                how="override",
                probe=SUPPOSED,
                of=there[name].of if name in there else {},
            )
            for name, value in facts.items()
            if is_experiment_fact(name) == experiment
        }
        return MappingProxyType(dict(sorted({**there, **new}.items())))

    here = lock.targets[target]
    return replace(
        lock,
        facts=seen(lock.facts, experiment=True),
        targets=MappingProxyType(
            {**lock.targets, target: replace(here, facts=seen(here.facts, experiment=False))}
        ),
    )


# ---- comparing ---------------------------------------------------------------------------------


def _changed(old: Mapping[str, Block], new: Mapping[str, Block]) -> frozenset[str]:
    """Keys with another value, or on one side only."""
    return frozenset(
        key
        for key in {*old, *new}
        if key not in old or key not in new or not same(old[key].value, new[key].value)
    )


def _consequences(
    case: Case, now: Case, changed: frozenset[str], supposed: Collection[str]
) -> tuple[Consequence, ...]:
    """Each under the first of the changed keys that it was decided from."""
    causes: dict[str, list[str]] = {}
    for key in changed:
        block = now.blocks.get(key) or case.blocks.get(key)
        inputs = block.inputs if block else {}
        causes[key] = sorted(changed & inputs.keys())
    order = [*TopologicalSorter({key: causes[key] for key in sorted(causes)}).static_order()]
    rank = {key: at for at, key in enumerate(order)}
    found: list[Consequence] = []

    def tell(key: str, depth: int) -> None:
        found.append(_consequence(case, now, key, depth, supposed))
        for other in order:
            if causes[other] and max(causes[other], key=rank.__getitem__) == key:
                tell(other, depth + 1)

    for key in order:
        if not causes[key]:
            tell(key, 0)
    return tuple(found)


def _consequence(
    case: Case, now: Case, key: str, depth: int, supposed: Collection[str]
) -> Consequence:
    decision = now.decisions.get(key)
    if key in supposed:
        because = "supposed"
    elif decision is not None:
        because = decision.because
    elif now.spec.asked(key, now.target) is not None:
        because = "it cannot be decided"
    else:
        because = "the key does not apply any more"
    return Consequence(
        key=key,
        tier=keys()[key].tier,
        unit=keys()[key].unit,
        old=case.blocks.get(key),
        new=now.blocks.get(key),
        because=because,
        depth=depth,
    )


def _broken(blocks: Mapping[str, Block], facts: Mapping[str, Plain]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (key, guard_text(guard))
        for key, block in blocks.items()
        for guard in block.guard
        if _fails(guard, facts)
    )


def _fails(guard: str, facts: Mapping[str, Plain]) -> bool:
    parsed = Guard.parse(guard)
    return parsed.fact in facts and not parsed.holds(facts[parsed.fact])


def spelled(name: str, value: Plain) -> str:
    """A value of a key or fact with its size."""
    kind, key = kind_of(name), keys().get(name)
    return with_size(value, kind.unit if kind else key.unit if key else "")
