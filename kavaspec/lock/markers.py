"""What git writes into a lock that it could not merge: where its markers stand, and the two sides."""

from __future__ import annotations

from collections.abc import Iterator

from kavaspec.errors import Exit, KavaError, Problem, Where

_MARKERS = ("<<<<<<<", "|||||||", ">>>>>>>")
_NEXT = {
    ("<<<<<<<", "both"): "ours",
    ("|||||||", "ours"): "base",
    ("=======", "ours"): "theirs",
    ("=======", "base"): "theirs",
    (">>>>>>>", "theirs"): "both",
}
"""Marker and the part it stands in -> the part that follows."""


def conflict_markers(text: str) -> Iterator[tuple[int, str]]:
    """Line number and first character of every conflict marker of git."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(("<<<<<<<", "|||||||", ">>>>>>>")) or line == "=======":
            yield number, line[0]


def sides(text: str, path: str) -> tuple[str, str]:
    """The two texts behind a conflict; the common ancestor that diff3 and zdiff3 show is left out.

    Raises:
        KavaError: exit 6, naming the first marker that has no partner.
    """
    ours: list[str] = []
    theirs: list[str] = []
    opened, part = 0, "both"
    for number, line in enumerate(text.split("\n"), 1):
        marker = line[:7] if line == "=======" or line[:7] in _MARKERS else ""
        if part == "base" and marker != "=======":
            continue  # a merge of several ancestors leaves its own, longer markers in here
        if not marker:
            ours += [line] if part in ("both", "ours") else []
            theirs += [line] if part in ("both", "theirs") else []
        elif (marker, part) in _NEXT:
            opened, part = number if part == "both" else opened, _NEXT[marker, part]
        else:
            raise KavaError(_stray(text, path, number))
    if part != "both":
        raise KavaError(_stray(text, path, opened))
    return "\n".join(ours), "\n".join(theirs)


def _stray(text: str, path: str, line: int) -> Problem:
    return Problem(
        message="this conflict marker has no partner, so the two sides cannot be told apart",
        exit=Exit.BROKEN,
        code="KV0602",
        where=Where(path=path, line=line, column=1, width=7, text=text.split("\n")[line - 1]),
        hint=(
            "take one side whole, `git checkout --ours kava.lock`, or remove the file;\n"
            "then run: kavaspec lock"
        ),
    )
