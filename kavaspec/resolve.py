"""Decide every key: literal values stay, autos go to their rules in the order their inputs demand.

    asked + facts + rules  ──resolve──▶  decisions, problems

Pure: no file, clock, environment or network is touched. The same function serves `lock`, which
writes what it returns, and `check`, which compares, so the two can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from kavaspec.checks.check import Check
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Undecidable
from kavaspec.errors import Exit, Problem, did_you_mean
from kavaspec.facts.model import UNMEASURED, Facts
from kavaspec.limits import conflicting, listed, repairs, written
from kavaspec.plain import Plain, same, toml, too_large
from kavaspec.spec.spec import Asked
from kavaspec.trials import Trial, made_with, needs, of


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """All that could be decided, and everything that is wrong."""

    decisions: Mapping[str, Decision]
    problems: tuple[Problem, ...]
    undecided: frozenset[str]
    """Autos that could not be decided, with those that rest on them."""
    facts_wanted: frozenset[str]
    """Facts that rules ask for. Those that are known travel in the lock; those that are not are a
    request: `lock` observes them and resolves again."""
    facts_needed: frozenset[str]
    """Those of them that are unknown and without which a key cannot be decided."""
    trials: Mapping[str, Mapping[str, Plain]] = field(default_factory=lambda: MappingProxyType({}))
    """Trials that are asked for and not known for the values that were decided: what each has to be
    made with. `lock` makes them and resolves again."""
    outdated: frozenset[str] = frozenset()
    """Those of them that are known for other values. What rests on one waits for it."""


NOTHING = Resolution(
    decisions=MappingProxyType({}),
    problems=(),
    undecided=frozenset(),
    facts_wanted=frozenset(),
    facts_needed=frozenset(),
)


def resolve(
    asked: Mapping[str, Asked],
    facts: Facts,
    rules: Sequence[Rule],
    *,
    base: Resolution,
    not_found: Mapping[str, str],
    trials: Sequence[Trial] = (),
) -> Resolution:
    """Decide every key of `asked`, on top of a `base` that is decided already.

    Only what is new is returned. `not_found` says, for a fact that is missing, why it could not be
    established. `trials` are those that something asks for.

    Raises:
        ValueError: if the rules are wrong (an input that does not exist, a circle): our mistake.
    """
    by_key = {rule.key: rule for rule in rules if rule.key in asked and asked[rule.key].auto}
    known = dict(base.decisions)
    new: dict[str, Decision] = {}
    problems: list[Problem] = []
    wanted: set[str] = set()
    needed: set[str] = set()
    undecided = set(base.undecided)
    to_try: dict[str, Mapping[str, Plain]] = {}
    outdated: set[str] = set()
    tried = {trial.fact: trial for trial in trials}
    for key in order(by_key, asked, trials):
        if key in tried:
            missing = _to_try(tried[key], known, undecided, facts)
            if missing is not None:
                to_try[key] = missing
            if key in facts and (missing is not None or undecided & set(needs(asked))):
                outdated.add(key)
                undecided.add(key)
            continue
        rule = by_key.get(key)
        if rule is None:
            new[key] = known[key] = _literal(key, asked[key])
            continue
        wanted |= {source for source in rule.inputs.values() if source.startswith("fact.")}
        if undecided & set(rule.inputs.values()):
            undecided.add(key)  # its cause is reported where it arose
            continue
        needed |= _blocking(rule, facts)
        result = _decide(rule, asked[key], known, facts, not_found)
        if isinstance(result, Problem):
            problems.append(result)
            undecided.add(key)
        else:
            new[key] = known[key] = result
    return Resolution(
        decisions=MappingProxyType(dict(sorted(new.items()))),
        problems=tuple(problems),
        undecided=frozenset(undecided),
        facts_wanted=frozenset(wanted),
        facts_needed=frozenset(needed),
        trials=MappingProxyType(to_try),
        outdated=frozenset(outdated),
    )


def _to_try(
    trial: Trial, known: Mapping[str, Decision], undecided: AbstractSet[str], facts: Facts
) -> Mapping[str, Plain] | None:
    """What a trial has to be made with; None where that is not decided, or where it was made so."""
    if undecided & set(needs(undecided)):
        return None
    told = made_with({key: decision.value for key, decision in known.items()})
    fact = facts.get(trial.fact)
    return None if fact is not None and same(dict(fact.of), dict(of(told))) else told


def veto(
    checks: Iterable[Check], decisions: Mapping[str, Decision], facts: Facts
) -> tuple[tuple[Problem, ...], frozenset[str]]:
    """What the checks say about final values, whoever set them, and the facts they ask for.

    A check that needs a key or fact that is not there is not run, unless it accepts None.
    """
    problems: list[Problem] = []
    wanted: set[str] = set()
    for check in checks:
        told = {name: _value(source, decisions, facts) for name, source in check.inputs.items()}
        optional = optional_parameters(check.veto)
        keys = {source for source in check.inputs.values() if not source.startswith("fact.")}
        if keys <= decisions.keys():
            wanted |= set(check.inputs.values()) - keys
        if any(
            name not in optional and not (found and _may_tell(check.inputs[name], value))
            for name, (found, value) in told.items()
        ):
            continue
        problem = check.veto(**{name: value for name, (_, value) in told.items()})
        if problem is not None:
            about = (*problem.about, *(name for name in check.inputs.values() if name in decisions))
            problems.append(replace(problem, code=problem.code or check.code, about=about))
    return tuple(problems), frozenset(wanted)


def order(
    by_key: Mapping[str, Rule], asked: Mapping[str, Asked], trials: Sequence[Trial] = ()
) -> list[str]:
    """Keys and trials, each after the keys and trials it rests on; ties in name order.

    Raises:
        ValueError: naming the circle, when rules need each other.
    """
    there = {*asked, *(trial.fact for trial in trials)}
    before = {
        key: sorted(set(by_key[key].inputs.values()) & there) if key in by_key else []
        for key in sorted(asked)
    }
    before |= {trial.fact: needs(asked) for trial in trials}
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        raise ValueError("rules need each other: " + " -> ".join(error.args[1])) from None


def _literal(key: str, asked: Asked) -> Decision:
    if asked.auto:
        raise ValueError(f"{key} is auto, but no rule decides it")
    reasons = {
        "spec": "kava.toml says so",
        "set": "the command line said so",
        "target": "kava.toml says so for this target",
    }
    because = reasons.get(asked.by, "the default" if asked.by.startswith("default") else asked.by)
    return Decision(value=asked.value, because=because, by=asked.by)


def _decide(
    rule: Rule,
    asked: Asked,
    known: Mapping[str, Decision],
    facts: Facts,
    not_found: Mapping[str, str],
) -> Decision | Problem:
    told = {name: _value(source, known, facts) for name, source in rule.inputs.items()}
    optional = optional_parameters(rule.decide)
    for name, (found, value) in told.items():
        source = rule.inputs[name]
        if name not in optional and not (found and _may_tell(source, value)):
            return _unknown(rule, source, known, not_found, recorded=found)
    arguments: dict[str, object] = {name: value for name, (_, value) in told.items()}
    if "allowed" in _parameters(rule.decide):
        arguments["allowed"] = asked.allowed
    try:
        decision = rule.decide(**arguments)
    except Undecidable as stop:
        return _undecidable(rule, asked.allowed, stop)
    if too_large(decision.value):
        because = "it would be more than 64 bits hold"
        too_much = Undecidable(because, hint=f"write {rule.key} in kava.toml")
        return _undecidable(rule, asked.allowed, too_much)
    if asked.allowed.refuses(decision.value):
        about = tuple(rule.inputs.values())
        return _out_of_limits(rule, asked.allowed, (decision.value,), decision.because, about)
    inputs: dict[str, Plain] = {
        rule.inputs[name]: value for name, (found, value) in told.items() if found
    }
    if asked.allowed != ANYTHING:
        inputs["auto"] = asked.allowed.plain()
    return replace(
        decision,
        by=rule.name,
        inputs=MappingProxyType(dict(sorted(inputs.items()))),
        provisional=decision.provisional or _provisional(inputs, known, facts),
    )


def _undecidable(rule: Rule, allowed: Allowed, stop: Undecidable) -> Problem:
    about = tuple(rule.inputs.values())
    if stop.possible and allowed != ANYTHING:
        return _out_of_limits(rule, allowed, stop.possible, stop.why, about)
    return Problem(
        message=f"{rule.key} cannot be decided: {stop.because}",
        exit=Exit.ENVIRONMENT if stop.missing else Exit.UNSATISFIABLE,
        code="KV0205" if stop.missing else "KV0701",
        key=rule.key,
        hint=stop.hint,
        about=about,
    )


def _out_of_limits(
    rule: Rule, allowed: Allowed, possible: Sequence[Plain], why: str, about: tuple[str, ...]
) -> Problem:
    """The limits that conflict, as the spec has them, with what is possible and the nearest repair."""
    names = conflicting(allowed, possible)
    hint = repairs(allowed, names, possible)
    meets = next((value for value in possible if allowed.refuses(value) is None), None)
    if meets is not None:  # a rule tries few values; a person may write any
        hint = f"{rule.key} = {toml(meets)}"
    leave = "leaves" if len(names) == 1 else "leave"
    return Problem(
        message=f"{rule.key}: {written(allowed, names)} {leave} no value; possible here: "
        f"{listed(possible)}" + (f" ({why})" if why else ""),
        exit=Exit.UNSATISFIABLE,
        code="KV0702",
        key=rule.key,
        hint=hint,
        about=(*(f"{rule.key}.{name}" for name in names), *about),
    )


def _blocking(rule: Rule, facts: Facts) -> set[str]:
    """Facts that the rule cannot do without and that nobody knows."""
    optional = optional_parameters(rule.decide)
    return {
        source
        for name, source in rule.inputs.items()
        if source.startswith("fact.") and source not in facts and name not in optional
    }


def _provisional(
    inputs: Mapping[str, Plain], known: Mapping[str, Decision], facts: Facts
) -> str | None:
    """Why a decision rests on something nobody measured: the first such input, by name."""
    for source in inputs:
        if source in facts and facts[source].how in UNMEASURED:
            return f"{source} is {facts[source].how}, not measured"
        if source in known and known[source].provisional:
            return f"{source} is provisional"
    return None


def _unknown(
    rule: Rule,
    source: str,
    known: Mapping[str, Decision],
    not_found: Mapping[str, str],
    *,
    recorded: bool,
) -> Problem:
    if not source.startswith("fact.") and source not in known:
        near = did_you_mean(source, known)
        raise ValueError(f"{rule.name} reads {source}, which does not exist; {near}?")
    why = not_found.get(source, "there is none" if recorded else "it was never observed")
    message = f"{rule.key} cannot be decided: {source} is not known: {why}"
    hint = f"write {rule.key} in kava.toml, or make the fact known and lock again"
    return Problem(
        message=message,
        exit=Exit.ENVIRONMENT,
        code="KV0205",
        key=rule.key,
        hint=hint,
        about=(source,),
    )


def _value(source: str, known: Mapping[str, Decision], facts: Facts) -> tuple[bool, Plain]:
    if source in known:
        return True, known[source].value
    if source in facts:
        return True, facts[source].value
    return False, None


def _may_tell(source: str, value: Plain) -> bool:
    """A fact that says "there is none" is told only to who asked for `... | None`."""
    return value is not None or not source.startswith("fact.")


def _parameters(function: object) -> tuple[str, ...]:
    code = function.__code__  # type: ignore[attr-defined]  # rules and checks are plain functions
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


@cache
def optional_parameters(function: Callable[..., object]) -> frozenset[str]:
    """Parameters annotated `... | None`: they are told None when the input is not known."""
    annotations: Mapping[str, object] = function.__annotations__
    return frozenset(
        name for name in _parameters(function) if "None" in str(annotations.get(name, ""))
    )
