"""What a lock may say at all: known keys and facts, each with a value of its kind, and guards that can be read.

A seal tells that a block was not edited; this tells that it means something. Whoever reads a lock
may then rely on its types. The limits of a key must therefore never become narrower than the locks
that are out there: `tests/lock/released/` holds this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from kavaspec.decision import Guard
from kavaspec.facts.names import kind_of
from kavaspec.limits import LIMITS
from kavaspec.lock.model import Block, Lock, LockedFact, Target
from kavaspec.plain import Plain, show
from kavaspec.spec.schema import describe, keys
from kavaspec.spec.value import misfits

_DECIDED_BY = re.compile(r"spec|set|target|(?:preset )?\w+@\d+")
_NEWER = "use the kavaspec that wrote it, or a newer one; nothing was changed"
_SHOWN = 60
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Nonsense:
    """A part of a lock that means nothing to this kavaspec."""

    part: str
    """`set`, `facts` or `decisions`."""
    target: str
    """Empty outside of targets."""
    name: str
    message: str
    code: str = "KV0606"
    hint: str | None = None


def nonsense(lock: Lock) -> Iterator[Nonsense]:
    """Every part that means nothing."""
    for key in lock.set:
        if key not in keys():
            yield _unknown("set", "", key, f"--set {key}: this kavaspec has no such key")
    yield from _facts(lock.facts, "")
    yield from _blocks(lock.experiment, "")
    for name, target in lock.targets.items():
        yield from _facts(target.facts, name)
        yield from _blocks(target.decisions, name)


def without(lock: Lock, parts: frozenset[tuple[str, str, str]]) -> Lock:
    """The lock without the parts named by (part, target, name)."""

    def kept(part: str, target: str, table: Mapping[str, T]) -> Mapping[str, T]:
        left = {name: it for name, it in table.items() if (part, target, name) not in parts}
        return MappingProxyType(left)

    targets = {
        name: Target(
            facts=kept("facts", name, target.facts),
            decisions=kept("decisions", name, target.decisions),
        )
        for name, target in lock.targets.items()
    }
    return replace(
        lock,
        set=kept("set", "", lock.set),
        facts=kept("facts", "", lock.facts),
        experiment=kept("decisions", "", lock.experiment),
        targets=MappingProxyType(targets),
    )


def _facts(facts: Mapping[str, LockedFact], target: str) -> Iterator[Nonsense]:
    for name, fact in facts.items():
        wrong = _wrong_fact(name, fact.value)
        if wrong is not None:
            yield Nonsense(part="facts", target=target, name=name, message=wrong)
        elif kind_of(name) is None:
            yield _unknown(
                "facts", target, name, f"{name} is a fact that this kavaspec does not know"
            )


def _wrong_fact(name: str, value: Plain) -> str | None:
    kind = kind_of(name)
    wrong = kind.wrong(value) if kind else None
    return f"{name} is {_shown(value)}; {wrong}" if wrong else None


def _blocks(blocks: Mapping[str, Block], target: str) -> Iterator[Nonsense]:
    known = {key: block for key, block in blocks.items() if key in keys()}
    wrong = misfits({key: block.value for key, block in known.items()})
    for key, block in blocks.items():
        if key not in known:
            message = f"the lock decides {key}, which this kavaspec does not know"
            yield _unknown("decisions", target, key, message)
            continue
        said = _misplaced(key, target)
        if key in wrong:
            expected = describe(keys()[key].field)
            message = f"{key} is {_shown(block.value)}; expected {expected}"
            yield Nonsense(
                part="decisions", target=target, name=key, message=message, code="KV0608"
            )
            continue
        said = said or _wrong_by(key, block.by) or _wrong_inputs(key, block.inputs)
        said = said or next(filter(None, (_wrong_guard(key, text) for text in block.guard)), None)
        if said is not None:
            yield Nonsense(part="decisions", target=target, name=key, message=said)


def _misplaced(key: str, target: str) -> str | None:
    if (keys()[key].tier == "experiment") == (not target):
        return None
    there = "the experiment" if target else "each target"
    return f"{key} stands in the wrong part of the lock: it belongs to {there}"


def _wrong_by(key: str, by: str) -> str | None:
    if _DECIDED_BY.fullmatch(by) is None:
        return f"{key}: nobody is called {by!r} who could have decided it"
    ruled = "@" in by and not by.startswith(("default@", "preset "))
    if ruled and not keys()[key].auto:
        return f"{key} was decided by {by}, and no rule may decide it"
    return None


def _wrong_inputs(key: str, inputs: Mapping[str, Plain]) -> str | None:
    for name, value in inputs.items():
        if name == "auto":
            if not isinstance(value, Mapping) or not set(value) <= set(LIMITS):
                return f"{key}: {_shown(value)} are no limits of an auto"
        elif name not in keys() and kind_of(name) is None:
            return f"{key} was decided from {name}, which this kavaspec does not know"
    return None


def _wrong_guard(key: str, text: str) -> str | None:
    try:
        guard = Guard.parse(text)
    except (TypeError, ValueError, RecursionError):
        return f"{key}: {text!r} is not a guard"
    kind = kind_of(guard.fact)
    if kind is None:
        return f"{key} is guarded by {guard.fact}, which this kavaspec does not know"
    if guard.op in ("in", "not in"):
        fits = isinstance(guard.value, tuple)
    else:
        fits = kind.wrong(guard.value) is None
    if guard.op in (">=", "<="):
        fits = fits and isinstance(guard.value, int | tuple)
    return None if fits else f"{key}: {text!r} does not fit {guard.fact}"


def _unknown(part: str, target: str, name: str, message: str) -> Nonsense:
    return Nonsense(
        part=part, target=target, name=name, message=message, code="KV0607", hint=_NEWER
    )


def _shown(value: Plain) -> str:
    text = show(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
