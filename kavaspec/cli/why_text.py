"""How `kavaspec why` looks: every answer as lines of text, and as a record for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kavaspec.cli.render import WHOLE, Pen, clip, laid_out, problem_text, table, wrapped
from kavaspec.explain import Case, FactStory, Use
from kavaspec.explanation import Explanation, Section, feeds_text, headline, sections
from kavaspec.lock.ids import Ids
from kavaspec.lock.model import Block
from kavaspec.plain import Plain, counted, show, thaw
from kavaspec.sizes import with_size
from kavaspec.what_if import Consequence, Outcome, spelled
from kavaspec.why_not import WhyNot

if TYPE_CHECKING:
    from kavaspec.codes import Code

LISTED, SHORT = 60, 12
"""Columns of a value in a list of many, at most and at least."""
LABEL = 15
"""Columns of the names of sections."""

_STYLES = {"plain": (), "warn": ("yellow",), "bad": ("bold", "red")}


def explanation_lines(it: Explanation, pen: Pen) -> Iterator[str]:
    """The explanation of one key, most important first."""
    yield from _head(headline(it), it.unit, pen)
    for section in sections(it):
        yield from section_lines(section, pen)
    if it.meaning:
        yield from section_lines(Section(name="means", rows=((it.meaning,),)), pen)


def _head(text: str, unit: str, pen: Pen) -> Iterator[str]:
    *above, last = wrapped(text, pen.width, then="    ")
    yield from (pen(line, "bold") for line in above)
    yield pen(last, "bold") + (f"  {unit}" if unit else "")


def section_lines(section: Section, pen: Pen) -> Iterator[str]:
    """The name on the left, the rows beside it; cells of one column are aligned."""
    name = f"  {section.name:<{LABEL - 2}}"
    to_paste = section.name == "override"
    room = None if pen.width is None or to_paste else pen.width - LABEL
    for line in laid_out(section.rows, room, joint=section.joint):
        yield (name + pen(line, *_STYLES[section.tone])).rstrip()
        name = " " * LABEL


def fact_lines(it: FactStory, lock: str, pen: Pen) -> Iterator[str]:
    """The explanation of one fact."""
    if not it.how:
        yield pen(it.name, "bold") + f" is not in {lock}: nothing rests on it"
        yield from section_lines(Section(name="means", rows=((it.meaning,),)), pen)
        return
    yield from _head(f"{it.name} = {with_size(it.value, it.unit)}", it.unit, pen)
    about = ", ".join(f"{key} = {show(value)}" for key, value in it.of.items())
    rows = [("known", it.how), ("evidence", it.evidence or it.unseen), ("about", about)]
    rows += [("feeds", feeds_text(it.feeds, it.reaches) if it.feeds else "no decision")]
    for name, text in (*rows, ("checked by", ", ".join(it.checks))):
        yield from section_lines(Section(name=name, rows=((text,),) if text else ()), pen)
    guards = tuple((key, f"is valid while {guard}") for key, guard in it.guards)
    yield from section_lines(Section(name="guards", rows=guards), pen)
    yield from section_lines(Section(name="means", rows=((it.meaning,),)), pen)


def code_lines(it: Code, pen: Pen) -> Iterator[str]:
    """What the code of a message means, and what to do."""
    ends = "a warning" if it.exit is None else f"exit {int(it.exit)}"
    do = re.sub(r"\[([^]]+)\]\([^)]*\)", r"docs/\1", it.do)  # a link of the page, as a path
    yield from _head(f"{it.code}: {it.title}", "", pen)
    for name, text in (("ends with", ends), ("means", it.meaning), ("do", do)):
        yield from section_lines(Section(name=name, rows=((text,),)), pen)


def list_lines(case: Case, names: Sequence[str], table_name: str, pen: Pen) -> Iterator[str]:
    """The keys or facts of a table, one line each."""
    yield pen(f"{table_name} has {counted(len(names), 'name')} in this lock", "bold")
    rows = [_listed(case, name) for name in names]
    beside = max(len(name) for name, _, _ in rows) + max(len(by) for _, _, by in rows) + 4
    room = LISTED if pen.width is None else max(SHORT, min(LISTED, pen.width - beside))
    yield from table([(name, clip(value, room), by) for name, value, by in rows], WHOLE)
    yield f"name one: kavaspec why {names[0]}"


def uses_lines(
    case: Case, name: str, found: Sequence[Use], checks: Sequence[str], pen: Pen
) -> Iterator[str]:
    """What depends on a key or fact, as a tree."""
    yield pen(f"{name} = {spelled(name, value_of(case, name))}", "bold")
    rows = [*_tree(found, 1)]
    yield from laid_out(rows, pen.width)
    direct, everything = len(found), len(set(_all_keys(found)))
    through = f", {direct} of them directly" if everything > direct else ""
    yield f"{counted(everything, 'decision')} {'rests' if everything == 1 else 'rest'} on it{through}"
    if checks:
        yield from wrapped(f"checked by {', '.join(checks)}", pen.width, then="    ")


def outcome_lines(it: Outcome, pen: Pen) -> Iterator[str]:
    """What a supposition would change."""
    text = "if " + " and ".join(_supposed(it)) + f", on target {it.case.target}"
    yield from (pen(line, "bold") for line in wrapped(text, pen.width, then="    "))
    yield from consequence_lines(it, pen)
    yield pen("nothing was written", "dim")


def consequence_lines(it: Outcome, pen: Pen, *, without: str | None = None) -> Iterator[str]:
    """The changes, causes first; what would break; the ids."""
    shown = [one for one in it.consequences if one.key != without]
    rows = [_change(one, less=without is not None) for one in shown]
    yield from laid_out(rows, pen.width)
    if not shown:
        yield "  no other decision would change" if without else "  no decision would change"
    for name in (*it.supposed.facts, *it.supposed.keys):
        if name not in it.before:
            yield f"  the lock has no {name}: nothing rests on it"
    if it.kept:
        yield f"  {counted(len(it.kept), 'more decision')} would be made again, to the same value"
    for key, guard in it.broken:
        text = f"the locked {key} would not be valid there: it needs {guard}"
        yield from (
            pen(line, "yellow") for line in wrapped(text, pen.width, first="  ", then="    ")
        )
    for fact in it.unknown:
        yield pen(f"  {fact} would be needed, and the lock does not hold it", "yellow")
    for problem in it.problems:
        yield from (f"  {line}" for line in problem_text(problem, pen).split("\n"))
    yield from wrapped(_ids(it.old_ids, it.new_ids), pen.width, first="  ", then="    ")


_VERDICTS = {
    "untyped": "refused",
    "vetoed": "refused",
    "limited": "refused",
    "turned_down": "turned down",
}


def why_not_lines(it: WhyNot, pen: Pen) -> Iterator[str]:
    """Why not that value."""
    now, other = spelled(it.key, it.current), spelled(it.key, it.value)
    if it.verdict == "same":
        yield pen(f"{it.key} is {now}", "bold")
    else:
        yield pen(f"{it.key} is {now}, not {other}", "bold")
    for name, text in _why_not_rows(it):
        yield from section_lines(Section(name=name, rows=((text,),)), pen)
    if it.outcome is not None and it.verdict in ("limited", "turned_down", "allowed"):
        yield f"if {it.key} = {other} were written in kava.toml:"
        yield from consequence_lines(it.outcome, pen, without=it.key)


def _why_not_rows(it: WhyNot) -> Iterator[tuple[str, str]]:
    for reason in it.reasons:
        by = f" by {reason.who}" if reason.who else ""
        yield "no", f"{_VERDICTS[it.verdict]}{by}: {reason.says}"
    for hint in dict.fromkeys(reason.hint for reason in it.reasons if reason.hint):
        yield "instead", hint
    if it.verdict == "allowed":
        yield "yes", "it is allowed: no check and no rule speaks against it"
    yield "now", f"by {it.by}, {it.asked}: {it.prefers}"
    if it.auto is not None:
        gives = f"would give {spelled(it.key, it.auto.value)}"
        yield "auto", f"{gives if it.auto.decided else 'could not decide'}: {it.auto.because}"


# ---- records -----------------------------------------------------------------------------------


def fact_record(it: FactStory) -> dict[str, Any]:
    return {
        "name": it.name,
        "value": thaw(it.value),
        "unit": it.unit,
        "meaning": it.meaning,
        "how": it.how or None,
        "evidence": it.evidence or None,
        "no_evidence": it.unseen or None,
        "of": thaw(it.of),
        "feeds": list(it.feeds),
        "reaches": list(it.reaches),
        "checks": list(it.checks),
        "guards": [{"key": key, "guard": guard} for key, guard in it.guards],
    }


def list_record(case: Case, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, "value": thaw(value_of(case, name))} for name in names]


def uses_record(found: Sequence[Use]) -> list[dict[str, Any]]:
    return [
        {
            "key": use.key,
            "value": thaw(use.value),
            "by": use.by,
            "again": use.again,
            "then": uses_record(use.then),
        }
        for use in found
    ]


def outcome_record(it: Outcome) -> dict[str, Any]:
    return {
        "supposed": {**_plain(it.supposed.facts), **_plain(it.supposed.keys)},
        "before": _plain(it.before),
        "changes": [
            {
                "key": one.key,
                "tier": one.tier,
                "old": _block(one.old),
                "new": _block(one.new),
                "because": one.because,
                "depth": one.depth,
            }
            for one in it.consequences
        ],
        "kept": list(it.kept),
        "broken_guards": [{"key": key, "guard": guard} for key, guard in it.broken],
        "problems": [
            {"severity": one.severity, "message": one.message, "key": one.key, "hint": one.hint}
            for one in it.problems
        ],
        "unknown_facts": list(it.unknown),
        "ids": {
            "before": {"kx": it.old_ids.kx, "kn": it.old_ids.kn},
            "after": None if it.new_ids is None else {"kx": it.new_ids.kx, "kn": it.new_ids.kn},
        },
    }


def why_not_record(it: WhyNot) -> dict[str, Any]:
    return {
        "key": it.key,
        "value": thaw(it.value),
        "current": thaw(it.current),
        "by": it.by,
        "verdict": it.verdict,
        "reasons": [{"who": one.who, "says": one.says, "hint": one.hint} for one in it.reasons],
        "prefers": it.prefers,
        "asked": it.asked,
        "auto": None
        if it.auto is None
        else {
            "decided": it.auto.decided,
            "value": thaw(it.auto.value),
            "because": it.auto.because,
        },
        "then": None if it.outcome is None else outcome_record(it.outcome),
    }


# ---- words -------------------------------------------------------------------------------------


def value_of(case: Case, name: str) -> Plain:
    """Of a key or a fact that the lock holds."""
    return case.blocks[name].value if name in case.blocks else case.facts[name].value


def _supposed(it: Outcome) -> Iterator[str]:
    for name, value in {**it.supposed.facts, **it.supposed.keys}.items():
        was = f" instead of {spelled(name, it.before[name])}" if name in it.before else ""
        yield f"{name} = {spelled(name, value)}{was}"


def _change(one: Consequence, *, less: bool) -> tuple[str, ...]:
    indent = "  " * (one.depth + (0 if less else 1))
    old = "nothing" if one.old is None else with_size(one.old.value, one.unit)
    new = "nothing" if one.new is None else with_size(one.new.value, one.unit)
    return (f"{indent}{one.key}", f"{old} -> {new}", one.tier, one.because)


def _listed(case: Case, name: str) -> tuple[str, str, str]:
    if name in case.blocks:
        by = f"by {case.blocks[name].by}"
    else:
        by = f"{case.facts[name].how} by {case.facts[name].probe}"
    return f"  {name}", spelled(name, value_of(case, name)), by


def _tree(found: Sequence[Use], depth: int) -> Iterator[tuple[str, ...]]:
    for use in found:
        mark = " (unfolded above)" if use.again else ""
        value = with_size(use.value, use.unit)
        yield (f"{'  ' * depth}{use.key}", f"= {value}", f"by {use.by}{mark}")
        yield from _tree(use.then, depth + 1)


def _all_keys(found: Sequence[Use]) -> Iterator[str]:
    for use in found:
        yield use.key
        yield from _all_keys(use.then)


def _ids(old: Ids, new: Ids | None) -> str:
    if new is None:
        return "no lock could be made"
    pairs = (("experiment", old.kx, new.kx), ("numerics", old.kn, new.kn))
    told = [
        f"{name} {_short(a)} stays" if a == b else f"{name} {_short(a)} -> {_short(b)}"
        for name, a, b in pairs
    ]
    return ", ".join(told)


def _short(full: str) -> str:
    name, _, digits = full.partition(":")
    return f"{name}:{digits[:8]}"


def _plain(values: Any) -> dict[str, Any]:
    return {name: thaw(value) for name, value in values.items()}


def _block(block: Block | None) -> dict[str, Any] | None:
    return None if block is None else {"value": thaw(block.value), "by": block.by}
