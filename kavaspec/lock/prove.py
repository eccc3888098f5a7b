"""Does a lock follow from itself? Derived again from its own facts, with no spec at hand.

Seals notice a slip in a block; only this notices a block, a fact or a guard that is not there. It
takes milliseconds, so `run` asks before it looks at anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.derive import is_experiment_fact
from kavaspec.lock.model import Block, Lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import Comparison, compare, equal
from kavaspec.spec.load import applicable_keys
from kavaspec.spec.spec import Spec

if TYPE_CHECKING:
    from kavaspec.lock.reasons import Reason

SHOWN = 8
"""Names in one message; more would hide what to do."""

AGAIN = "derive it again with `kavaspec lock`, or restore it with `git checkout kava.lock`"


def prove(lock: Lock, target: str) -> tuple[str, ...]:
    """Derive every decision of one target, and of the experiment, from what the lock records.

    Returns the facts about its models and data that checks ask for and the lock does not know:
    they were never found, or were cut out; which of the two, a lock alone cannot tell.

    Raises:
        KavaError: exit 6, naming every key and fact that is missing, or a key that is not known;
            exit 3, naming every decision that the rules do not give from these facts; exit 7 and
            others for values that no check would let pass.
    """
    one = replace(lock, targets=MappingProxyType({target: lock.targets[target]}))
    broken = [
        *_missing_keys(one, target),
        *_missing_facts(one, target),
        *_unknown_keys(one, target),
    ]
    if broken:
        raise KavaError(*broken)
    spec = recover_spec(one)
    found = compare(spec, one)
    problems = [*found.derived.errors, *_stale(spec, one, target, found)]
    if problems:
        raise KavaError(*problems)
    known = {name.rpartition(".")[0] for name in lock.facts}
    unseen = filter(is_experiment_fact, found.derived.wanted[""])
    return tuple(sorted(name for name in unseen if name.rpartition(".")[0] in known))


def _wanted(blocks: Mapping[str, Block]) -> Sequence[str]:
    kind = blocks["objective.kind"].value if "objective.kind" in blocks else "kv"
    return list(applicable_keys(str(kind)))


def _missing_keys(lock: Lock, target: str) -> Iterator[Problem]:
    blocks = lock.blocks(target)
    missing = [key for key in _wanted(blocks) if key not in blocks]
    if missing:
        yield _incomplete(f"it does not decide {_names(missing)}")


def _missing_facts(lock: Lock, target: str) -> Iterator[Problem]:
    """A block records what it was decided from, so a fact that is gone is still named there."""
    blocks, facts = lock.blocks(target), lock.facts_of(target)
    rest: dict[str, list[str]] = {}
    for key, block in blocks.items():
        for name in block.inputs:
            if name.startswith("fact.") and name not in facts:
                rest.setdefault(name, []).append(key)
    if rest:
        names = [f"{name} (for {_names(keys, 2)})" for name, keys in sorted(rest.items())]
        yield _incomplete(f"it does not hold {_names(names)}")


def _unknown_keys(lock: Lock, target: str) -> Iterator[Problem]:
    blocks = lock.blocks(target)
    extra = sorted(set(blocks) - set(_wanted(blocks)))
    if extra:
        yield Problem(
            message=f"the lock has {_names(extra)}, which this kavaspec does not know",
            exit=Exit.BROKEN,
            code="KV0607",
            hint="use the kavaspec that wrote it, or a newer one",
        )


def _stale(spec: Spec, lock: Lock, target: str, found: Comparison) -> Iterator[Problem]:
    if not found.differing:
        return
    from kavaspec.lock.reasons import reasons  # a lock that is proved needs none

    count, total = len(found.differing), len(lock.blocks(target))
    was, now = lock.blocks(target), found.derived.lock.blocks(target)
    told = [it for cause in reasons(spec, lock, found) for it in _all(cause)]
    lines = [
        _guards_differ(it.key, was, now) or f"{it.key}: {it.change}, {it.because}" for it in told
    ]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    verb = "is" if count == 1 else "are"
    yield Problem(
        message=f"the lock does not follow from its own facts: {count} of its {total} decisions "
        f"{verb} not what the rules give",
        exit=Exit.STALE,
        code="KV0302",
        hint="\n".join([*lines[:SHOWN], *more, AGAIN]),
    )


def _guards_differ(key: str, was: Mapping[str, Block], now: Mapping[str, Block]) -> str | None:
    """What is said where a guard is all that differs: the value is right, and valid elsewhere."""
    a, b = was.get(key), now.get(key)
    if a is None or b is None or a.guard == b.guard or not equal(replace(a, guard=b.guard), b):
        return None
    lost = [guard for guard in b.guard if guard not in a.guard]
    extra = [guard for guard in a.guard if guard not in b.guard]
    said = [f"its guard {', '.join(lost)} is missing"] if lost else []
    said += [f"no check gives its guard {', '.join(extra)}"] if extra else []
    return f"{key}: {'; '.join(said)}"


def _all(reason: Reason) -> Iterator[Reason]:
    yield reason
    for below in reason.below:
        yield from _all(below)


def _incomplete(what: str) -> Problem:
    message = f"the lock is not complete: {what}"
    return Problem(message=message, exit=Exit.BROKEN, code="KV0605", hint=AGAIN)


def _names(names: Sequence[str], shown: int = SHOWN) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
