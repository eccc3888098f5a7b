"""Which version of a rule, a default or a preset decides: the one that the lock records, else the newest.

A newer kavaspec may bring a better rule, another default, a changed preset. None of them moves a
lock: each block says who decided it, and that version decides it again until somebody asks for
`kavaspec lock --upgrade KEY`. What a lock does not hold yet takes the newest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kavaspec.checks.check import Check, newest_version
from kavaspec.decision import ANYTHING, AUTO, Rule
from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.model import Block, Lock
from kavaspec.plain import freeze
from kavaspec.spec.objectives import OBJECTIVES, Objective
from kavaspec.spec.schema import Key, keys
from kavaspec.spec.spec import Asked, Spec, TargetSpec

LITERAL = ("spec", "set", "target")
"""Who decided, when a person did."""

PRESET = "objective.preset"
"""What one upgrades to move a preset: it moves as a whole."""

CHECKS_KEY = "checks"
"""What one upgrades to move the checks: they move as a whole, and the guards with them."""

EVERYTHING = "all"
"""`--upgrade all`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """Who decided what, in the lock that is there, and what shall move to its newest version."""

    by: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Target (or "" for the experiment) -> key -> `precision@1`, `default@1`, `spec`, ..."""
    moving: frozenset[str] = frozenset()
    checks: int | None = None
    """The version of the set of checks; None when nothing was judged yet."""

    def of(self, target: str, key: str) -> str | None:
        """Who decided a key; None when nobody did yet, or when it is to move."""
        return None if self.moves(key) else self.by.get(target, {}).get(key)

    def moves(self, key: str) -> bool:
        return key in self.moving or EVERYTHING in self.moving


NOTHING_RECORDED = Recorded()
"""No lock was there: the newest version of everything decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Newer:
    """A version that a lock could move to."""

    key: str
    """A key, `objective.preset` or `checks`."""
    targets: tuple[str, ...]
    """Where; empty for the experiment."""
    old: str
    new: str


def recorded(lock: Lock, *, moving: frozenset[str] = frozenset()) -> Recorded:
    """Who decided what in a lock."""
    sections = {"": lock.experiment, **{name: it.decisions for name, it in lock.targets.items()}}
    by = {name: _by(blocks) for name, blocks in sections.items()}
    return Recorded(by=by, moving=moving, checks=lock.checks)


def checks_version(checks: Sequence[Check], there: Recorded) -> int:
    """Which version of the set of checks judges: the recorded one, or the newest.

    Raises:
        KavaError: exit 6, when the lock was judged by checks that this kavaspec does not have.
    """
    newest = newest_version(checks)
    if there.checks is None or there.moves(CHECKS_KEY):
        return newest
    if there.checks > newest:
        raise KavaError(
            Problem(
                message=f"the lock was judged by checks@{there.checks}, and this kavaspec has "
                f"checks@{newest}",
                exit=Exit.BROKEN,
                code="KV0607",
                hint="use the kavaspec that wrote the lock, or a newer one; or judge it anew: "
                f"kavaspec lock --upgrade {CHECKS_KEY}",
            )
        )
    return there.checks


def rules_for(
    rules: Sequence[Rule], asked: Mapping[str, Asked], target: str, there: Recorded
) -> tuple[Rule, ...]:
    """One rule for each auto key: the recorded version, or the newest.

    Raises:
        KavaError: exit 6, when the lock was decided by a rule that this kavaspec does not have.
    """
    chosen: list[Rule] = []
    problems: list[Problem] = []
    for key, versions in _versions(rules).items():
        if key not in asked or not asked[key].auto:
            continue
        by = there.of(target, key)
        found = next((rule for rule in versions if rule.name == by), None)
        if found is None and by is not None and _is_rule(by):
            problems.append(_unknown(key, by))
        chosen.append(found or versions[-1])
    if problems:
        raise KavaError(*problems)
    return tuple(chosen)


def as_recorded(spec: Spec, there: Recorded) -> Spec:
    """The spec, where what it leaves out means what it meant when the lock was made.

    Raises:
        KavaError: exit 6, when the lock names a version that this kavaspec does not have.
    """
    objective = _objective(spec)
    told = {who for by in there.by.values() for who in by.values() if not _is_rule(who)}
    first = all(who in LITERAL or who.endswith("@1") for who in told)
    if first and not objective.older and not any(key.was for key in keys().values()):
        return spec  # all there ever was is version 1
    version = _preset_version(objective, spec.preset, there)
    preset = objective.preset(spec.preset, version)
    by = f"preset {spec.preset}@{version}"

    def section(asked: Mapping[str, Asked], target: str) -> Mapping[str, Asked]:
        return MappingProxyType(
            {
                key: _left_out(keys()[key], by, preset, there.of(target, key))
                if item.by.startswith(("default@", "preset "))
                else item
                for key, item in asked.items()
            }
        )

    return replace(
        spec,
        experiment=section(spec.experiment, ""),
        targets=MappingProxyType(
            {
                name: TargetSpec(facts=target.facts, asked=section(target.asked, name))
                for name, target in spec.targets.items()
            }
        ),
    )


