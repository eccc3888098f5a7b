"""Say why a key has its value: from a lock, by running its rule again on the recorded inputs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kavaspec.decision import Decision
from kavaspec.explanation import Explanation, Source
from kavaspec.facts.model import Facts
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.model import Lock
from kavaspec.plain import toml
from kavaspec.rules import RULES
from kavaspec.spec.schema import Key, keys
from kavaspec.spec.spec import Spec


def explain_all(
    spec: Spec, lock: Lock, *, evidence: Mapping[str, str]
) -> Mapping[str, Mapping[str, Explanation]]:
    """Target -> key -> explanation, for every decision of a fresh lock.

    `evidence` holds what probes saw, by fact, where somebody kept it; a lock does not.
    """
    facts = facts_of(lock.facts)
    targets = {name: facts_of(target.facts) for name, target in lock.targets.items()}
    decided = derive(spec, facts, targets, not_found={}).decisions
    return MappingProxyType(
        {
            name: MappingProxyType(
                {
                    key: explain(
                        key,
                        decisions,
                        {**facts, **targets[name]},
                        spec=spec,
                        target=name,
                        evidence=evidence,
                    )
                    for key in decisions
                }
            )
            for name, decisions in decided.items()
        }
    )


def explain(
    key: str,
    decisions: Mapping[str, Decision],
    facts: Facts,
    *,
    spec: Spec,
    target: str,
    evidence: Mapping[str, str],
) -> Explanation:
    """Everything worth knowing about one decision."""
    decision, declared = decisions[key], keys()[key]
    return Explanation(
        key=key,
        value=decision.value,
        tier=declared.tier,
        by=decision.by,
        meaning=declared.meaning,
        unit=declared.unit,
        because=decision.because,
        asked=_asked(spec, key, target, decision),
        terms=decision.terms,
        sources=tuple(
            _source(name, decision, decisions, facts, evidence) for name in decision.inputs
        ),
        rejected=decision.rejected,
        guard=tuple(map(str, decision.guard)),
        provisional=decision.provisional,
        feeds=feeds(key, decisions),
        override=_override(declared, decision),
    )


def feeds(source: str, decisions: Mapping[str, Decision]) -> tuple[str, ...]:
    """Keys that were decided from `source`, a key or a fact."""
    return tuple(key for key, decision in decisions.items() if source in decision.inputs)


def uses(source: str) -> tuple[str, ...]:
    """Keys whose rule reads `source`, a key or a fact, in any lock."""
    return tuple(sorted(rule.key for rule in RULES if source in rule.inputs.values()))


def _asked(spec: Spec, key: str, target: str, decision: Decision) -> str:
    if decision.by == "set":
        return "set on the command line"
    if not spec.text:
        return "as locked"
    where = spec.where(key, target)
    if where is not None:
        return f"asked for at {where.path}:{where.line}:{where.column}"
    if decision.by.startswith("preset"):
        return "from objective.preset"
    return "left out of kava.toml"


def _source(
    name: str,
    decision: Decision,
    decisions: Mapping[str, Decision],
    facts: Facts,
    evidence: Mapping[str, str],
) -> Source:
    value = decision.inputs[name]
    if name in facts:
        fact = facts[name]
        how = f"{fact.how} by {fact.probe}"
        return Source(name=name, value=value, how=how, evidence=evidence.get(name, ""))
    how = "limit in kava.toml" if name == "auto" else f"by {decisions[name].by}"
    return Source(name=name, value=value, how=how)


def _override(key: Key, decision: Decision) -> str:
    table, _, name = key.name.rpartition(".")
    if decision.value is None:
        return f"[{table}] {name} = ..." if table else f"{name} = ..."
    line = f"{name} = {toml(decision.value)}"
    return f"[{table}] {line}" if table else line
