"""One changed character anywhere in a golden lock: nothing changed in meaning, or exit 6 at that block.

Each block is read in a lock of its own, which makes it a thousand times quicker to try them all:
`KAVASPEC_EFFORT=10` tries every character, and beyond that several others in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.lock.file import parse_lock
from kavaspec.lock.model import Lock
from tests.effort import effort
from tests.properties.commands import TRIED

ROOT = Path(__file__).parents[2]
GOLDEN = (ROOT / "tests/golden/a100-slurm.lock").read_text(encoding="utf-8")
CHECKS = parse_lock(GOLDEN, "kava.lock").checks
OTHERS = "0197abzE \"'{}[]:,#\n-.&*!|>%@`~?=<"
"""What is put in the place of a character."""
STEP = max(1, 400 // effort(40))
EACH = max(1, effort(1) // 40)

NAME = re.compile(r"(?m)^( +)((?:fact\.)?[a-z][\w.]*):(?: |$)")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One fact or decision of the golden lock, as its text."""

    name: str
    section: str
    text: str


def parts() -> list[Part]:
    """Every fact and every decision."""
    found: list[Part] = []
    section = ""
    for piece in GOLDEN.split("\n\n"):
        header = piece.strip().rstrip(":")
        if piece.strip().endswith(":") and "\n" not in piece.strip():
            section = f"{'targets.' if piece.startswith('    ') else ''}{header}"
            continue
        name = NAME.match(piece)
        if name is not None:
            found.append(Part(name=name[2], section=section, text=piece.rstrip("\n")))
    return found


def alone(section: str, text: str) -> str:
    """A whole lock with this one part in it, and something else in every other place."""
    inside = {
        "facts": '  fact.data.rows: {value: 1, how: measured, probe: cpu@1, seal: "83e9a4"}',
        "experiment": "",
        "targets.facts": "",
        "targets.decisions": "",
    }
    inside |= {section: text}
    return (
        f"lock_version: 1\n\nchecks: {CHECKS}\n\nfacts:\n\n"
        f"{inside['facts']}\n\nexperiment:\n\n{inside['experiment'] or EXPERIMENT}\n\n"
        f"targets:\n\n  a100:\n\n    facts:\n\n{inside['targets.facts']}\n\n    decisions:\n\n"
        f"{inside['targets.decisions'] or DECISION}\n"
    )


def _first(section: str) -> str:
    return next(part.text for part in parts() if part.section == section)


EXPERIMENT = _first("experiment")
DECISION = _first("targets.decisions")
PARTS = parts()


def test_the_parts_are_the_whole_lock():
    lock = parse_lock(GOLDEN, "kava.lock")
    names = [part.name for part in PARTS]
    [target] = lock.targets.values()
    assert sorted(names) == sorted(
        [*lock.facts, *lock.experiment, *target.facts, *target.decisions]
    )
    assert sum(len(part.text) for part in PARTS) > 0.95 * len(GOLDEN)


def changed(part: Part) -> Iterator[tuple[int, str]]:
    """Place and text of each try; never the first character of a line, which only makes a comment
    of it or moves it."""
    for at in range(len(part.text)):
        if (at * 7919 + len(part.text)) % STEP:
            continue
        for turn in range(EACH):
            new = OTHERS[(at + 11 * turn) % len(OTHERS)]
            if new != part.text[at]:
                yield at, part.text[:at] + new + part.text[at + 1 :]


def inside(part: Part, at: int) -> bool:
    """Whether a place is behind the name: in the value, by, inputs, guard or seal."""
    return at > part.text.index(f"{part.name}:") + len(part.name)


@pytest.mark.parametrize("section", ["facts", "experiment", "targets.facts", "targets.decisions"])
def test_one_changed_character_is_harmless_or_named(section: str):
    tried = 0
    for part in PARTS:
        if part.section != section:
            continue
        whole = parse_lock(alone(section, part.text), "kava.lock")
        for at, text in changed(part):
            tried += 1
            spoilt = alone(section, text)
            try:
                lock = parse_lock(spoilt, "kava.lock")
            except KavaError as error:
                TRIED["one character of the golden lock: exit 6"] += 1
                assert error.exit_code == Exit.BROKEN
                assert is_named(error, part, spoilt, text), (part.name, at, text, error)
            else:
                TRIED["one character of the golden lock: means the same"] += 1
                same = lock == whole
                gone = not inside(part, at) and is_less(lock, whole)
                assert same or gone, (part.name, at, text)
    assert tried


def is_named(error: KavaError, part: Part, spoilt: str, text: str) -> bool:
    """A problem names the key, or points into its block or the line after it."""
    first = spoilt[: spoilt.index(text)].count("\n") + 1
    last = first + text.count("\n") + 2
    return any(
        part.name in problem.message or (problem.where and first <= problem.where.line <= last)
        for problem in error.problems
    )


def is_less(lock: Lock, whole: Lock) -> bool:
    """The part is gone, because its name became a comment: then it is missing, and `check` says so."""
    mine = (lock.facts, lock.experiment, *(it.facts for it in lock.targets.values()))
    its = (whole.facts, whole.experiment, *(it.facts for it in whole.targets.values()))
    return all(a.items() <= b.items() for a, b in zip(mine, its, strict=True))
