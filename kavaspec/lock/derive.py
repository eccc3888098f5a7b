"""Derive a lock from a spec and facts. `lock` writes the result; `check` compares with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from kavaspec.checks import CHECKS
from kavaspec.decision import Decision
from kavaspec.errors import Problem
from kavaspec.facts.model import Fact, Facts
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, LockedFact, Target
from kavaspec.plain import freeze
from kavaspec.resolve import NOTHING, resolve, veto
from kavaspec.rules import RULES
from kavaspec.spec.spec import Spec


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """A lock with the decisions behind it: the lock is what is kept, decisions are what is told."""

    lock: Lock
    decisions: Mapping[str, Mapping[str, Decision]]
    """Target -> key -> decision, experiment included."""
    problems: tuple[Problem, ...]
    """Errors and warnings, with their place in the spec. With an error the lock is not complete."""
    wanted: Mapping[str, frozenset[str]]
    """Target (or "" for the experiment) -> facts that were asked for and are not known."""
    needed: frozenset[str]
    """Those of them without which some key cannot be decided."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def derive(
    spec: Spec,
    experiment_facts: Facts,
    target_facts: Mapping[str, Facts],
    *,
    not_found: Mapping[str, str],
) -> Derived:
    """Resolve the experiment once, then every target on top of it, and check all values. Pure."""
    base = resolve(spec.experiment, experiment_facts, RULES, base=NOTHING, not_found=not_found)
    problems = list(base.problems)
    targets: dict[str, Target] = {}
    decisions: dict[str, Mapping[str, Decision]] = {}
    asked_for = set(base.facts_wanted)
    wanted: dict[str, frozenset[str]] = {}
    needed = set(base.facts_needed)
    for name, target in spec.targets.items():
        facts = {**experiment_facts, **target_facts[name]}
        own = resolve(target.asked, facts, RULES, base=base, not_found=not_found)
        merged = dict(sorted({**base.decisions, **own.decisions}.items()))
        vetoes, checked = veto(CHECKS, merged, facts)
        found = (*vetoes, *_not_blamed(own.problems, vetoes))
        problems += [_place(spec, problem, name) for problem in found]
        asks = own.facts_wanted | checked
        needed |= own.facts_needed
        asked_for |= {fact for fact in asks if is_experiment_fact(fact)}
        machine = {fact for fact in asks if not is_experiment_fact(fact)}
        wanted[name] = frozenset(machine - set(facts))
        decisions[name] = MappingProxyType(merged)
        targets[name] = Target(
            facts=_locked({fact: facts[fact] for fact in machine & set(facts)}),
            decisions=_blocks(own.decisions),
        )
    lock = Lock(
        version=LOCK_VERSION,
        set=spec.set,
        facts=_locked({name: experiment_facts[name] for name in asked_for & set(experiment_facts)}),
        experiment=_blocks(base.decisions),
        targets=MappingProxyType(targets),
    )
    refused = [problem for problem in problems if problem not in base.problems]
    kept = [*_not_blamed(base.problems, refused), *refused]
    placed = [_place(spec, problem, None) for problem in kept]
    return Derived(
        lock=lock,
        decisions=MappingProxyType(decisions),
        wanted={**wanted, "": frozenset(asked_for - set(experiment_facts))},
        needed=frozenset(needed),
        problems=tuple(dict.fromkeys(placed)),  # a veto about the experiment comes once per target
    )


def is_experiment_fact(name: str) -> bool:
    """Whether a fact is about a model or the data, rather than about a machine."""
    return name.startswith(("fact.teacher.", "fact.student.", "fact.data."))


def facts_of(facts: Mapping[str, LockedFact]) -> Facts:
    """Facts as a lock keeps them, ready to be resolved from again."""
    return {
        name: Fact(value=fact.value, how=fact.how, probe=fact.probe, of=fact.of)
        for name, fact in facts.items()
    }


def _not_blamed(problems: Sequence[Problem], vetoes: Sequence[Problem]) -> list[Problem]:
    """What rules could not decide, without those that read a value which a check refused.

    One cause, one message: the check says it better.
    """
    blamed = {veto.key for veto in vetoes if veto.severity == "error"}
    return [problem for problem in problems if not blamed & {problem.key, *problem.about}]


def _place(spec: Spec, problem: Problem, target: str | None) -> Problem:
    if problem.where is not None or problem.key is None:
        return problem
    places = (spec.where(key, target) for key in (problem.key, *problem.about))
    return replace(problem, where=next((place for place in places if place is not None), None))


def _blocks(decisions: Mapping[str, Decision]) -> Mapping[str, Block]:
    return MappingProxyType({key: _block(decision) for key, decision in decisions.items()})


def _block(decision: Decision) -> Block:
    return Block(
        value=freeze(decision.value),
        by=decision.by,
        inputs=freeze(decision.inputs),  # type: ignore[arg-type]  # a mapping freezes to a mapping
        guard=tuple(map(str, decision.guard)),
        provisional=decision.provisional is not None,
    )


def _locked(facts: Facts) -> Mapping[str, LockedFact]:
    return MappingProxyType(
        {
            name: LockedFact(value=freeze(fact.value), how=fact.how, probe=fact.probe, of=fact.of)
            for name, fact in sorted(facts.items())
        }
    )
