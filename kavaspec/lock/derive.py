"""Derive a lock from a spec and facts. `lock` writes the result; `check` compares with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kavaspec.checks import CHECKS
from kavaspec.checks.check import Check, in_force
from kavaspec.decision import Decision, Rule
from kavaspec.errors import Exit, Problem
from kavaspec.facts.model import Fact, Facts
from kavaspec.guards import guards
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, LockedFact, Target
from kavaspec.lock.versions import Newer, Recorded, as_recorded, checks_version, newer, rules_for
from kavaspec.plain import Plain, freeze, show
from kavaspec.resolve import NOTHING, Resolution, resolve, veto
from kavaspec.rules import every_version
from kavaspec.spec.schema import describe, keys
from kavaspec.spec.spec import Spec
from kavaspec.spec.value import misfits
from kavaspec.trials import TRIALS, Trial, is_trial


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
    trials: Mapping[str, Mapping[str, Mapping[str, Plain]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Target -> trial that something asks for and that is not known -> the values to make it with."""
    outdated: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Target -> those of them that are known for other values, so that keys wait for them."""
    newer: tuple[Newer, ...] = ()
    """Rules, defaults and presets of which there is a newer version than the lock records."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def derive(
    spec: Spec,
    experiment_facts: Facts,
    target_facts: Mapping[str, Facts],
    *,
    not_found: Mapping[str, str],
    recorded: Recorded,
    rules: Sequence[Rule] | None = None,
    checks: Sequence[Check] | None = None,
) -> Derived:
    """Resolve the experiment once, then every target on top of it, and check all values. Pure.

    `recorded` says which versions of rules, defaults and presets the lock that is there holds: they
    decide again. `rules` and `checks` are all versions of all of them, unless a test brings its own.

    Raises:
        KavaError: exit 6, when a recorded version is not among them.
    """
    rules = every_version() if rules is None else rules
    checks = CHECKS if checks is None else checks
    later = newer(spec, recorded, rules, checks)
    version = checks_version(checks, recorded)
    checks = in_force(checks, version)
    spec = as_recorded(spec, recorded)
    ours = rules_for(rules, spec.experiment, "", recorded)
    about = {name: fact for name, fact in experiment_facts.items() if is_experiment_fact(name)}
    base = resolve(spec.experiment, about, ours, base=NOTHING, not_found=not_found)
    problems = [*base.problems, *_cannot_be(base)]
    met: dict[str, list[Problem]] = {}
    targets: dict[str, Target] = {}
    decisions: dict[str, Mapping[str, Decision]] = {}
    asked_for = set(base.facts_wanted)
    wanted: dict[str, frozenset[str]] = {}
    needed = set(base.facts_needed)
    trials: dict[str, Mapping[str, Mapping[str, Plain]]] = {}
    outdated: dict[str, frozenset[str]] = {}
    for name, target in spec.targets.items():
        facts = {**experiment_facts, **target_facts[name]}
        ours = rules_for(rules, target.asked, name, recorded)
        asked = _trials_asked_for(ours, checks)
        own = resolve(target.asked, facts, ours, base=base, not_found=not_found, trials=asked)
        trials[name], outdated[name] = own.trials, own.outdated
        facts = {fact: it for fact, it in facts.items() if fact not in own.outdated}
        merged = dict(sorted({**base.decisions, **own.decisions}.items()))
        vetoes, checked = veto(checks, merged, facts)
        found = (*vetoes, *_not_blamed(own.problems, vetoes), *_cannot_be(own))
        met[name] = [spec.place(problem, name) for problem in found]
        asks = own.facts_wanted | checked
        needed |= own.facts_needed
        asked_for |= {fact for fact in asks if is_experiment_fact(fact)}
        machine = {fact for fact in asks if not is_experiment_fact(fact)}
        wanted[name] = frozenset(
            fact for fact in machine if fact not in facts and not is_trial(fact)
        )
        guarded = guards(checks, merged, facts)
        guided = {
            key: replace(decision, guard=guarded.get(key, ()))
            for key, decision in own.decisions.items()
        }
        decisions[name] = MappingProxyType({**merged, **guided})
        targets[name] = Target(
            facts=_locked({fact: facts[fact] for fact in machine & set(facts)}),
            decisions=_blocks(guided),
        )
    lock = Lock(
        version=LOCK_VERSION,
        set=spec.set,
        facts=_locked({name: experiment_facts[name] for name in asked_for & set(experiment_facts)}),
        experiment=_blocks(base.decisions),
        targets=MappingProxyType(targets),
        checks=version,
    )
    problems += _of_targets(met)
    refused = [problem for problem in problems if problem not in base.problems]
    kept = [*_not_blamed(base.problems, refused), *refused]
    placed = [spec.place(problem) for problem in kept]
    return Derived(
        lock=lock,
        decisions=MappingProxyType(decisions),
        wanted={**wanted, "": frozenset(asked_for - set(experiment_facts))},
        needed=frozenset(needed),
        trials=MappingProxyType({name: it for name, it in trials.items() if it}),
        outdated=MappingProxyType({name: it for name, it in outdated.items() if it}),
        newer=later,
        problems=tuple(dict.fromkeys(placed)),  # a veto about the experiment comes once per target
    )


