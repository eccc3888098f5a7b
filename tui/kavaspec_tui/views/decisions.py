"""A lock as lines of text: the list of its decisions, and the explanation of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kavaspec.decision import Term
from kavaspec.explanation import Explanation, Source, headline
from kavaspec.plain import Plain, show
from kavaspec_tui.rows import Role, Row, clean, fit, wrap

TIERS = {
    "experiment": "the scientific claim",
    "numerics": "may change bits, not the claim",
    "placement": "changes neither",
}


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
    for tier, meaning in TIERS.items():
        kept = [
            one
            for one in explanations.values()
            if one.tier == tier
            and matches(one, words)
            and (defaults or kind_of(one.by) != "default")
        ]
        if kept:
            heading: Row = [(f" {tier} ", "title"), (f"{meaning} · {len(kept)}", "faint")]
            entries.append(Entry(row=fit(heading, width), key=None))
        entries += [
            Entry(row=decision_row(one, width, warned=one.key in (warned or {})), key=one.key)
            for one in kept
        ]
    return entries


def columns(width: int) -> tuple[int, int, int]:
    """Widths of KEY, VALUE and RULE; the tier is a heading, so it needs no column."""
    room = max(width - 4, 3)
    key = min(30, max(room * 2 // 5, 1))
    rule = min(22, max(room // 4, 1))
    return key, max(room - key - rule - 2, 1), rule


def decision_row(one: Explanation, width: int, *, warned: bool = False) -> Row:
    """Mark, key, value and who decided, on one line."""
    key, value, rule = columns(width)
    sign, role = _KIND_SIGNS[kind_of(one.by)]
    state: tuple[str, Role] = (
        ("!", "bad") if warned else ("~", "warn") if one.provisional else (" ", "text")
    )
    plain = kind_of(one.by) == "default"
    return fit(
        [
            state,
            (sign, role),
            (" ", "text"),
            *fit([(one.key, "faint" if plain else "key")], key),
            (" ", "text"),
            *fit([(short_value(one.value, value), "faint" if plain else "value")], value),
            (" ", "text"),
            *fit([(one.by, role)], rule),
        ],
        width,
    )


def columns_row(width: int) -> Row:
    """The names of the columns."""
    key, value, _ = columns(width)
    return fit([(f"   {'KEY':<{key}} {'VALUE':<{value}} RULE", "faint")], width)


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
    rows += [*wrap(about, width, role="rule"), *wrap(one.meaning, width, role="faint"), []]
    for text, role in ((warning, "bad"), (one.provisional, "warn")):
        if text:
            word = "warning" if role == "bad" else "provisional"
            rows += _section(word, [text], width, role="bad" if role == "bad" else "warn")
    rows += _section("because", [one.because], width, role="text")
    rows += _terms(one.terms, width)
    rows += _section("told", [source_text(s) for s in one.sources], width)
    rows += _section("not", [f"{show(r.value)}: {r.because}" for r in one.rejected], width)
    rows += _section("valid while", list(one.guard), width)
    rows += _section("feeds", list(one.feeds), width)
    rows += _section("asked", [one.asked], width)
    rows += _section("override", one.override.splitlines(), width, role="key")
    return rows[:-1] if rows and rows[-1] == [] else rows


def source_text(source: Source) -> str:
    """`fact.gpu.name = NVIDIA A100, measured by nvidia@1 (NVML)`."""
    evidence = f" ({source.evidence})" if source.evidence else ""
    return f"{source.name} = {show(source.value)}, {source.how}{evidence}"


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


def _terms(terms: Sequence[Term], width: int) -> list[Row]:
    lines = [f"{term.name} = {term.formula} = {show(term.value)}" for term in terms]
    return _section("arithmetic", lines, width)


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
