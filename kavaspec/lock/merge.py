"""What the lock that is about to be made again still tells: whole, edited by hand, or left conflicted by git.

Git writes both sides of a conflict into the file. Every fact and every block carries its seal, so
whatever is intact on a side can be trusted, and the lock is derived again from the merged spec
without looking at a machine twice:

    <<<<<<< HEAD           a fact that both sides have alike, or that only one side has, is recalled;
    ...                    where they differ, the one that is about what the spec names now;
    =======                what they still saw differently is observed again, and with it
    ...                    everything else about that machine, model or data set
    >>>>>>> branch

What `--set` said is a part of each side: a setting that one side has, or both have alike, is kept.
Where they differ, a person says which it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from kavaspec.errors import Exit, KavaError, Problem, Said, Where
from kavaspec.facts.model import TRUST
from kavaspec.lock.file import UnknownVersion, intact_parts, parse_lock
from kavaspec.lock.markers import conflict_markers, sides
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, LockedFact, Target
from kavaspec.plain import Plain, same, toml
from kavaspec.spec.spec import Spec

Facts = Mapping[str, LockedFact]


@dataclass(frozen=True, kw_only=True, slots=True)
class Before:
    """The lock that was there."""

    lock: Lock | None = None
    """All of it that can be trusted; None when there was none, or nothing of it can."""
    whole: bool = False
    """It was read without a complaint."""
    broken: str | None = None
    """What was wrong with it, when it was neither whole nor in conflict."""
    sides: tuple[Lock, Lock] | None = None
    """Both sides of a merge conflict."""
    text: str = ""
    """What git wrote, with both sides in it."""
    disagree: tuple[str, ...] = ()
    """Facts that the two sides saw differently; none of them is recalled."""
    kept: Mapping[str, Plain] = field(default_factory=dict)
    """What `--set` said on a side of the merge, and is laid over the merged spec again."""
    settled: tuple[str, ...] = ()
    """Keys that the sides set differently, and of which kava.toml says which it is."""


def lock_before(path: Path) -> Before:
    """Read the lock that is to be replaced; of a conflict both sides, not yet merged.

    Raises:
        KavaError: exit 6, for conflict markers that do not belong together, and for the format of a
            newer kavaspec: those are not replaced.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        return Before()
    except (OSError, UnicodeDecodeError) as error:
        return Before(broken=f"it cannot be read: {error}")
    if any(conflict_markers(text)):
        first, second = sides(text, str(path))
        parts = [intact_parts(side, str(path)) or NOTHING for side in (first, second)]
        return Before(sides=(parts[0], parts[1]), text=text)
    try:
        return Before(lock=parse_lock(text, str(path)), whole=True)
    except UnknownVersion:
        raise
    except KavaError as error:
        return Before(lock=intact_parts(text, str(path)), broken=error.problems[0].message)


