"""Why a key has its value, as data. One type serves the command line, JSON and the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from kavaspec.decision import Rejected, Term
from kavaspec.errors import Where
from kavaspec.plain import Plain, same, show, thaw
from kavaspec.sizes import with_size

NO_EVIDENCE = "no evidence kept"
"""A lock keeps values; what a probe saw is only in a fact file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One thing the decision was told."""

    name: str
    """A key, or a fact (`fact.gpu.memory_bytes`)."""
    value: Plain
    how: str
    """For a key: who decided it (`by precision@1`). For a fact: `measured by nvml@1`."""
    evidence: str = ""
    """What the probe saw, from the fact file of the target."""
    unseen: str = ""
    """Why there is no evidence of a fact; empty for keys and for facts with evidence."""
    trust: str = ""
    """Of a fact, how it is known in one word: `measured`, `declared`, ..."""
    weakest: bool = False
    """No other fact that the decision was told is trusted less."""
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """One tipping point: `to 16 when fact.gpu.memory_bytes >= 84930000000 (79.1 GiB)`."""

    source: str
    """The key or fact that moves; `fact.data.token_lengths.max` is one number of a table."""
    op: str
    """`>=` and `<=`: from there on; `==`: only there; `in`: at each of `at`."""
    at: Plain
    to: Plain
    """The new value; None also where there is none, and `stop` says why."""
    stop: str | None = None
    until: Plain = None
    """With `>=` and `<=`: the last value in that direction with this outcome; None: without end."""
    unit: str = ""
    """Of `at` and `until`."""
    to_unit: str = ""

    def __str__(self) -> str:
        if self.op == "in" and isinstance(self.at, tuple):
            *some, last = map(show, self.at)
            where = f"is {', '.join(some)} or {last}"
        elif isinstance(self.at, str | bool | tuple | None):
            where = f"is {show(self.at)}"
        else:
            where = f"{self.op.replace('==', '=')} {with_size(self.at, self.unit)}"
        if self.until is not None:
            way = "up" if self.op == ">=" else "down"
            where += f", {way} to {with_size(self.until, self.unit)}"
        return f"{self.outcome} when {self.source} {where}" + (
            f": {self.stop}" if self.stop else ""
        )

    @property
    def outcome(self) -> str:
        """`to 16`, or `to no value`."""
        return "to no value" if self.stop else f"to {with_size(self.to, self.to_unit)}"


def no_flips() -> tuple[Flip, ...]:
    """For decisions that no rule made."""
    return ()


class Override(Protocol):
    """What decides a key by hand: see `kavaspec.paste`."""

    @property
    def text(self) -> str:
        """A line, or the header of a table and a line."""

    @property
    def at(self) -> str:
        """Where: `under [train], kava.toml:31`."""


def no_override() -> Override | None:
    """For decisions whose spec is not at hand."""
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Everything worth knowing about one decision."""

    key: str
    value: Plain
    tier: str
    by: str
    meaning: str
    """The key's docstring."""
    unit: str
    because: str
    asked: str
    """Where it was asked for: `asked for at kava.toml:15:1`, `left out of kava.toml`."""
    where: Where | None = None
    """The same place as data, where the spec speaks of the key."""
    terms: tuple[Term, ...] = ()
    sources: tuple[Source, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    guard: tuple[str, ...] = ()
    provisional: str | None = None
    stale: str | None = None
    """Why this is only what the lock records: the rules give something else from it now."""
    feeds: tuple[str, ...] = ()
    """Keys whose decision reads this one."""
    reaches: tuple[str, ...] = ()
    """Keys that depend on it through those, without those."""
    find_flips: Callable[[], tuple[Flip, ...]] = no_flips
    find_override: Callable[[], Override | None] = no_override
    """Both are asked only for the decision that is shown: they try many things."""

    @property
    def flips(self) -> tuple[Flip, ...]:
        """The tipping points of the rule around what it was told."""
        return self.find_flips()

    @property
    def override(self) -> Override | None:
        """What to write to decide it by hand."""
        return self.find_override()


Explanations = Mapping[str, Explanation]


def headline(explanation: Explanation) -> str:
    """`train.precision = bfloat16`: the first line of every view."""
    return f"{explanation.key} = {with_size(explanation.value, explanation.unit)}"


Tone: TypeAlias = Literal["plain", "warn", "bad"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of an explanation: its name, and rows of cells that say it."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    tone: Tone = "plain"
    joint: str = " "
    """What stands between the last two cells of a row where columns are not aligned."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The rows, each as one text."""
        return tuple(
            self.joint.join((" ".join(row[:-1]), row[-1])) if row[1:] else row[0]
            for row in self.rows
        )


def sections(it: Explanation) -> Iterator[Section]:
    """What every view shows of an explanation, in the order in which one asks."""
    if it.stale:
        yield _lines("stale", it.stale, tone="bad")
    yield _lines("because", it.because)
    if it.provisional:
        yield _lines("provisional", it.provisional, tone="warn")
    yield _lines("tier", ", ".join(filter(None, (it.tier, f"by {it.by}", it.asked))))
    yield _rows("arithmetic", ((t.name, f"= {t.formula}", f"= {show(t.value)}") for t in it.terms))
    yield _rows("from", map(_source_row, it.sources), joint=", ")
    weakest = [source for source in it.sources if source.weakest]
    if weakest:
        yield _lines("trust", _trust(weakest, it.sources))
    yield _rows(
        "not", ((with_size(no.value, it.unit), no.because) for no in it.rejected), joint=": "
    )
    yield _lines("flips", *flips_text(it.flips))
    yield _lines("valid while", *it.guard)
    yield _lines("feeds", *([feeds_text(it.feeds, it.reaches)] if it.feeds else []))
    if it.override is not None:
        yield _lines("override", f"{it.override.at}:", *it.override.text.split("\n"))


LITTLE = 1000
"""Of a size: a thousandth up or down is only a little."""


def flips_text(flips: Sequence[Flip]) -> Iterator[str]:
    """One line each; what only repeats its source, or moves with it, is told once."""
    by_source: dict[str, list[Flip]] = {}
    for flip in flips:
        by_source.setdefault(flip.source, []).append(flip)
    for source, found in by_source.items():
        alike = [flip for flip in found if flip.stop is None and _repeats(flip)]
        others = [flip for flip in found if flip not in alike]
        words = [show(flip.at) for flip in alike if isinstance(flip.at, str)]
        if len(words) > 1:
            yield f"with {source}: {', '.join(words[:-1])} or {words[-1]}"
        elif len(alike) == len(found) == 2 and _apart(found) == 2:
            yield f"with {source}, step by step"
        elif len(found) == 2 and 0 < _apart(found) * LITTLE <= abs(_number(found[0].at)):
            yield f"a little with {source}"
            continue
        else:
            others = found
        yield from map(str, others)


def _repeats(flip: Flip) -> bool:
    """Whether it gives the very value that its source has, or a list of nothing else."""
    if flip.op != "==" or flip.at is None or isinstance(flip.at, bool):
        return False
    each = flip.to if isinstance(flip.to, tuple) and flip.to else (flip.to,)
    return all(same(item, flip.at) for item in each)


def _apart(flips: Sequence[Flip]) -> float:
    """How far the tipping points below and above are from each other; 0 for others."""
    below, above = _number(flips[0].at), _number(flips[-1].at)
    return above - below if below and above else 0


def _number(value: Plain) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def feeds_text(direct: tuple[str, ...], through: tuple[str, ...]) -> str:
    """`train.accumulation, and 3 more through it`."""
    more = f", and {len(through)} more through {'it' if len(direct) == 1 else 'them'}"
    return ", ".join(direct) + (more if through else "")


def record(it: Explanation) -> dict[str, Any]:
    """The explanation for programs. Names stay; new ones may come."""
    return {
        "key": it.key,
        "value": thaw(it.value),
        "unit": it.unit,
        "tier": it.tier,
        "by": it.by,
        "meaning": it.meaning,
        "because": it.because,
        "asked": it.asked,
        "where": None if it.where is None else _place(it.where),
        "stale": it.stale,
        "provisional": it.provisional,
        "terms": [
            {"name": term.name, "formula": term.formula, "value": term.value} for term in it.terms
        ],
        "sources": [
            {
                "name": source.name,
                "value": thaw(source.value),
                "unit": source.unit,
                "how": source.how,
                "trust": source.trust or None,
                "weakest": source.weakest,
                "evidence": source.evidence or None,
                "no_evidence": source.unseen or None,
            }
            for source in it.sources
        ],
        "rejected": [{"value": thaw(no.value), "because": no.because} for no in it.rejected],
        "flips": [
            {
                "source": flip.source,
                "op": flip.op,
                "at": thaw(flip.at),
                "until": thaw(flip.until),
                "to": thaw(flip.to),
                "no_value": flip.stop,
                "text": str(flip),
            }
            for flip in it.flips
        ],
        "guard": list(it.guard),
        "feeds": list(it.feeds),
        "reaches": list(it.reaches),
        "override": None if it.override is None else it.override.text,
        "override_at": None if it.override is None else it.override.at,
    }


def _place(where: Where) -> dict[str, Any]:
    return {"path": where.path, "line": where.line, "column": where.column}


def _source_row(source: Source) -> tuple[str, ...]:
    seen = f": {source.evidence}" if source.evidence else ""
    otherwise = source.unseen.removeprefix(NO_EVIDENCE).removeprefix(": ")
    unseen = f"; {otherwise}" if otherwise else ""
    value = with_size(source.value, source.unit)
    return (source.name, f"= {value}", f"{source.how}{seen}{unseen}")


def _trust(weakest: list[Source], sources: tuple[Source, ...]) -> str:
    """`assumed is the least that it rests on: fact.memory.batch_table`."""
    how = weakest[0].trust
    if len(weakest) == sum(bool(source.trust) for source in sources):
        return f"{how}: every fact of it" if len(weakest) > 1 else how
    more = f" and {len(weakest) - 1} more" if len(weakest) > 1 else ""
    return f"{how} is the least that it rests on: {weakest[0].name}{more}"


def _lines(name: str, *texts: str, tone: Tone = "plain") -> Section:
    return Section(name=name, rows=tuple((text,) for text in texts), tone=tone)


def _rows(name: str, rows: Iterable[tuple[str, ...]], *, joint: str = " ") -> Section:
    return Section(name=name, rows=tuple(rows), joint=joint)
