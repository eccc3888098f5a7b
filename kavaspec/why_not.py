"""Why a key does not have another value: what refuses that value, or what would follow from it.

kavaspec why train.micro_batch --not 16
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kavaspec.checks import CHECKS
from kavaspec.decision import AUTO, Allowed, Decision, Rule, Undecidable
from kavaspec.errors import Problem
from kavaspec.explain import Case, asked_for, rule_of
from kavaspec.lock.derive import facts_of
from kavaspec.plain import Plain, freeze, same, show
from kavaspec.resolve import veto
from kavaspec.spec.load import literal_value
from kavaspec.spec.schema import keys
from kavaspec.spec.value import Refused
from kavaspec.tipping import decide_again
from kavaspec.what_if import Outcome, Supposition, typed_literal, what_if

Verdict: TypeAlias = Literal["same", "untyped", "vetoed", "limited", "turned_down", "allowed"]
"""`untyped`: the schema refuses it; `vetoed`: a check does, or another key cannot be decided then;
`limited`: the limit beside `auto` does; `turned_down`: the rule considered it; `allowed`: it could be
written; `same`: it is the value."""

LONGEST = 1000
"""Of a longer text it is enough to say how it begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Who says something about the value, and what."""

    who: str
    """Empty where the text names it: `check threads_fit`, `micro_batch@1`, `the schema`, `the limit in kava.toml`."""
    says: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ByAuto:
    """What the rule of a key would decide."""

    value: Plain
    decided: bool
    """False where it could not decide; then there is no value."""
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WhyNot:
    """The answer."""

    key: str
    value: Plain
    """The one that was asked about."""
    current: Plain
    by: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    prefers: str
    """Why the present value is what it is."""
    asked: str
    """Where that was asked for."""
    auto: ByAuto | None
    """What `"auto"` would give, where a person or a default decided and a rule could."""
    outcome: Outcome | None
    """What would follow if it were written; None where the schema refuses it."""


def why_not(case: Case, key: str, text: str) -> WhyNot:
    """Why `key` is not the value that `text` spells, as TOML or as a plain word. Pure.

    Raises:
        KavaError: exit 3 when the lock is stale by itself.
    """
    block = case.blocks[key]
    auto = _by_auto(case, key)
    decision = case.decisions.get(key)
    prefers = decision.because if decision else ""

    def answer(value: Plain, verdict: Verdict, *reasons: Reason, then: Outcome | None) -> WhyNot:
        return WhyNot(
            key=key,
            value=value,
            current=block.value,
            by=block.by,
            verdict=verdict,
            reasons=reasons,
            prefers=prefers,
            asked=asked_for(case, key, block.by),
            auto=auto,
            outcome=then,
        )

    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    try:
        by_rule = literal_value(text) == AUTO and keys()[key].auto
        value = AUTO if by_rule else typed_literal(key, text)
    except Refused as expected:
        said = literal_value(text)
        reason = Reason(who="the schema", says=f"expected {expected}, got {show(said)}")
        return answer(said, "untyped", reason, then=None)
    rule = rule_of(key, block.by)
    if same(value, block.value) or (by_rule and rule is not None):
        return answer(value, "same", then=None)
    outcome = what_if(case, Supposition(facts={}, keys={key: value}))
    refusals = [_who(outcome, problem) for problem in outcome.problems if _is_error(problem)]
    if refusals:
        return answer(value, "vetoed", *refusals, then=outcome)
    limit = None if by_rule else _limit(case, key, value)
    if limit is not None:
        return answer(value, "limited", limit, then=outcome)
    turned_down = _turned_down(rule, decision, value) if rule and decision else None
    if turned_down is not None:
        return answer(value, "turned_down", turned_down, then=outcome)
    return answer(value, "allowed", then=outcome)


def _by_auto(case: Case, key: str) -> ByAuto | None:
    """What a rule would decide where a person or a default did."""
    if not keys()[key].auto or rule_of(key, case.blocks[key].by) is not None:
        return None
    outcome = what_if(case, Supposition(facts={}, keys={key: AUTO}))
    decision = outcome.case.decisions.get(key)
    if decision is not None:
        return ByAuto(value=decision.value, decided=True, because=decision.because)
    if outcome.unknown:
        because = f"the lock does not hold {', '.join(outcome.unknown)}"
    else:
        because = next((item.message for item in outcome.problems if item.key == key), "it cannot")
    return ByAuto(value=None, decided=False, because=because)


def _who(outcome: Outcome, problem: Problem) -> Reason:
    """The check that says this, or the rule that cannot decide."""
    case = outcome.case
    facts = facts_of(case.facts)
    for check in CHECKS:
        said, _ = veto([check], case.decisions, facts)
        if any(item.message == problem.message for item in said):
            return Reason(who=f"check {check.name}", says=problem.message, hint=problem.hint)
    return Reason(who="", says=problem.message, hint=problem.hint)


def _limit(case: Case, key: str, value: Plain) -> Reason | None:
    """What the limits beside `auto` say."""
    asked = case.spec.asked(key, case.target)
    refusal = asked.allowed.refuses(value) if asked is not None and asked.auto else None
    return None if refusal is None else Reason(who=f"the limit in {case.spec.path}", says=refusal)


def _turned_down(rule: Rule, decision: Decision, value: Plain) -> Reason | None:
    """What the rule said when it considered the value, or says when it may take nothing else."""
    for no in decision.rejected:
        if same(freeze(no.value), value):
            return Reason(who=rule.name, says=no.because)
    if "allowed" not in rule.decide.__annotations__:
        return None
    only = Allowed(one_of=(value,)).plain()
    result = decide_again(rule, {**decision.inputs, "auto": only})
    if not isinstance(result, Undecidable) or result.missing:
        return None
    if not result.possible:
        return Reason(who=rule.name, says=f"it cannot be chosen: {result.because}")
    choices = ", ".join(map(show, result.possible[:8])) + (
        ", ..." if len(result.possible) > 8 else ""
    )
    why = f": {result.why}" if result.why else ""
    return Reason(who=rule.name, says=f"it chooses among {choices}{why}")


def _is_error(problem: Problem) -> bool:
    return problem.severity == "error"
