"""Which target of a lock fits this machine: its guards, held against what is seen here.

Only facts that guards name are observed, and facts that a check wants and the lock does not hold: a
guard cannot speak of what was unknown. A bigger machine is no drift: the locked value stays valid,
and a note says what would be decided here instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from kavaspec.checks import CHECKS
from kavaspec.checks.check import in_force
from kavaspec.decision import Decision, Guard
from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.facts.model import Fact
from kavaspec.facts.names import kind_of
from kavaspec.facts.observe import observe_machine
from kavaspec.facts.probes import PROBES
from kavaspec.lock.derive import derive, facts_of, is_experiment_fact
from kavaspec.lock.model import Lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.versions import recorded
from kavaspec.plain import Plain, same, show
from kavaspec.resolve import veto
from kavaspec.sizes import spelled, with_size
from kavaspec.spec.schema import keys

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What this machine says of the facts that guards name."""

    facts: Mapping[str, Plain]
    reasons: Mapping[str, str]
    """Why a fact could not be established."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """One guard of one decision, held against this machine."""

    key: str
    guard: Guard
    wish: str
    """What the guard asks for, in units for people, without the name of the fact where it says `==`."""
    here: str
    ok: bool

    @property
    def text(self) -> str:
        """`train.micro_batch needs fact.gpu.memory_bytes >= 37.3 GiB, here is 24 GiB`."""
        verb = "needs" if not self.ok else "has"
        short = self.guard.fact.removeprefix("fact.")
        asks = self.wish.removeprefix(f"{short} ")
        asks = f"== {asks}" if self.guard.op == "==" else asks
        return f"{self.key} {verb} {self.guard.fact} {asks}, here is {self.here}"


def see(lock: Lock, targets: Sequence[str], *, env: Mapping[str, str], report: Report) -> Seen:
    """Observe what the guards of these targets name and what their checks could not ask, and what
    the receipt names: the processor or card that computes. Nothing else.
    """
    wanted = {guard.fact for target in targets for _, guard in _guards(lock, target)}
    wanted |= {fact for target in targets for fact in _computing(lock, target)}
    wanted |= {fact for target in targets for fact in _unknown(lock, target)}
    probes = tuple(probe for probe in PROBES if wanted & set(probe.facts))
    if not probes:
        return Seen(facts=MappingProxyType({}), reasons=MappingProxyType({}))
    seen = observe_machine(env=env, report=report, probes=probes)
    return Seen(
        facts=MappingProxyType(
            {fact: seen.facts[fact].value for fact in sorted(wanted & seen.facts.keys())}
        ),
        reasons=MappingProxyType({item.fact: item.because for item in seen.not_found}),
    )


def hold(lock: Lock, target: str, seen: Seen) -> tuple[Held, ...]:
    """Every guard of a target, in the order of its keys."""
    return tuple(_hold(key, guard, seen) for key, guard in _guards(lock, target))


def vetoed(lock: Lock, target: str, seen: Seen) -> tuple[Problem, ...]:
    """What the checks say of the locked values, once they are told what the lock does not know."""
    more = {
        fact: Fact(value=seen.facts[fact], how="measured", probe="here")
        for fact in _unknown(lock, target)
        if fact in seen.facts
    }
    if not more:
        return ()
    facts = {**facts_of(lock.facts_of(target)), **more}
    found, _ = veto(in_force(CHECKS, lock.checks), _decisions(lock, target), facts)
    return tuple(problem for problem in found if problem.severity == "error")


def _unknown(lock: Lock, target: str) -> frozenset[str]:
    """Facts about the machine that checks of this target want, and that the lock does not hold."""
    facts = facts_of(lock.facts_of(target))
    _, wanted = veto(in_force(CHECKS, lock.checks), _decisions(lock, target), facts)
    return frozenset(name for name in wanted - facts.keys() if not is_experiment_fact(name))


def _decisions(lock: Lock, target: str) -> Mapping[str, Decision]:
    return {
        key: Decision(value=block.value, because="locked")
        for key, block in lock.blocks(target).items()
    }


def choose_target(lock: Lock, named: str | None, seen: Seen) -> str:
    """The target that was named, or the only one, or the only one that fits here.

    Raises:
        KavaError: exit 2 when there is no such target, or several fit; exit 4 when of several
            none fits. Says of every other target why it does not.
    """
    if named is not None:
        refuse_unknown(lock, named)
        return named
    known = ", ".join(lock.targets)
    if len(lock.targets) == 1:
        return next(iter(lock.targets))
    failing = {
        target: [held for held in hold(lock, target, seen) if not held.ok]
        for target in lock.targets
    }
    fitting = [target for target, failed in failing.items() if not failed]
    if len(fitting) == 1:
        return fitting[0]
    reasons = [
        f"{target}: {failed[0].text}" + (f" (and {len(failed) - 1} more)" if failed[1:] else "")
        for target, failed in failing.items()
        if failed
    ]
    if fitting:
        message = f"several targets of the lock fit here: {', '.join(fitting)}"
        lines = [f"name one: --target {fitting[0]}", *_titled("the others do not:", reasons)]
        exit, code = Exit.USAGE, "KV0007"
    else:
        message = f"no target of the lock fits here: it has {known}"
        lines = [*reasons, "add a target for this machine to kava.toml and lock, or see all that"]
        lines[-1] += " one of them needs: --target NAME"
        exit, code = Exit.DRIFT, "KV0408"
    raise KavaError(Problem(message=message, exit=exit, code=code, hint="\n".join(lines)))


def refuse_unknown(lock: Lock, target: str) -> None:
    """Exit 2 for a target that the lock does not have."""
    if target not in lock.targets:
        message = f"the lock has no target {target}; it has {', '.join(lock.targets)}"
        hint = f"name one of them: --target {next(iter(lock.targets))}"
        raise fail(message, Exit.USAGE, code="KV0007", hint=hint)


def would_be(lock: Lock, target: str, seen: Seen) -> Mapping[str, tuple[Plain, Plain]]:
    """Key -> value locked and value that would be decided from what is seen here, where they differ.

    Of a value that does not hold here its guard tells, and nothing else.
    """
    refused = {held.key for held in hold(lock, target, seen) if not held.ok}
    experiment = facts_of(lock.facts)
    kept = facts_of(lock.targets[target].facts)
    here = {
        name: replace(fact, value=seen.facts[name], how="measured") if name in seen.facts else fact
        for name, fact in kept.items()
    }
    spec = recover_spec(lock)
    only = replace(spec, targets=MappingProxyType({target: spec.targets[target]}))
    derived = derive(only, experiment, {target: here}, not_found={}, recorded=recorded(lock))
    decisions = derived.decisions.get(target, {})
    return MappingProxyType(
        {
            key: (block.value, decisions[key].value)
            for key, block in lock.targets[target].decisions.items()
            if key not in refused
            and keys()[key].tier == "numerics"  # what to ask a scheduler for is nobody's drift
            and key in decisions
            and not same(block.value, decisions[key].value)
        }
    )


def notes(changes: Mapping[str, tuple[Plain, Plain]]) -> tuple[str, ...]:
    """One line for each value that this machine would have decided otherwise."""
    return tuple(
        f"{key}: {show(locked)} is valid here; locked here it would be {show(here)}"
        for key, (locked, here) in changes.items()
    )


def _computing(lock: Lock, target: str) -> Sequence[str]:
    """Facts that name what computes: with the same of them, the same bits are promised."""
    device = lock.values(target).get("train.device")
    if device is None:  # its block was cut out of the lock
        return ()
    if device == "cpu":
        return ("fact.cpu.model",)
    return ("fact.gpu.name", "fact.gpu.arch", "fact.gpu.driver")


def _guards(lock: Lock, target: str) -> list[tuple[str, Guard]]:
    blocks = lock.blocks(target)
    return [(key, Guard.parse(text)) for key, block in blocks.items() for text in block.guard]


def _hold(key: str, guard: Guard, seen: Seen) -> Held:
    known = guard.fact in seen.facts
    value = seen.facts.get(guard.fact)
    reason = seen.reasons.get(guard.fact, "nothing looks for it")
    asked, here = _spelled(guard, value)
    name = guard.fact.removeprefix("fact.")
    return Held(
        key=key,
        guard=guard,
        wish=asked if guard.op == "==" else f"{name} {guard.op} {asked}",
        here=here if known else f"unknown ({reason})",
        ok=guard.holds(value) if known else guard.holds(None) and guard.op == "not in",
    )


def _spelled(guard: Guard, value: Plain) -> tuple[str, str]:
    """What is asked and what is here, in the fact's unit; to the byte where only that differs."""
    kind = kind_of(guard.fact)
    unit = kind.unit if kind else ""
    asked, here = (spelled(it, unit) or show(it) for it in (guard.value, value))
    if asked == here and not same(guard.value, value):
        return with_size(guard.value, unit), with_size(value, unit)
    return asked, here


def _titled(title: str, lines: Sequence[str]) -> Sequence[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []
