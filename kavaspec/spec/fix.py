"""Put the certain repairs of a spec into its text, and leave every other character alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kavaspec.errors import Fix, KavaError, Problem, Where
from kavaspec.spec.load import parse_spec

ROUNDS = 50
"""A repair may uncover the next: TOML shows one slip at a time. More than these are not repaired."""
SYNTAX = ("KV0101", "KV0102")


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One repair that was made."""

    where: Where
    old: str
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Repaired:
    """A text with its repairs, and what is still wrong with it."""

    text: str
    edits: tuple[Edit, ...]
    left: tuple[Problem, ...]


def repaired(text: str, path: str) -> Repaired:
    """Every certain repair, round after round, until there is none left to make."""
    edits: list[Edit] = []
    left = problems_of(text, path)
    for _ in range(ROUNDS):
        fixes = _certain(text, path, left)
        if not fixes:
            break
        edits += [_edit(fix) for fix in fixes]
        text = apply(text, fixes)
        left = problems_of(text, path)
    return Repaired(text=text, edits=tuple(edits), left=left)


def problems_of(text: str, path: str) -> tuple[Problem, ...]:
    """Everything that is wrong with a spec; nothing, when it can be read."""
    try:
        parse_spec(text, path, set={})
    except KavaError as error:
        return error.problems
    return ()


def apply(text: str, fixes: Sequence[Fix]) -> str:
    """The text with each marked place replaced; line ends stay as they are."""
    lines = text.split("\n")
    for fix in sorted(fixes, key=lambda it: (it.where.line, it.where.column), reverse=True):
        line, start = lines[fix.where.line - 1], fix.where.column - 1
        lines[fix.where.line - 1] = line[:start] + fix.text + line[start + fix.where.width :]
    return "\n".join(lines)


def _certain(text: str, path: str, problems: Sequence[Problem]) -> list[Fix]:
    """The repairs that do not break the text: one that would, was not meant."""
    fixes = list(dict.fromkeys(problem.fix for problem in problems if problem.fix is not None))
    broken = any(problem.code in SYNTAX for problem in problems)
    if broken or not _breaks(apply(text, fixes), path):
        return fixes
    return [fix for fix in fixes if not _breaks(apply(text, [fix]), path)][:1]


def _breaks(text: str, path: str) -> bool:
    return any(problem.code in SYNTAX for problem in problems_of(text, path))


def _edit(fix: Fix) -> Edit:
    start = fix.where.column - 1
    return Edit(where=fix.where, old=fix.where.text[start : start + fix.where.width], new=fix.text)
