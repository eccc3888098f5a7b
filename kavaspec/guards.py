"""On which machines a decided value stays valid: the weakest condition, derived from the checks.

    checks + values + facts  ──guards──▶  key -> conditions `fact op literal`

A guard is not the condition under which a value would be chosen again. A rule that takes 16 rows
on 80 GiB would take 32 on 160, but 16 stay valid there. So guards come from what may veto a value,
never from what chose it. For a check that is monotone in a fact, the least value that passes is
found by bisection; where a fact has few values, each is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType

from kavaspec.checks.check import AtLeast, Check, Dependence, OneOf, Same, Selects
from kavaspec.decision import Decision, Guard
from kavaspec.facts.model import Facts
from kavaspec.plain import Plain, same
from kavaspec.resolve import optional_parameters

Told = Mapping[str, Plain]
"""What a check is told, by parameter name."""


def guards(
    checks: Iterable[Check], decisions: Mapping[str, Decision], facts: Facts
) -> Mapping[str, tuple[Guard, ...]]:
    """Key -> the conditions, sorted, under which its value passes every check on any machine.

    A check that says something already, or that lacks a value it needs, promises nothing.
    """
    found: dict[str, dict[str, Guard]] = {}
    for check in checks:
        told = _told(check, decisions, facts) if check.depends else None
        if told is None or not _silent(check, told):
            continue
        for guard in _weakest(check, told):
            found.setdefault(check.judges, {})[str(guard)] = guard
    return MappingProxyType(
        {key: tuple(guard for _, guard in sorted(told.items())) for key, told in found.items()}
    )


def _told(check: Check, decisions: Mapping[str, Decision], facts: Facts) -> Told | None:
    told: dict[str, Plain] = {}
    optional = optional_parameters(check.veto)
    for name, source in check.inputs.items():
        if source in decisions:
            told[name] = decisions[source].value
        elif source in facts:
            told[name] = facts[source].value
            if told[name] is None and name not in optional and name not in check.depends:
                return None
        elif name in optional:
            told[name] = None
        else:
            return None
    return told


def _weakest(check: Check, told: Told) -> Iterator[Guard]:
    """Widen one fact after the other; each must pass with all that the former ones let in.

    Sound, because of a monotone fact the least value stands for all above it.
    """
    let_in: dict[str, tuple[Plain, ...]] = {}
    for name, dependence in sorted(check.depends.items(), key=_cheapest_first):
        fact = check.inputs[name]
        match dependence:
            case Same():
                if told[name] is not None:
                    yield Guard(fact=fact, op="==", value=told[name])
            case Selects(values=values):
                if _matters(check, told, name, values):
                    yield Guard(fact=fact, op="==", value=told[name])
                else:
                    let_in[name] = tuple(dict.fromkeys((*values, told[name])))
            case OneOf(values=values, complete=complete):
                passing = tuple(v for v in values if _passes(check, told, let_in, name, v))
                let_in[name] = passing
                yield from _among(fact, values, passing, complete=complete)
            case AtLeast(ladder=ladder):
                least = _least(check, told, let_in, name, ladder)
                if least is None:
                    let_in[name] = (None, ladder[0] if ladder else 0)
                else:
                    let_in[name] = (least,)
                    yield Guard(fact=fact, op=">=", value=least)


def _cheapest_first(item: tuple[str, Dependence]) -> tuple[int, int, str]:
    """What selects, then what is bisected, then what is tried one by one, the few before the many."""
    name, dependence = item
    match dependence:
        case Selects():
            return 0, 0, name
        case OneOf(values=values):
            return 2, len(values), name
        case _:
            return 1, 0, name


def _silent(check: Check, told: Told) -> bool:
    """Whether the check lets these values pass. As in a lock, it is not asked without what it needs."""
    optional = optional_parameters(check.veto)
    if any(told[name] is None and name not in optional for name in check.depends):
        return True
    return check.veto(**told) is None


def _passes(
    check: Check, told: Told, let_in: Mapping[str, Sequence[Plain]], name: str, value: Plain
) -> bool:
    """Whether the check lets `value` pass, whatever the facts are that were widened before."""
    return all(
        _silent(check, {**told, **dict(zip(let_in, widened, strict=True)), name: value})
        for widened in product(*let_in.values())
    )


def _matters(check: Check, told: Told, name: str, values: Sequence[Plain]) -> bool:
    """Whether another value of this fact could change what the check says."""
    floors = {
        other: dependence.ladder[0] if dependence.ladder else 0
        for other, dependence in check.depends.items()
        if isinstance(dependence, AtLeast)
    }
    worlds = (told, {**told, **floors}, *({**told, other: floors[other]} for other in floors))
    return any(
        _silent(check, world) != _silent(check, {**world, name: value})
        for world in worlds
        for value in values
    )


def _among(
    fact: str, values: Sequence[Plain], passing: Sequence[Plain], *, complete: bool
) -> Iterator[Guard]:
    """`==` for one value, `in` for some; `not in` where the fact may also be unknown."""
    failing = tuple(v for v in values if not any(same(v, good) for good in passing))
    if not failing:
        return
    known = tuple(value for value in passing if value is not None)
    if complete and None in passing:
        yield Guard(fact=fact, op="not in", value=failing)
    elif len(known) == 1:
        yield Guard(fact=fact, op="==", value=known[0])
    else:
        yield Guard(fact=fact, op="in", value=known)


def _least(
    check: Check,
    told: Told,
    let_in: Mapping[str, Sequence[Plain]],
    name: str,
    ladder: Sequence[Plain] | None,
) -> Plain:
    """The least value that passes; None when it does not even have to be known."""
    here = told[name]
    if here is None:
        return None
    rungs = _below(ladder, here)
    if all(_passes(check, told, let_in, name, value) for value in (None, rungs[0])):
        return None
    low, high = 0, len(rungs) - 1  # the last rung is what is here, and passes
    while low < high:
        middle = (low + high) // 2
        if _passes(check, told, let_in, name, rungs[middle]):
            high = middle
        else:
            low = middle + 1
    return rungs[low]


def _below(ladder: Sequence[Plain] | None, here: Plain) -> Sequence[Plain]:
    """Every value up to the one that is here."""
    if ladder is None:
        return range(int(here) + 1)  # type: ignore[arg-type]  # a fact without a ladder is a number
    return [*(rung for rung in ladder if list(rung) < list(here)), here]  # type: ignore[arg-type]  # rungs are of the fact's type
