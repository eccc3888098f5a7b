"""A lock as lines of text: the list of its decisions, and the explanation of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kavaspec.explanation import Explanation, Explanations, Source, Tone, headline, sections
from kavaspec.lock.model import Lock
from kavaspec.plain import Plain, show
from kavaspec_tui.rows import Role, Row, clean, fit, wrap

TIERS = {
    "experiment": "the scientific claim",
    "numerics": "may change bits, not the claim",
    "placement": "changes neither",
}


def bare(lock: Lock, target: str) -> Explanations:
    """Decisions without their reasons, for a lock whose spec is not at hand."""
    return {
        key: Explanation(
            key=key,
            value=block.value,
            tier="experiment" if key in lock.experiment else "target",
            by=block.by,
            meaning="",
            unit="",
            because="the spec of this lock is not here, so the reason cannot be told",
            asked="",
            sources=tuple(_told(lock, target, name, value) for name, value in block.inputs.items()),
            guard=block.guard,
            provisional="it rests on facts that nobody measured" if block.provisional else None,
        )
        for key, block in lock.blocks(target).items()
    }


def _told(lock: Lock, target: str, name: str, value: Plain) -> Source:
    fact, block = lock.facts_of(target).get(name), lock.blocks(target).get(name)
    how = f"{fact.how} by {fact.probe}" if fact else block.by if block else ""
    return Source(name=name, value=value, how=how)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the list of decisions: a heading (no key), or a decision."""

    row: Row
    key: str | None


def kind_of(by: str) -> str:
    """Who decided, in one word: `you`, `rule` or `default`."""
    if by in ("spec", "set", "target"):
        return "you"
    return "default" if by.startswith(("default@", "preset ")) else "rule"


_KIND_SIGNS: dict[str, tuple[str, Role]] = {
    "you": ("U", "mark"),
    "rule": ("R", "rule"),
    "default": (" ", "faint"),
}


def matches(explanation: Explanation, words: Sequence[str]) -> bool:
    """Whether every word occurs in the decision's key, value, tier, rule, reason or marks."""
    text = " ".join(
        (
            explanation.key,
            show(explanation.value),
            explanation.tier,
            explanation.by,
            kind_of(explanation.by),
            explanation.because,
            "provisional" if explanation.provisional else "",
        )
    ).casefold()
    return all(word.casefold() in text for word in words)


def decision_entries(
    explanations: Mapping[str, Explanation],
    width: int,
    *,
    search: str = "",
    defaults: bool = True,
    warned: Mapping[str, str] | None = None,
) -> list[Entry]:
    """The list, by tier and key, with a heading for each tier that has a match."""
    words, entries = search.split(), list[Entry]()
    tiers = [*TIERS, *sorted({one.tier for one in explanations.values()} - TIERS.keys())]
    widths = columns(explanations.values(), width)
    shown = [
        one
        for one in explanations.values()
        if matches(one, words) and (defaults or kind_of(one.by) != "default")
    ]
    for tier in tiers:
        kept = [one for one in shown if one.tier == tier]
        if kept:
            text = f"{TIERS.get(tier, '')} · {len(kept)}".lstrip(" ·")
            entries.append(Entry(row=[(f" {tier} ", "title"), (text, "faint")], key=None))
        for one in kept:
            marked = one.key in (warned or {}) or one.stale is not None
            row = decision_row(one, widths, warned=marked)
            entries.append(Entry(row=row, key=one.key))
    return entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Widths of the list's columns; the tier is a heading, so it needs none."""

    key: int
    value: int
    rule: int


def columns(explanations: Iterable[Explanation], width: int) -> Columns:
    """Keys and rules as wide as they need, as far as the value keeps a third."""
    known = list(explanations)
    room = max(width - 5, 3)
    key = min(max((len(one.key) for one in known), default=3), max(room * 42 // 100, 1))
    rule = min(max((len(one.by) for one in known), default=4), max(room // 4, 1))
    return Columns(key=key, value=max(room - key - rule, 1), rule=rule)


def decision_row(one: Explanation, widths: Columns, *, warned: bool = False) -> Row:
    """Mark, who decided, key, value and rule, on one line."""
    kind = kind_of(one.by)
    sign, role = _KIND_SIGNS[kind]
    state: tuple[str, Role] = (
        ("!", "bad") if warned else ("~", "warn") if one.provisional else (" ", "text")
    )
    faint = kind == "default"
    return [
        state,
        (sign, role),
        (" ", "text"),
        *fit([(one.key, "faint" if faint else "key")], widths.key),
        (" ", "text"),
        *fit([(short_value(one.value, widths.value), "faint" if faint else "value")], widths.value),
        (" ", "text"),
        *fit([(one.by, role)], widths.rule),
    ]


def columns_row(widths: Columns) -> Row:
    """The names of the columns."""
    return [(f"   {'KEY':<{widths.key}} {'VALUE':<{widths.value}} RULE", "faint")]


def short_value(value: Plain, width: int) -> str:
    """The value on one line; a digest keeps both ends."""
    text = clean(show(value))
    if len(text) > width and text.startswith("sha256:"):
        return text[: max(width - 5, 1)] + "…" + text[-4:]
    return text


def explanation_rows(one: Explanation, width: int, *, warning: str | None = None) -> list[Row]:
    """Everything worth knowing about a decision, the winner first and the losers last."""
    rows = wrap(headline(one), width, role="title")
    about = f"{one.tier} · {one.by}" + (f" · {one.unit}" if one.unit else "")
    rows += wrap(about, width, role="rule")
    rows += [*(wrap(one.meaning, width, role="faint") if one.meaning else []), []]
    if warning:
        rows += _section("warning", [warning], width, role="bad")
    for part in sections(one):
        if part.name != "tier":  # said above
            role = "key" if part.name == "override" else _TONES[part.tone]
            rows += _section(part.name, part.texts, width, role=role)
    rows += _section("asked", [one.asked] if one.asked else [], width)
    return rows[:-1] if rows and rows[-1] == [] else rows


_TONES: dict[Tone, Role] = {"plain": "text", "warn": "warn", "bad": "bad"}

LABELS = 12


def _section(name: str, texts: Sequence[str], width: int, role: Role = "text") -> list[Row]:
    """A word on the left, its lines beside it, and an empty line."""
    rows: list[Row] = []
    for text in texts:
        rows += wrap(text, width, indent=min(LABELS, width // 3), role=role)
    if not rows:
        return []
    rows[0] = [
        (
            fit([(name, "faint")], min(LABELS, width // 3))[0][0].ljust(min(LABELS, width // 3)),
            "faint",
        ),
        *rows[0][1:],
    ]
    return [*rows, []]


def summary(explanations: Mapping[str, Explanation]) -> str:
    """`75 decisions: 21 by rule, 11 yours, 43 default, 3 provisional`."""
    kinds = [kind_of(one.by) for one in explanations.values()]
    provisional = sum(one.provisional is not None for one in explanations.values())
    parts = [
        f"{kinds.count(kind)} {word}"
        for kind, word in (("rule", "by rule"), ("you", "yours"), ("default", "default"))
        if kinds.count(kind)
    ]
    parts += [f"{provisional} provisional"] if provisional else []
    return f"{len(kinds)} decisions: {', '.join(parts)}"


def by_target(lock: Lock, explanations: Mapping[str, Explanations]) -> dict[str, Explanations]:
    """The explanations of every target of a lock, without reasons where none are known."""
    return {target: explanations.get(target) or bare(lock, target) for target in lock.targets}