def _trials_asked_for(rules: Sequence[Rule], checks: Sequence[Check]) -> tuple[Trial, ...]:
    reads = {source for rule in rules for source in rule.inputs.values()}
    reads |= {source for check in checks for source in check.inputs.values()}
    return tuple(trial for trial in TRIALS if trial.fact in reads)


def _of_targets(met: Mapping[str, Sequence[Problem]]) -> Iterator[Problem]:
    """Each problem once; one that not every target has says which do."""
    where: dict[Problem, list[str]] = {}
    for name, problems in met.items():
        for problem in dict.fromkeys(problems):
            where.setdefault(problem, []).append(name)
    for problem, names in where.items():
        if len(names) == len(met):
            yield problem
        else:
            on = "target" if len(names) == 1 else "targets"
            yield replace(problem, message=f"{problem.message} ({on} {', '.join(names)})")


def _facts(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith("fact.")]


def is_experiment_fact(name: str) -> bool:
    """Whether a fact is about a model or the data, rather than about a machine."""
    return name.startswith(("fact.teacher.", "fact.student.", "fact.data."))


def facts_of(facts: Mapping[str, LockedFact]) -> Facts:
    """Facts as a lock keeps them, ready to be resolved from again."""
    return {
        name: Fact(value=fact.value, how=fact.how, probe=fact.probe, of=fact.of)
        for name, fact in facts.items()
    }


def _cannot_be(resolution: Resolution) -> Iterator[Problem]:
    """What a rule took from a fact, and no lock can hold."""
    decisions = resolution.decisions
    for key in sorted(misfits({key: it.value for key, it in decisions.items() if it.inputs})):
        facts = [name for name in decisions[key].inputs if name.startswith("fact.")]
        expected = describe(keys()[key].field)
        names = " and ".join(facts) or "what it is decided from"
        yield Problem(
            message=f"{key} would be {show(decisions[key].value)}, by {names}; expected {expected}",
            exit=Exit.ENVIRONMENT,
            code="KV0227",
            key=key,
            hint=f"correct it in the fact file, observe it again with --refresh, or write {key} "
            "in kava.toml",
            about=tuple(facts),
        )


def _not_blamed(problems: Sequence[Problem], vetoes: Sequence[Problem]) -> list[Problem]:
    """What rules could not decide, without those that read a value which a check refused.

    One cause, one message: the check says it better, and names in `about` what it leaves unknown.
    """
    refusals = [veto for veto in vetoes if veto.severity == "error"]
    blamed = {name for veto in refusals for name in (veto.key, *_facts(veto.about))}
    return [problem for problem in problems if not blamed & {problem.key, *problem.about}]


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


def locked_fact(fact: Fact) -> LockedFact:
    """A fact as a lock keeps it: without its evidence."""
    return LockedFact(value=freeze(fact.value), how=fact.how, probe=fact.probe, of=fact.of)


def _locked(facts: Facts) -> Mapping[str, LockedFact]:
    return MappingProxyType({name: locked_fact(fact) for name, fact in sorted(facts.items())})
