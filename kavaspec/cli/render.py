"""How things look in a terminal: the only place that knows colour and width."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TextIO

from kavaspec.cli.pipe import say
from kavaspec.errors import Problem

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


LEAST = 30
"""Columns in which a wrapped text can still be read."""
WHOLE = 1 << 20
"""Columns of a table that is never cut."""
SHOWN_COLUMNS = 120
"""Of a source line: enough to see the mistake, few enough for any terminal."""


class Pen:
    """Colours text for one stream, or leaves it alone where colour is not wanted."""

    def __init__(self, stream: TextIO, env: Mapping[str, str]) -> None:
        forced = bool(env.get("FORCE_COLOR"))
        shown = stream.isatty() and env.get("TERM") != "dumb"
        self.stream, self.colour = stream, (forced or shown) and not env.get("NO_COLOR")
        self.width = shutil.get_terminal_size().columns if stream.isatty() else None
        """Columns of the terminal; None for a file or a pipe, where lines stay whole."""

    def __call__(self, text: str, *styles: str) -> str:
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """Write one line; characters that the stream cannot show are replaced."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        say(self.stream, text.encode(encoding, "replace").decode(encoding) + "\n")


def problem_text(problem: Problem, pen: Pen) -> str:
    """What is wrong, where, and the way out.

    error[KV0104]: train.precison is not a key
      --> kava.toml:14:1
       14 | precison = "auto"
          | ^^^^^^^^ did you mean train.precision?
      fix: kavaspec fix
    """
    style = "red" if problem.severity == "error" else "yellow"
    label = f"{problem.severity}[{problem.code}]" if problem.code else problem.severity
    lines = [f"{pen(label, 'bold', style)}: {problem.message}"]
    lines += _place(problem, pen, style)
    lines += _conflict(problem)
    if problem.hint and not (problem.where and problem.where.text and "\n" not in problem.hint):
        lines += [f"  {line}" for line in problem.hint.split("\n")]
    if problem.fix is not None:
        path = problem.fix.where.path
        lines.append(f"  fix: kavaspec fix{'' if path == 'kava.toml' else ' ' + path}")
    return "\n".join(lines)


def _conflict(problem: Problem) -> list[str]:
    """The lines of the spec that conflict, unless it is only the one that is shown already."""
    places = {(it.where.path, it.where.line) for it in problem.because if it.where}
    shown = problem.where and {(problem.where.path, problem.where.line)}
    if len(problem.because) == 1 and (places == shown or not (places or shown)):
        return []
    rows = [(said.text, str(said.where or "--set")) for said in problem.because]
    return [f"  because  {row}" for row in table(rows, 400)]


def _place(problem: Problem, pen: Pen, style: str) -> list[str]:
    """Where it stands, with the line itself, the place marked and the hint beside the mark."""
    lines: list[str] = []
    where = problem.where
    if problem.setting is not None:
        lines.append(f"  --> --set {problem.setting}")
    if where is not None:
        number = str(where.line)
        lines.append(f"  --> {where.path}:{where.line}:{where.column}")
        if where.text:
            shown, column = _window(where.text, where.column)
            marked = shown[column - 1 :][: max(1, where.width)]
            marks = "^" * max(1, sum(map(_columns, marked)))
            indent = _blank(shown[: column - 1])
            hint = f" {problem.hint}" if problem.hint and "\n" not in problem.hint else ""
            lines.append(f"   {number} | {shown}")
            lines.append(f"   {' ' * len(number)} | {indent}{pen(marks, style)}{hint}")
    return lines


def problems_text(problems: Iterable[Problem], pen: Pen) -> str:
    """Several problems, one blank line apart."""
    return "\n\n".join(problem_text(problem, pen) for problem in problems)


def table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns aligned; the last one is cut at the terminal's width."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=False)]
        lines.append(clip("  ".join([*cells, row[-1]]).rstrip(), width))
    return lines


def laid_out(rows: Sequence[Sequence[str]], width: int | None, *, joint: str = " ") -> list[str]:
    """Every cell whole: columns aligned, and the last one wrapped below itself, where there is room
    for that; else each row as one text, `joint` before its last cell, wrapped under an indent.
    """
    lines = table(rows, WHOLE)
    if width is None or all(len(line) <= width for line in lines):
        return lines
    left = sum(max(len(row[i]) for row in rows) + 2 for i in range(len(rows[0]) - 1))
    if rows[0][1:] and width - left >= LEAST:
        aligned = table([(*row[:-1], "") for row in rows], WHOLE)
        return [
            line
            for before, row in zip(aligned, rows, strict=True)
            for line in wrapped(row[-1], width, first=before.ljust(left), then=" " * left)
        ]
    found: list[str] = []
    for row in rows:
        indent = " " * (len(row[0]) - len(row[0].lstrip()))
        text = joint.join((" ".join(row[:-1]), row[-1])) if row[1:] else row[0]
        then = f"{indent}  " if rows[1:] or row[1:] else indent
        found += wrapped(text.strip(), width, first=indent, then=then)
    return found


def wrapped(text: str, width: int | None, *, first: str = "", then: str = "") -> list[str]:
    """The text in lines of at most `width`, where its words allow it."""
    if width is None or len(first) + len(text) <= width:
        return [f"{first}{text}".rstrip()]
    return textwrap.wrap(
        text,
        max(width, len(first) + 20),
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def clip(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it is too long."""
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def jsonable(value: Any) -> Any:
    """Frozen data as JSON wants it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: jsonable(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [jsonable(item) for item in value]
    return value


def print_json(schema: str, **content: Any) -> None:
    """One JSON document with a versioned schema, such as `kavaspec.check/1`."""
    document = {"schema": schema, **{name: jsonable(value) for name, value in content.items()}}
    say(sys.stdout, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _window(text: str, column: int) -> tuple[str, int]:
    """The part of a long line around a column, and the column in that part."""
    clean = "".join(c if c.isprintable() or c == "\t" else "?" for c in text)
    start = max(0, column - 1 - SHOWN_COLUMNS // 2) if len(clean) > SHOWN_COLUMNS else 0
    return clean[start : start + SHOWN_COLUMNS], column - start


def _blank(text: str) -> str:
    return "".join(c if c == "\t" else " " * _columns(c) for c in text)


def _columns(character: str) -> int:
    """How wide a terminal shows it: a Chinese character has two columns."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