def newer(
    spec: Spec, there: Recorded, rules: Sequence[Rule], checks: Sequence[Check]
) -> tuple[Newer, ...]:
    """Every newer version that a lock could move to, sorted by key."""
    found: dict[tuple[str, str, str], list[str]] = {}
    judged, newest = checks_version(checks, there), newest_version(checks)
    if judged < newest:
        found[CHECKS_KEY, f"checks@{judged}", f"checks@{newest}"] = []
    for key, target, old, new in _moves(spec, there, rules):
        found.setdefault((key, old, new), []).extend([target] if target else [])
    return tuple(
        Newer(key=key, targets=tuple(targets), old=old, new=new)
        for (key, old, new), targets in sorted(found.items())
    )


def _moves(
    spec: Spec, there: Recorded, rules: Sequence[Rule]
) -> Iterator[tuple[str, str, str, str]]:
    """Key, target, version in force, newest version."""
    objective = _objective(spec)
    version = _preset_version(objective, spec.preset, there)
    newest_preset = objective.preset_version(spec.preset)
    if version < newest_preset:
        name = f"preset {spec.preset}"
        yield PRESET, "", f"{name}@{version}", f"{name}@{newest_preset}"
    newest = {key: versions[-1] for key, versions in _versions(rules).items()}
    kept, fresh = as_recorded(spec, there), as_recorded(spec, NOTHING_RECORDED)
    sections = [("", kept.experiment, fresh.experiment)]
    sections += [(name, it.asked, fresh.targets[name].asked) for name, it in kept.targets.items()]
    for target, old, new in sections:
        for key in old:
            a, b = old[key].by, new[key].by
            if a != b and a.startswith("default@") and b.startswith("default@"):
                yield key, target, a, b
        for rule in rules_for(rules, old, target, there):
            if rule.version < newest[rule.key].version:
                yield rule.key, target, rule.name, newest[rule.key].name


def _objective(spec: Spec) -> Objective:
    kind = spec.experiment.get("objective.kind")
    return OBJECTIVES.get(str(kind.value) if kind else "", OBJECTIVES["kv"])


def _versions(rules: Sequence[Rule]) -> Mapping[str, list[Rule]]:
    """Key -> every version of its rule, oldest first."""
    found: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda rule: rule.version):
        found.setdefault(rule.key, []).append(rule)
    return found


def _by(blocks: Mapping[str, Block]) -> Mapping[str, str]:
    return {key: block.by for key, block in blocks.items()}


def _is_rule(by: str) -> bool:
    return re.fullmatch(r"\w+@\d+", by) is not None and not by.startswith("default@")


def _left_out(key: Key, by: str, preset: Mapping[str, object], was: str | None) -> Asked:
    """A key that kava.toml does not name: the preset's value, or the default of its version."""
    if key.name in preset:
        return _said(key, preset[key.name], by)
    version = _default_version(key, was)
    return _said(key, key.default_at(version), f"default@{version}")


def _said(key: Key, value: object, by: str) -> Asked:
    auto = value == AUTO
    return Asked(
        tier=key.tier, value=None if auto else freeze(value), auto=auto, allowed=ANYTHING, by=by
    )


def _default_version(key: Key, was: str | None) -> int:
    newest = key.default_version
    if was is None or was in LITERAL or was.startswith("preset "):
        return newest
    if was.startswith("default@"):
        if not 1 <= _number(was) <= newest:
            raise KavaError(_unknown(key.name, was))
        return _number(was)
    # a rule decided it: then leaving it out meant "auto"
    auto = [version for version in range(1, newest + 1) if key.default_at(version) == AUTO]
    return auto[-1] if auto else newest


def _preset_version(objective: Objective, name: str, there: Recorded) -> int:
    """The newest version that is all that the lock has from a preset; the newest of all when the
    lock has another preset, or none, or when it is to move.
    """
    newest, by = objective.preset_version(name), there.by.get("", {})
    presets = {who for who in by.values() if who.startswith("preset ")}
    if there.moves(PRESET) or not by or any(not it.startswith(f"preset {name}@") for it in presets):
        return newest
    for key, who in by.items():
        if who in presets and not 1 <= _number(who) <= newest:
            raise KavaError(_unknown(key, who))
    for version in range(newest, 0, -1):
        mine = f"preset {name}@{version}"
        told = [by[key] for key in objective.preset(name, version) if key in by]
        if all(who == mine or who in LITERAL for who in told) and presets <= {mine}:
            return version
    return newest


def _number(by: str) -> int:
    """The version in `default@2`; 0 where there is none."""
    number = by.rpartition("@")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def _unknown(key: str, by: str) -> Problem:
    return Problem(
        message=f"{key} was decided by {by}, which this kavaspec does not have",
        exit=Exit.BROKEN,
        code="KV0607",
        key=key,
        hint="use the kavaspec that wrote the lock, or a newer one; or decide the key anew: "
        f"kavaspec lock --upgrade {key}",
    )