def kept_settings(before: Before, given: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """The settings of a merge that stand: of one side, or alike on both, and not `given` anew."""
    if before.sides is None:
        return MappingProxyType({})
    ours, theirs = (side.set for side in before.sides)
    gone = {*given, *_set_apart(before.sides)}
    both = {**ours, **theirs}
    return MappingProxyType({key: both[key] for key in sorted(both) if key not in gone})


def merged(
    before: Before,
    spec: Spec,
    path: Path,
    *,
    kept: Mapping[str, Plain],
    about: Callable[[LockedFact], bool],
) -> Before:
    """With what both sides of a conflict tell together; a lock without a conflict as it is.

    `spec` has the settings that are `kept` laid over it; `about` tells whether a fact still
    describes what it names.

    Raises:
        KavaError: exit 6, with every key that the sides set differently and nobody decided.
    """
    if before.sides is None:
        return before
    apart = [key for key in _set_apart(before.sides) if key not in spec.set]
    undecided = [key for key in apart if not _says_one(spec, key, before.sides)]
    if undecided:
        found = [_undecided(key, before.sides, before.text, str(path)) for key in undecided]
        raise KavaError(*found)
    lock, disagree = _merged(*before.sides, about)
    lock = replace(lock, set=kept)
    return replace(before, lock=lock, disagree=disagree, kept=kept, settled=tuple(apart))


def _set_apart(sides: tuple[Lock, Lock]) -> tuple[str, ...]:
    """Keys that both sides set, to different values."""
    ours, theirs = (side.set for side in sides)
    return tuple(key for key in sorted({*ours} & {*theirs}) if not same(ours[key], theirs[key]))


def _says_one(spec: Spec, key: str, sides: tuple[Lock, Lock]) -> bool:
    """Whether kava.toml says one of the two values. A third may have stood there all the time."""
    said = [asked for name in spec.targets if (asked := spec.asked(key, name))]
    return bool(said) and any(
        all(it.by == "spec" and not it.auto and same(it.value, side.set[key]) for it in said)
        for side in sides
    )


def _undecided(key: str, sides: tuple[Lock, Lock], text: str, path: str) -> Problem:
    lines = text.split("\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.startswith(f"  {key}: {{")]
    values = [toml(side.set[key]) for side in sides]
    because = tuple(
        Said(
            text=f"{key} = {value}",
            where=Where(path=path, line=number, column=3, width=len(key), text=lines[number - 1]),
        )
        for value, number in zip(values, (numbers[0], numbers[-1]), strict=True)
    )
    ways = " or ".join(f"--set {shlex.quote(f'{key}={value}')}" for value in values)
    return Problem(
        message=f"the two sides of this merge set {key} differently: {' and '.join(values)}",
        exit=Exit.BROKEN,
        code="KV0610",
        key=key,
        where=because[0].where,
        hint=f"lock with {ways}, or write one of them into kava.toml",
        because=because,
    )


def derived_again(sides: tuple[Lock, Lock], new: Lock) -> tuple[str, ...]:
    """Keys of a lock that are not simply what both sides of the conflict said."""
    first, second = (_all_blocks(side) for side in sides)
    found = [
        (key, target)
        for (target, key), block in _all_blocks(new).items()
        if not first.get((target, key)) == second.get((target, key)) == block
    ]
    return tuple(f"{key} ({target})" if target else key for key, target in found)


NOTHING = Lock(
    version=LOCK_VERSION,
    set=MappingProxyType({}),
    facts=MappingProxyType({}),
    experiment=MappingProxyType({}),
    targets=MappingProxyType({}),
)
"""What a side tells of which nothing can be read."""


def _merged(
    ours: Lock, theirs: Lock, about: Callable[[LockedFact], bool]
) -> tuple[Lock, tuple[str, ...]]:
    """All but the settings, and the names of facts that the sides saw differently."""
    facts, apart = _merged_facts(ours.facts, theirs.facts, about, _subject)
    targets: dict[str, Target] = {}
    disagree = list(apart)
    for name in sorted({*ours.targets, *theirs.targets}):
        first, second = (side.targets.get(name, _NO_TARGET) for side in (ours, theirs))
        own, apart = _merged_facts(first.facts, second.facts, about, lambda _: "the machine")
        disagree += [f"{fact} ({name})" for fact in apart]
        targets[name] = Target(facts=own, decisions=_newer(first.decisions, second.decisions))
    lock = Lock(
        version=LOCK_VERSION,
        set=MappingProxyType({}),
        facts=facts,
        experiment=_newer(ours.experiment, theirs.experiment),
        targets=MappingProxyType(targets),
        checks=max(ours.checks, theirs.checks),
    )
    return lock, tuple(disagree)


_NO_TARGET = Target(facts=MappingProxyType({}), decisions=MappingProxyType({}))


def _merged_facts(
    ours: Facts,
    theirs: Facts,
    about: Callable[[LockedFact], bool],
    subject: Callable[[str], str],
) -> tuple[Facts, tuple[str, ...]]:
    """What can be recalled, and the names of those that the sides saw differently.

    One fact seen differently makes all facts about the same thing fall: half of one machine and
    half of another is no machine.
    """
    first = {name: fact for name, fact in ours.items() if about(fact)}
    second = {name: fact for name, fact in theirs.items() if about(fact)}
    shared = sorted(first.keys() & second.keys())
    apart = [name for name in shared if not same(first[name].value, second[name].value)]
    fallen = {subject(name) for name in apart}
    both = {**first, **second}
    for name in shared:
        both[name] = min(first[name], second[name], key=lambda fact: TRUST.index(fact.how))
    kept = {name: fact for name, fact in both.items() if subject(name) not in fallen}
    return MappingProxyType(dict(sorted(kept.items()))), tuple(apart)


def _subject(fact: str) -> str:
    """`teacher`, `student` or `data`."""
    return fact.split(".")[1]


def _newer(ours: Mapping[str, Block], theirs: Mapping[str, Block]) -> Mapping[str, Block]:
    """For each key the block with the newer version of its rule: an upgrade on one branch stays one."""
    both = {**ours, **theirs}
    for key in ours.keys() & theirs.keys():
        both[key] = max(ours[key], theirs[key], key=lambda block: _version(block.by))
    return MappingProxyType(dict(sorted(both.items())))


def _version(by: str) -> int:
    number = by.rpartition("@")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def _all_blocks(lock: Lock) -> Mapping[tuple[str, str], Block]:
    """Target (or "") and key -> block."""
    return dict(_walk(lock))


def _walk(lock: Lock) -> Iterator[tuple[tuple[str, str], Block]]:
    sections: Iterable[tuple[str, Mapping[str, Block]]] = [
        ("", lock.experiment),
        *((name, target.decisions) for name, target in lock.targets.items()),
    ]
    for target, blocks in sections:
        for key, block in blocks.items():
            yield (target, key), block
