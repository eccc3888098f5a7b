"""Why a lock is stale: every reason, with its place in kava.toml, and below it what follows from it.

Only loaded when there is something to tell; whether a lock is fresh is `kavaspec.lock.stale`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from kavaspec.canon import canon
from kavaspec.errors import Where
from kavaspec.facts.names import kind_of
from kavaspec.lock.derive import is_experiment_fact
from kavaspec.lock.forest import Tree, lay_over, roots
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.recover import preset_of
from kavaspec.lock.stale import Comparison, FactChange, equal, is_about
from kavaspec.lock.telling import decided_by_another, follows, moved, who
from kavaspec.lock.versions import LITERAL, PRESET
from kavaspec.plain import Plain, same, show, toml
from kavaspec.sizes import with_size
from kavaspec.spec.spec import Spec
from kavaspec.trials import made_with

Kind: TypeAlias = Literal[
    "changed", "added", "removed", "decided otherwise", "waits", "fact", "target"
]


FactPlaces: TypeAlias = Mapping[tuple[str, str], Where]
"""Where fact files say what they say, by target (empty for the experiment) and fact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One thing that is not as the lock has it, and what follows from it."""

    key: str
    """A key, or `objective.preset`; for the kind `fact` a fact, for `target` a target."""
    kind: Kind
    targets: tuple[str, ...]
    """Where it is so; empty for everywhere."""
    old: Plain
    new: Plain
    """None where there is none; what `kind` says."""
    because: str
    where: Where | None
    below: tuple[Reason, ...]

    @property
    def change(self) -> str:
        """`16 -> 8`, as a person reads it."""
        return self.told(lambda side: side)

    def told(self, side: Callable[[str], str]) -> str:
        """The same, with each value as `side` shortens it."""
        match self.kind:
            case "fact":
                return "has to be seen anew"
            case "target":
                return "missing" if self.new else "not wanted any more"
            case "waits":
                return "not known yet"
            case "decided otherwise":
                return f"{side(self._spelled(self.new))}, as before"
            case "added":
                return f"missing -> {side(self._spelled(self.new))}"
            case "removed":
                return f"{side(self._spelled(self.old))} -> gone"
            case _:
                return f"{side(self._spelled(self.old))} -> {side(self._spelled(self.new))}"

    def _spelled(self, value: Plain) -> str:
        kind = kind_of(self.key)
        return show(value) if kind is None else with_size(value, kind.unit)


def reasons(
    spec: Spec, lock: Lock, found: Comparison, *, fact_places: FactPlaces | None = None
) -> tuple[Reason, ...]:
    """Causes, each with its consequences below it; every difference is in there once. Pure.

    `fact_places` tells where a fact file says a fact, by target (empty for the experiment) and name.
    """
    places = fact_places or {}
    derived = found.derived.lock
    gone = [name for name in lock.targets if name not in derived.targets]
    new = [name for name in derived.targets if name not in lock.targets]
    shared = [name for name in derived.targets if name in lock.targets]
    anew = {name: _fact(spec, name, lock.facts[name]) for name in found.missing_facts}
    anew |= {it.name: _changed(it) for it in found.changed_facts if not it.target}
    preset = _preset(spec, lock)
    forests = []
    for name in shared or [""]:
        own = {it.name: _changed(it) for it in found.changed_facts if name and it.target == name}
        old = {**lock.experiment, **(lock.targets[name].decisions if name else {})}
        now = {**derived.experiment, **(derived.targets[name].decisions if name else {})}
        for fact in found.outdated.get(name, ()):
            own[fact] = _outdated(fact, old, now)
        facts = {**anew, **own}
        nodes = {it.key: it for it in _nodes(spec, name, old, now, facts, preset)}
        forests.append((name, nodes, roots(nodes)))
    told = [_reason(tree, spec, len(shared), places) for tree in lay_over(forests)]
    told += [_target(spec, name, wanted=True) for name in new]
    told += [_target(spec, name, wanted=False) for name in gone]
    return tuple(sorted(told, key=_place))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """One difference on one target."""

    key: str
    kind: Kind
    old: Plain
    new: Plain
    because: str
    parent: str | None

    @property
    def content(self) -> Hashable:
        return (self.key, self.kind, canon(self.old), canon(self.new), self.because)


def _nodes(
    spec: Spec,
    target: str,
    old: Mapping[str, Block],
    new: Mapping[str, Block],
    facts: Mapping[str, _Node],
    preset: _Node | None,
) -> Iterator[_Node]:
    """Every fact and key that is not as it was, each with the first of its causes as parent.

    The preset is no key: it is there where some key follows from it.
    """
    differ = [key for key in sorted({*old, *new}) if not equal(old.get(key), new.get(key))]
    causes = {*differ, *facts}
    about = {it.parent for it in facts.values()}
    for fact in facts.values():
        yield fact if fact.parent in differ else replace(fact, parent=None)
    by_preset = {key for key in differ if preset and _from_preset(spec, key, target, old, new)}
    if preset and by_preset:
        yield preset
    for key in differ:
        node = _node(key, old.get(key), new.get(key), causes, applies=_applies(spec, key, target))
        # a key whose own change made facts of another thing cannot also wait for them
        node = replace(node, parent=None) if key in about and node.parent in facts else node
        yield replace(node, parent=PRESET) if key in by_preset and node.parent is None else node


def _preset(spec: Spec, lock: Lock) -> _Node | None:
    """That kava.toml names another preset than the lock was made with."""
    was = preset_of(lock)
    if was == spec.preset:
        return None
    says = "changed it" if spec.where(PRESET) else "names none, which is safe"
    return _of(PRESET, "changed", was, spec.preset, f"kava.toml {says}", None)


def _from_preset(
    spec: Spec, key: str, target: str, old: Mapping[str, Block], new: Mapping[str, Block]
) -> bool:
    """Whether a preset said it, or says it now, and no line of the spec came or went."""
    if key not in old or not _applies(spec, key, target):
        return False
    asked = spec.experiment.get(key) or spec.targets[target].asked[key]
    by = {old[key].by, new[key].by if key in new else asked.by}
    return any(it.startswith("preset ") for it in by) and not by & {*LITERAL}


def _applies(spec: Spec, key: str, target: str) -> bool:
    return key in spec.experiment or (target in spec.targets and key in spec.targets[target].asked)


def _node(key: str, a: Block | None, b: Block | None, causes: set[str], *, applies: bool) -> _Node:
    if a is None and b is not None:
        return _of(key, "added", None, b.value, "the lock does not have it", None)
    if a is not None and b is None and not applies:
        kind = "objective.kind" if "objective.kind" in causes else None
        return _of(key, "removed", a.value, None, "the key does not apply any more", kind)
    if a is not None and b is None:
        waits = [name for name in a.inputs if name in causes]
        because = f"waits for {', '.join(waits)}" if waits else "cannot be decided any more"
        return _of(key, "waits", a.value, None, because, waits[0] if waits else None)
    if a is None or b is None:
        raise ValueError(f"{key} is neither in the lock nor derived")
    inputs = moved(a, b) if a.by == b.by else ()
    because = _because(a, b, inputs)
    parent = next((name for name in inputs if name in causes and name != key), None)
    how: Kind = "changed" if canon(a.value) != canon(b.value) else "decided otherwise"
    return _of(key, how, a.value, b.value, because, parent)


def _of(key: str, kind: Kind, old: Plain, new: Plain, because: str, parent: str | None) -> _Node:
    return _Node(key=key, kind=kind, old=old, new=new, because=because, parent=parent)


def _because(a: Block, b: Block, inputs: Sequence[str]) -> str:
    if a.by != b.by:
        return decided_by_another(a, b)
    if inputs:
        return follows(inputs)
    if canon(a.value) != canon(b.value):
        return f"{who(b.by)} changed it" if "@" not in b.by else f"{b.by} gives it"
    if a.guard != b.guard:
        return f"valid while {'; '.join(b.guard) or 'anything'}, not {'; '.join(a.guard) or 'anything'}"
    return "provisional now" if b.provisional else "no longer provisional"


def _fact(spec: Spec, name: str, fact: LockedFact) -> _Node:
    """A fact that was seen for something else than what the spec names now."""
    about = [(key, value) for key, value in fact.of.items() if not is_about(spec, {key: value})]
    key, value = about[0]
    because = f"seen for {key} = {toml(value)}"
    return _of(name, "fact", fact.value, None, because, key)


def _outdated(name: str, old: Mapping[str, Block], now: Mapping[str, Block]) -> _Node:
    """A trial that was made with other values."""
    told = [made_with({key: block.value for key, block in side.items()}) for side in (old, now)]
    others = [key for key in sorted({*told[0], *told[1]}) if _differs(key, *told)]
    because = f"tried with another {others[0]}" if others else "tried with other values"
    return _of(name, "fact", None, None, because, others[0] if others else None)


def _differs(key: str, old: Mapping[str, Plain], now: Mapping[str, Plain]) -> bool:
    return (key in old) != (key in now) or not same(old.get(key), now.get(key))


def _changed(it: FactChange) -> _Node:
    """A fact of which a fact file says something else by now."""
    old, new = it.old, it.new
    if old is not None and new is None:
        return _of(it.name, "removed", old.value, None, "the fact file has it no more", None)
    if old is None and new is not None:
        return _of(it.name, "added", None, new.value, "the fact file has it now", None)
    if old is None or new is None:
        raise ValueError(f"{it.name} is neither in the lock nor in a fact file")
    if not same(old.value, new.value):
        return _of(it.name, "changed", old.value, new.value, "the fact file says so", None)
    because = f"the fact file has it {new.how} by {new.probe}; before {old.how} by {old.probe}"
    if (old.how, old.probe) == (new.how, new.probe):
        because = "the fact file has it about something else"
    return _of(it.name, "decided otherwise", old.value, new.value, because, None)


def _target(spec: Spec, name: str, *, wanted: bool) -> Reason:
    because = "kava.toml has a new target" if wanted else "kava.toml has no such target"
    return Reason(
        key=name,
        kind="target",
        targets=(),
        old=None if wanted else name,
        new=name if wanted else None,
        because=because,
        where=spec.where_target(name) if wanted else None,
        below=(),
    )


def _reason(tree: Tree[_Node], spec: Spec, targets: int, places: FactPlaces) -> Reason:
    node = tree.node
    about_all = node.key in {*spec.experiment, PRESET} or is_experiment_fact(node.key)
    everywhere = about_all or len(tree.targets) in (0, targets)
    named = () if everywhere else tree.targets
    where = None if node.parent else _where(spec, node, tree.targets, places)
    below = sorted((_reason(child, spec, targets, places) for child in tree.below), key=_depth)
    return Reason(
        key=node.key,
        kind=node.kind,
        targets=named,
        old=node.old,
        new=node.new,
        because=node.because,
        where=where,
        below=tuple(below),
    )


def _where(spec: Spec, node: _Node, targets: tuple[str, ...], places: FactPlaces) -> Where | None:
    """The place of a cause: only what kava.toml or a fact file says can be pointed at."""
    if node.key.startswith("fact."):
        target = "" if is_experiment_fact(node.key) or not targets else targets[0]
        return places.get((target, node.key))
    return spec.where(node.key, targets[0] if targets else None)


def _depth(reason: Reason) -> tuple[bool, str]:
    return not reason.key.startswith("fact."), reason.key


def _place(reason: Reason) -> tuple[int, int, str]:
    """Sorted as they stand in kava.toml; what has no place there comes last."""
    if reason.where is None:
        return (1 << 30, 0, reason.key)
    return (reason.where.line, reason.where.column, reason.key)
