"""What can go wrong, said so that the reader knows what to do next.

`KavaError` is everything that a user can cause; it carries one or more problems. A `Problem` is
data: a sentence, the key it is about, the place in a file, and the way out. Only `kavaspec.cli`
turns problems into text; everything else raises or returns them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from typing import Literal


class Exit(IntEnum):
    """Exit codes of every command. Stable: schedulers and CI scripts branch on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    STALE = 3
    DRIFT = 4
    UNLOCKED = 5
    BROKEN = 6
    UNSATISFIABLE = 7
    ENVIRONMENT = 8
    SAME = 0
    DIFF_PLACEMENT = 10
    DIFF_NUMERICS = 11
    DIFF_EXPERIMENT = 12
    INTERRUPTED = 85


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """A place in a file. `line` and `column` count from 1; `width` is how many columns to mark."""

    path: str
    line: int
    column: int
    width: int = 1
    text: str = ""
    """The whole line, so that the message can show it without opening the file again."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """A repair that is certain: put `text` where `where` marks. `kavaspec fix` does it."""

    where: Where
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One thing that the spec says, and where: `train.global_batch = 60  kava.toml:12:1`."""

    text: str
    where: Where | None
    """None where `--set` said it."""

    def __str__(self) -> str:
        return f"{self.text}  {self.where or '(--set)'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong, or (as a warning) unwise."""

    message: str
    exit: Exit
    code: str
    """`KV0104`: stable, for scripts and for `docs/errors.md`. Registered in `kavaspec/codes.py`."""
    key: str | None = None
    where: Where | None = None
    hint: str | None = None
    """What to do about it, as one imperative sentence or a line to paste."""
    severity: Literal["error", "warning"] = "error"
    about: tuple[str, ...] = ()
    """Other keys and facts that bear on it: where `key` itself is not in the spec, one is shown."""
    setting: str | None = None
    """`KEY=VALUE` where not a file but `--set` said it; then there is no `where`."""
    fix: Fix | None = None
    """The repair, where only one can be meant."""
    because: tuple[Said, ...] = ()
    """For values that cannot be met together: the smallest set of lines that conflict."""


class KavaError(Exception):
    """A mistake or a missing thing that the user can mend. Shown without a traceback."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("a KavaError needs at least one Problem")
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))

    @property
    def exit_code(self) -> Exit:
        """The code of the first problem: callers sort by position, so it is the first one read."""
        return self.problems[0].exit


def fail(
    message: str, exit: Exit, *, code: str, key: str | None = None, hint: str | None = None
) -> KavaError:
    """One error with one problem, ready to raise."""
    return KavaError(Problem(message=message, exit=exit, code=code, key=key, hint=hint))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known name nearest to `word`, or None when nothing is close."""
    names = list(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return close[0]
    tail = word.rpartition(".")[2]
    by_tail = {name.rpartition(".")[2]: name for name in names}
    close = get_close_matches(tail, list(by_tail), n=1, cutoff=0.7)
    return by_tail[close[0]] if close else None
