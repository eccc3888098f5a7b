"""What it means that two locks differ: by tier, causes before consequences, and one verdict."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kavaspec.canon import canon
from kavaspec.errors import Exit, did_you_mean, fail
from kavaspec.lock.forest import Forest, Tree, lay_over
from kavaspec.lock.ids import Ids, ids, means_its_absence, tier_of
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.telling import decided_by_another, follows, moved, who
from kavaspec.plain import Plain, same
from kavaspec.spec.key import Tier

Kind: TypeAlias = Literal["changed", "added", "removed"]
TIERS: tuple[Tier, ...] = ("experiment", "numerics", "placement")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One target of each lock, held against each other."""

    old: str
    new: str
    before: Ids
    after: Ids

    @property
    def name(self) -> str:
        return self.old if self.old == self.new else f"{self.old} -> {self.new}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One key with another value, and what follows from it in the same tier."""

    key: str
    tier: Tier
    targets: tuple[str, ...]
    """Names of the pairs in which it changed alike; empty for the experiment."""
    kind: Kind
    old: Plain
    new: Plain
    because: str
    follows: tuple[str, ...]
    """Changed keys and facts that the rule was told; empty for a cause."""
    below: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FactChange:
    """One fact that was seen differently."""

    name: str
    targets: tuple[str, ...]
    kind: Kind
    old: Plain
    new: Plain
    old_how: str
    new_how: str
    moved_something: bool
    """Whether some decision reads it that came out otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One `--set` that only one lock has, or that has another value."""

    key: str
    kind: Kind
    old: Plain
    new: Plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Otherwise:
    """The same value, decided otherwise: changes no id and no exit code."""

    key: str
    targets: tuple[str, ...]
    value: Plain
    what: tuple[str, ...]
    """`by default@1 -> spec`, `guard ...`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """Two locks, compared by meaning."""

    before: Ids
    after: Ids
    """For their experiment, which is the same on every target."""
    pairs: tuple[Pair, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    """Targets that only one of the locks has."""
    settings: tuple[Setting, ...]
    facts: tuple[FactChange, ...]
    changes: tuple[Change, ...]
    """The causes, by tier; their consequences hang below them."""
    otherwise: tuple[Otherwise, ...]
    same_experiment: bool
    same_numerics: bool
    same_placement: bool

    @property
    def exit(self) -> Exit:
        if not self.same_experiment:
            return Exit.DIFF_EXPERIMENT
        if not self.same_numerics:
            return Exit.DIFF_NUMERICS
        return Exit.SAME if self.same_placement else Exit.DIFF_PLACEMENT

    @property
    def verdict(self) -> str:
        """`same experiment, different numerics, same placement`."""
        words = (self.same_experiment, self.same_numerics, self.same_placement)
        return ", ".join(
            f"{'same' if is_same else 'different'} {tier}"
            for is_same, tier in zip(words, TIERS, strict=True)
        )

    def of(self, tier: Tier) -> tuple[Change, ...]:
        """The causes of one tier."""
        return tuple(change for change in self.changes if change.tier == tier)


def choose_pairs(
    a: Lock, b: Lock, named: Sequence[str], *, labels: tuple[str, str]
) -> tuple[tuple[str, str], ...]:
    """Which target of one lock is held against which of the other.

    Nothing named: those of equal name, or else the only one of each. One name: that target of both.
    Two names: the first one's target against the second one's.

    Raises:
        KavaError: exit 2, when a lock has no target of that name.
    """
    if len(named) > 2:
        raise fail(
            "--target is given more than twice",
            Exit.USAGE,
            code="KV0007",
            hint="name one target, or two",
        )
    if named:
        chosen = (named[0], named[-1])
        for lock, name, label in zip((a, b), chosen, labels, strict=True):
            if name not in lock.targets:
                known = ", ".join(lock.targets)
                near = did_you_mean(name, lock.targets) or next(iter(lock.targets))
                raise fail(
                    f"{label} has no target {name}; it has {known}",
                    Exit.USAGE,
                    code="KV0007",
                    hint=f"name one: --target {near}",
                )
        return (chosen,)
    shared = sorted(a.targets.keys() & b.targets.keys())
    if not shared and len(a.targets) == len(b.targets) == 1:
        return ((next(iter(a.targets)), next(iter(b.targets))),)
    return tuple((name, name) for name in shared)


def diff(a: Lock, b: Lock, pairs: Sequence[tuple[str, str]], *, whole: bool) -> Diff:
    """Compare two locks on the targets paired. Pure.

    `whole` counts targets that only one lock has as a difference of placement.

    Raises:
        KavaError: exit 6, for a key that this kavaspec does not know.
    """
    held = tuple(
        Pair(old=old, new=new, before=ids(a, old), after=ids(b, new)) for old, new in pairs
    )
    before, after = (ids(lock, next(iter(lock.targets))) for lock in (a, b))
    experiment = _found(a.experiment, b.experiment)
    by_pair = {
        pair.name: _found(
            {**a.experiment, **a.targets[pair.old].decisions},
            {**b.experiment, **b.targets[pair.new].decisions},
        )
        for pair in held
    }
    used = {name for found in (experiment, *by_pair.values()) for it in found for name in it.moved}
    changes = _merged([("", _changed(experiment), _roots(experiment, "experiment"))])
    for tier in TIERS[1:]:
        forests = [(name, _changed(found), _roots(found, tier)) for name, found in by_pair.items()]
        changes += _merged(forests)
    paired = {pair.old for pair in held}, {pair.new for pair in held}
    removed = tuple(name for name in a.targets if whole and name not in paired[0])
    added = tuple(name for name in b.targets if whole and name not in paired[1])
    return Diff(
        before=before,
        after=after,
        pairs=held,
        added=added,
        removed=removed,
        settings=tuple(_settings(a.set, b.set)),
        facts=tuple(_facts(a, b, held, used)),
        changes=tuple(changes),
        otherwise=tuple(_otherwise(experiment, by_pair)),
        same_experiment=before.kx == after.kx,
        same_numerics=all(pair.before.kn == pair.after.kn for pair in held),
        same_placement=not (added or removed or any(it.tier == "placement" for it in changes)),
    )


# ---- one section: what differs, and what follows what ------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """One key whose blocks are not the same."""

    key: str
    tier: Tier
    old: Block | None
    new: Block | None
    same_value: bool
    moved: tuple[str, ...]
    """Inputs that differ; with another rule, they are not what changed it."""
    because: str
    parent: str | None
    """The changed key of the same tier that it hangs below."""

    @property
    def follows(self) -> tuple[str, ...]:
        return tuple(name for name in self.moved if name != "auto")

    @property
    def content(self) -> Hashable:
        values = tuple(canon(block.value) if block else None for block in (self.old, self.new))
        return (self.key, *values, self.because)


def _found(
    old: Mapping[str, Block],
    new: Mapping[str, Block],
) -> tuple[_Found, ...]:
    """Every key of two sections that is not decided to the letter alike."""
    differ = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    changed = {key for key in differ if not _same_value(key, old.get(key), new.get(key))}
    return tuple(_one(key, old.get(key), new.get(key), changed) for key in differ)


def _one(key: str, a: Block | None, b: Block | None, changed: set[str]) -> _Found:
    tier, same_value = tier_of(key), key not in changed
    inputs: tuple[str, ...] = ()
    if a is not None and b is not None and a.by == b.by:
        inputs = moved(a, b)
    elif (a is None or b is None) and "objective.kind" in changed:
        inputs = ("objective.kind",)  # which keys there are depends on nothing else
    parents = [name for name in inputs if name in changed and tier_of(name) == tier]
    return _Found(
        key=key,
        tier=tier,
        old=a,
        new=b,
        same_value=same_value,
        moved=() if same_value else inputs,
        because=_because(a, b, inputs),
        parent=parents[0] if parents else None,
    )


def _same_value(key: str, a: Block | None, b: Block | None) -> bool:
    """Equal for the ids: by canonical bytes, and a young key that means its absence is none."""
    if a is None or b is None:
        there = a or b
        return there is not None and means_its_absence(key, there)
    return canon(a.value) == canon(b.value)


def _because(a: Block | None, b: Block | None, inputs: Sequence[str]) -> str:
    if a is None:
        return follows(inputs) or "the key is new"
    if b is None:
        return follows(inputs) or "the key is gone"
    if a.by != b.by:
        return decided_by_another(a, b)
    return follows(inputs) or f"{who(b.by)} changed it"


def _changed(found: Iterable[_Found]) -> Mapping[str, _Found]:
    return {it.key: it for it in found if not it.same_value}


def _roots(found: Iterable[_Found], tier: Tier) -> list[str]:
    """The keys of a tier that hang below no other of that tier."""
    return [key for key, it in _changed(found).items() if it.tier == tier and it.parent is None]


def _merged(forests: Sequence[Forest[_Found]]) -> list[Change]:
    """The trees of several pairs as changes: what is alike is told once."""
    changes = map(_change, lay_over(forests))
    return sorted(changes, key=lambda change: (bool(change.follows), change.key, change.targets))


def _change(tree: Tree[_Found]) -> Change:
    it = tree.node
    below = map(_change, tree.below)
    return Change(
        key=it.key,
        tier=it.tier,
        targets=tree.targets,
        kind=_kind(it.old, it.new),
        old=it.old.value if it.old else None,
        new=it.new.value if it.new else None,
        because=it.because,
        follows=it.follows,
        below=tuple(sorted(below, key=lambda at: (bool(at.follows), at.key, at.targets))),
    )


def _kind(old: object | None, new: object | None) -> Kind:
    return "added" if old is None else "removed" if new is None else "changed"


# ---- what is told beside the values ------------------------------------------------------------


def _otherwise(
    experiment: Iterable[_Found], by_pair: Mapping[str, Iterable[_Found]]
) -> Iterator[Otherwise]:
    alike: dict[tuple[object, ...], tuple[_Found, list[str]]] = {}
    sections = [("", [it for it in experiment if it.tier == "experiment"])]
    sections += [
        (name, [it for it in found if it.tier != "experiment"]) for name, found in by_pair.items()
    ]
    for name, found in sections:
        for it in found:
            if it.same_value:
                value = canon(block.value) if (block := it.new or it.old) else None
                content = (it.key, value, *_what(it.old, it.new))
                alike.setdefault(content, (it, []))[1].extend([name] if name else [])
    for it, names in alike.values():
        block = it.new or it.old
        if block is not None:
            what = _what(it.old, it.new)
            yield Otherwise(key=it.key, targets=tuple(names), value=block.value, what=what)


def _what(a: Block | None, b: Block | None) -> tuple[str, ...]:
    """What about a block is other than its value."""
    if a is None or b is None:
        return ("a young key, with what its absence meant",)
    found = [f"by {a.by} -> {b.by}"] if a.by != b.by else []
    inputs = moved(a, b)
    if inputs and a.by == b.by:
        found.append("other inputs: " + ", ".join(inputs))
    if a.guard != b.guard:
        found.append(f"guard {_guard(a)} -> {_guard(b)}")
    if a.provisional != b.provisional:
        found.append("provisional now" if b.provisional else "no longer provisional")
    return tuple(found)


def _guard(block: Block) -> str:
    return "; ".join(block.guard) or "none"


def _settings(old: Mapping[str, Plain], new: Mapping[str, Plain]) -> Iterator[Setting]:
    for key in sorted({*old, *new}):
        if key not in old:
            yield Setting(key=key, kind="added", old=None, new=new[key])
        elif key not in new:
            yield Setting(key=key, kind="removed", old=old[key], new=None)
        elif not same(old[key], new[key]):
            yield Setting(key=key, kind="changed", old=old[key], new=new[key])


def _facts(a: Lock, b: Lock, pairs: Sequence[Pair], used: set[str]) -> Iterator[FactChange]:
    sections = [("", a.facts, b.facts)]
    sections += [(it.name, a.targets[it.old].facts, b.targets[it.new].facts) for it in pairs]
    alike: dict[
        tuple[object, ...], tuple[str, LockedFact | None, LockedFact | None, list[str]]
    ] = {}
    for pair, old, new in sections:
        for name in sorted({*old, *new}):
            x, y = old.get(name), new.get(name)
            if x is None or y is None or not same(x.value, y.value) or x.how != y.how:
                content: tuple[object, ...] = (name, *(_seen(it) for it in (x, y)))
                alike.setdefault(content, (name, x, y, []))[3].extend([pair] if pair else [])
    for name, x, y, names in alike.values():
        yield FactChange(
            name=name,
            targets=tuple(names),
            kind=_kind(x, y),
            old=x.value if x else None,
            new=y.value if y else None,
            old_how=x.how if x else "",
            new_how=y.how if y else "",
            moved_something=name in used,
        )


def _seen(fact: LockedFact | None) -> tuple[object, ...] | None:
    return (canon(fact.value), fact.how) if fact else None
