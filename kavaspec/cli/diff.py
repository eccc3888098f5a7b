"""`kavaspec diff A B`: what it means that two locks differ. Files, run folders, targets, git revisions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.cli.render import Pen, clip, print_json, table
from kavaspec.errors import Exit, fail
from kavaspec.facts.names import kind_of
from kavaspec.lock.diff import (
    TIERS,
    Change,
    Diff,
    FactChange,
    Otherwise,
    Setting,
    choose_pairs,
    diff,
)
from kavaspec.lock.file import parse_lock, read_lock
from kavaspec.lock.ids import short
from kavaspec.lock.model import Lock
from kavaspec.lock.telling import follows
from kavaspec.plain import Plain, counted, show
from kavaspec.sizes import with_size
from kavaspec.spec.schema import keys

LOCK = "kava.lock"
SHOWN = 44
"""Columns of a value in text; longer ones are cut, and whole in --json and --markdown."""


def command(
    a: Annotated[
        str | None,
        typer.Argument(help="A lock, a run folder, or a git revision: REV or REV:PATH."),
    ] = None,
    b: Annotated[str | None, typer.Argument(help="The same; kava.lock by default.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Only this target. Given twice: one against the other."),
    ] = None,
    all_facts: Annotated[
        bool, typer.Option("--all", help="Also the facts that moved no value.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Tables for a pull request.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The differences as JSON.")] = False,
) -> int:
    """Compare two locks by meaning; HEAD:kava.lock with kava.lock by default."""
    at = shell()
    named = tuple(target or ())
    labels = _labels(a, b, two_targets=len(named) == 2)
    first = _lock(labels[0], at.env)
    second = first if labels[0] == labels[1] else _lock(labels[1], at.env)
    pairs = choose_pairs(first, second, named, labels=labels)
    if len(pairs) == 1 and pairs[0][0] != pairs[0][1]:
        labels = (f"{labels[0]} ({pairs[0][0]})", f"{labels[1]} ({pairs[0][1]})")
    found = diff(first, second, pairs, whole=not named)
    if as_json:
        _print_json(found, labels)
        return int(found.exit)
    lines = (
        markdown_lines(found, labels)
        if markdown
        else text_lines(found, labels, at.out, width=at.width, all_facts=all_facts)
    )
    for line in lines:
        at.out.line(line)
    return int(found.exit)


def _labels(a: str | None, b: str | None, *, two_targets: bool) -> tuple[str, str]:
    """What is compared with what, when less than two locks are named."""
    if a is not None and b is not None:
        return a, b
    if two_targets:
        return a or LOCK, a or LOCK
    return a or f"HEAD:{LOCK}", LOCK


# ---- where the locks come from -----------------------------------------------------------------


def _lock(named: str, env: Mapping[str, str]) -> Lock:
    """A file, a folder with a lock in it, or a revision: what exists on disk comes first.

    Raises:
        KavaError: exit 8, when it is none of them; exit 6, when it is a broken lock.
    """
    path = Path(named)
    if path.is_dir():
        return read_lock(path / LOCK)
    if path.exists() or (named.endswith((".lock", ".toml")) and ":" not in named):
        return read_lock(path)
    stage = re.fullmatch(r"(:[0-3]):(.+)", named)  # one side of a merge
    rev, colon, inside = (stage[1], ":", stage[2]) if stage else named.partition(":")
    label = named if colon else f"{named}:{LOCK}"
    return parse_lock(_from_git(label, rev, inside or LOCK, env), label)


def _from_git(label: str, rev: str, inside: str, env: Mapping[str, str]) -> str:
    """The text of a file at a revision, or in the index when there is none.

    The path is seen from this folder, as every other path; where there is none, from the top of
    the repository, as git does.

    Raises:
        KavaError: exit 8, with git's reason.
    """
    reason = "a revision does not begin with a dash"
    for place in (f"./{inside}", inside) if not rev.startswith("-") else ():
        try:
            ran = subprocess.run(
                ["git", "cat-file", "blob", f"{rev}:{place}"],
                capture_output=True,
                check=False,
                env={**env, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise fail(
                f"{label} cannot be read: git is not installed",
                Exit.ENVIRONMENT,
                code="KV0012",
                hint="install git, or name two files: kavaspec diff A B",
            ) from None
        if ran.returncode == 0:
            return _text(ran.stdout, label)
        reason = ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    message = f"{label} cannot be read: {reason.removeprefix('fatal: ')}"
    hint = "name locks, run folders or git revisions: kavaspec diff A B"
    raise fail(message, Exit.ENVIRONMENT, code="KV0001", hint=hint)


def _text(content: bytes, label: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise fail(
            f"{label} is not a lock: it is not UTF-8 text",
            Exit.BROKEN,
            code="KV0601",
            hint="name a lock, a run folder or a git revision",
        ) from None


# ---- text --------------------------------------------------------------------------------------


def text_lines(
    found: Diff, labels: tuple[str, str], pen: Pen, *, width: int, all_facts: bool
) -> Iterator[str]:
    """The verdict, the decisions that differ with their causes, what changes nothing, the ids."""
    yield f"{labels[0]} -> {labels[1]}"
    yield pen(found.verdict, "bold", _COLOUR[found.exit])
    yield ""
    causes = _Causes(found)
    for tier in TIERS:
        rows = [row for change in found.of(tier) for row in _rows(change, causes, 1)]
        yield from _group(tier, rows, pen, width)
    rows = [(f"  {it.key}", _old_new(it), "") for it in found.settings]
    yield from _group("--set", rows, pen, width)
    others = causes.left()
    shown = [it for it in others if it.moved_something or all_facts]
    rows = [(f"  {_named(it.name, it.targets, found)}", _fact(it), "") for it in shown]
    quiet = len(others) - len(shown)
    more = f"{counted(quiet, 'fact')} that moved no value (--all shows them)" if quiet else ""
    yield from _group("facts", rows, pen, width, f"and {more}" if rows and more else more)
    rows = [("  " + name, kind, "") for name, kind in _targets(found)]
    yield from _group("targets", rows, pen, width)
    rows = [
        (f"  {_named(it.key, it.targets, found)}", _shown(it.key, it.value), "; ".join(it.what))
        for it in found.otherwise
    ]
    yield from _group("decided otherwise, same value", rows, pen, width)
    ids = [(f"  {name}", _arrow(old, new), "") for name, old, new in _ids(found)]
    more = "" if found.pairs else "no target of one lock is in the other: nothing else is compared"
    *lines, _ = _group("ids", ids, pen, width, more)
    yield from lines


_COLOUR = {
    Exit.SAME: "green",
    Exit.DIFF_PLACEMENT: "green",
    Exit.DIFF_NUMERICS: "yellow",
    Exit.DIFF_EXPERIMENT: "red",
}


def _group(
    title: str, rows: Sequence[Sequence[str]], pen: Pen, width: int, more: str = ""
) -> Iterator[str]:
    if not rows and not more:
        return
    yield pen(title, "bold", "cyan")
    yield from table(rows, width)
    if more:
        yield pen(f"  {more}", "dim")
    yield ""


class _Causes:
    """The facts behind the changes: each is told once, below the first change that follows it."""

    def __init__(self, found: Diff) -> None:
        self.found = found
        self._told: list[FactChange] = []

    def below(self, change: Change) -> list[FactChange]:
        """Those that are told below this change."""
        new = [
            it
            for it in self.found.facts
            if it.name in change.follows and it not in self._told and _together(it, change)
        ]
        self._told += new
        return new

    def left(self) -> list[FactChange]:
        """Those that stand below no change."""
        return [it for it in self.found.facts if it not in self._told]


def _together(fact: FactChange, change: Change) -> bool:
    """Whether a fact differs on a target on which the key does."""
    return not (fact.targets and change.targets) or bool({*fact.targets} & {*change.targets})


def _rows(change: Change, causes: _Causes, depth: int) -> Iterator[tuple[str, str, str]]:
    """A change, the facts that it follows, and the changes that follow it."""
    indent, found, own = "  " * depth, causes.found, causes.below(change)
    names = {it.name for it in own}
    because = change.because
    if names and because.startswith("follows "):
        because = follows([name for name in change.follows if name not in names])
    yield f"{indent}{_named(change.key, change.targets, found)}", _old_new(change), because
    for it in own:
        yield f"{indent}  <- {_named(it.name, it.targets, found)}", _fact(it), ""
    for below in change.below:
        yield from _rows(below, causes, depth + 1)


def _named(key: str, targets: Sequence[str], found: Diff) -> str:
    """The key, and the targets when they are not all that are compared."""
    everywhere = len(targets) in (0, len(found.pairs))
    return key if everywhere else f"{key} ({', '.join(map(show, targets))})"


def _old_new(it: Change | Setting) -> str:
    old, new = (
        _side(it.key, it.old, it.kind != "added"),
        _side(it.key, it.new, it.kind != "removed"),
    )
    return f"{old} -> {new}"


def _side(name: str, value: Plain, there: bool) -> str:
    return _shown(name, value) if there else "absent"


def _shown(name: str, value: Plain) -> str:
    """A value with what people call its size."""
    kind, key = kind_of(name), keys().get(name)
    return clip(with_size(value, kind.unit if kind else key.unit if key else ""), SHOWN)


def _fact(it: FactChange) -> str:
    """With how it is known, where that changed."""
    known_otherwise = it.kind == "changed" and it.old_how != it.new_how
    sides = [
        _side(it.name, value, bool(how)) + (f" ({how})" if known_otherwise else "")
        for value, how in ((it.old, it.old_how), (it.new, it.new_how))
    ]
    return " -> ".join(sides)


def _targets(found: Diff) -> list[tuple[str, str]]:
    removed = ((show(name), "removed") for name in found.removed)
    return [*removed, *((show(name), "added") for name in found.added)]


def _ids(found: Diff) -> list[tuple[str, str, str]]:
    """Tier and target, id before, id after: the experiment has one for all targets."""
    a, b = found.before, found.after
    rows = [
        (
            "experiment",
            short(a.kx, provisional=a.kx_provisional),
            short(b.kx, provisional=b.kx_provisional),
        )
    ]
    for pair in found.pairs:
        a, b = pair.before, pair.after
        old, new = (
            short(a.kn, provisional=a.kn_provisional),
            short(b.kn, provisional=b.kn_provisional),
        )
        rows.append((f"numerics ({show(pair.name)})", old, new))
    return rows


def _arrow(old: str, new: str) -> str:
    """`kn1:60b4120f -> kn1:215ea0a8 (provisional)`; that both are provisional is said once."""
    (first, _, mark), (second, _, other) = old.partition(" "), new.partition(" ")
    return f"{first if mark == other else old} {'=' if first == second else '->'} {new}"


# ---- markdown ----------------------------------------------------------------------------------


def markdown_lines(found: Diff, labels: tuple[str, str]) -> Iterator[str]:
    """The same as tables that GitHub and GitLab render; every value is escaped."""
    yield f"### {code(labels[0])} → {code(labels[1])}: {found.verdict}"
    ids = [(code(name), code(old), code(new)) for name, old, new in _ids(found)]
    yield from _markdown_table("", ("id", "before", "after"), ids)
    for tier in TIERS:
        rows = [row for change in found.of(tier) for row in _markdown_rows(change, found, 0)]
        yield from _markdown_table(tier.capitalize(), ("key", "before", "after", "why"), rows)
    settings = [(code(it.key), *_markdown_sides(it)) for it in found.settings]
    yield from _markdown_table("--set", ("key", "before", "after"), settings)
    facts = [
        (_markdown_name(it.name, it.targets, found), *_markdown_fact(it))
        for it in found.facts
        if it.moved_something
    ]
    yield from _markdown_table("Facts", ("fact", "before", "after"), facts)
    targets = [(code(name), kind) for name, kind in _targets(found)]
    yield from _markdown_table("Targets", ("target", ""), targets)
    others = [_markdown_otherwise(it, found) for it in found.otherwise]
    if others:
        yield ""
        yield f"<details><summary>{len(others)} decided otherwise, same value</summary>"
        yield from _markdown_table("", ("key", "value", "what"), others)
        yield ""
        yield "</details>"


def code(text: str) -> str:
    """Text as Markdown code inside a table, whatever is in it: no markup, mention or cell gets out."""
    if re.search(r"[`|\\]|^\s|\s$|^$", text):
        escaped = "".join(c if c.isalnum() or c in " .,:/_-+" else f"&#{ord(c)};" for c in text)
        return f"<code>{escaped}</code>"
    return f"`{text}`"


def _markdown_table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[str]:
    if not rows:
        return
    yield ""
    if title:
        yield f"**{title}**"
        yield ""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def _markdown_rows(change: Change, found: Diff, depth: int) -> Iterator[tuple[str, ...]]:
    name = "&emsp;" * depth + _markdown_name(change.key, change.targets, found)
    yield name, *_markdown_sides(change), code(change.because)
    for below in change.below:
        yield from _markdown_rows(below, found, depth + 1)


def _markdown_name(key: str, targets: Sequence[str], found: Diff) -> str:
    return code(_named(key, targets, found))


def _markdown_sides(it: Change | Setting) -> tuple[str, str]:
    return (
        code(show(it.old)) if it.kind != "added" else "–",
        code(show(it.new)) if it.kind != "removed" else "–",
    )


def _markdown_fact(it: FactChange) -> tuple[str, str]:
    return (
        f"{code(show(it.old))} {it.old_how}" if it.old_how else "–",
        f"{code(show(it.new))} {it.new_how}" if it.new_how else "–",
    )


def _markdown_otherwise(it: Otherwise, found: Diff) -> tuple[str, ...]:
    name = _markdown_name(it.key, it.targets, found)
    return name, code(show(it.value)), "; ".join(map(code, it.what))


# ---- json --------------------------------------------------------------------------------------


def _print_json(found: Diff, labels: tuple[str, str]) -> None:
    print_json(
        "kavaspec.diff/1",
        a=labels[0],
        b=labels[1],
        exit=int(found.exit),
        verdict=found.verdict,
        same={
            "experiment": found.same_experiment,
            "numerics": found.same_numerics,
            "placement": found.same_placement,
        },
        ids={"before": found.before, "after": found.after},
        targets=found.pairs,
        added_targets=found.added,
        removed_targets=found.removed,
        set=found.settings,
        facts=found.facts,
        changes=found.changes,
        otherwise=found.otherwise,
    )
