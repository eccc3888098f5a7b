"""Lines of text whose pieces know what they are, before anybody decides about colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from rich.cells import cell_len, set_cell_size

Role: TypeAlias = Literal[
    "text", "faint", "title", "value", "key", "good", "warn", "bad", "mark", "axis", "raw",
    "smooth", "cursor", "guide", "rule", "bar", "track",
]  # fmt: skip
Row: TypeAlias = list[tuple[str, Role]]
"""One line: pieces of text, each with its role."""

TO_ASCII = str.maketrans(
    "…·●○▲▼━╸─│└┤✗✓→←×≥≤±–—‖◌■▸▾█┃╋┼▁▂▃▄▅▆▇",
    "~.*o^v=--|'|xv><x><+--=o#>v#|++_.:-=+#",
)


def length(row: Row) -> int:
    """Terminal cells; an East Asian character takes two."""
    return sum(cell_len(text) for text, _ in row)


def text_of(row: Row) -> str:
    """The row without its roles."""
    return "".join(text for text, _ in row)


def split(row: Row, at: int) -> tuple[Row, Row]:
    """The first `at` cells and the rest. A wide character across the cut becomes two spaces."""
    left: Row = []
    for i, (text, role) in enumerate(row):
        width = cell_len(text)
        if at <= width:
            head, tail = _cut(text, at)
            return [*left, (head, role)], [(tail, role), *row[i + 1 :]]
        left.append((text, role))
        at -= width
    return left, []


def _cut(text: str, at: int) -> tuple[str, str]:
    if cell_len(text) == len(text):
        return text[:at], text[at:]
    used = 0
    for i, character in enumerate(text):
        width = cell_len(character)
        if used + width > at:
            return (text[:i], text[i:]) if used == at else (text[:i] + " ", " " + text[i + 1 :])
        used += width
    return text, ""


def fit(row: Row, width: int) -> Row:
    """Exactly `width` cells: cut with an ellipsis, or filled with spaces."""
    used = length(row)
    if used > width:
        kept, _ = split(row, max(width - 1, 0))
        return [*kept, ("…"[:width], "faint")]
    return [*row, (" " * (width - used), "text")] if used < width else row


def justify(left: Row, right: Row, width: int) -> Row:
    """Left and right part on one line; the right one gives way when there is no room."""
    room = width - length(left) - length(right)
    return fit(left, width) if room < 1 else [*left, (" " * room, "text"), *right]


def to_ascii(row: Row) -> Row:
    """The same cells for a terminal or a file that knows only ASCII."""
    return [(ascii_text(text), role) for text, role in row]


def ascii_text(text: str) -> str:
    """Our signs by their nearest ASCII ones, everything else that is not ASCII by `?`."""
    if text.isascii():
        return text
    known = text.translate(TO_ASCII)
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in known)


def clean(text: str) -> str:
    """One printable line: control characters, escapes and line ends of foreign text are removed."""
    return "".join(c if c.isprintable() else " " for c in text)


def wrap(text: str, width: int, *, indent: int = 0, role: Role = "text") -> list[Row]:
    """Lines of at most `width` cells, broken at spaces; long words are broken anywhere."""
    room = max(width - indent, 1)
    if cell_len(clean(text)) <= room:
        return [[(" " * indent, "text"), (clean(text), role)]]
    lines: list[str] = [""]
    for word in _words(text, room):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > room:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return [[(" " * indent, "text"), (line, role)] for line in lines]


def _words(text: str, room: int) -> Iterable[str]:
    for word in clean(text).split():
        rest = word
        while cell_len(rest) > room:
            head = set_cell_size(rest, room).rstrip() or rest[0]
            yield head
            rest = rest[len(head) :]
        if rest:
            yield rest
