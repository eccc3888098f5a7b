"""The line that decides a key by hand: what to write into kava.toml, and where.

Every way is tried on the text of the spec and kept only when the result parses and says this one
thing more: a table may be a header, an inline table or a dotted key there, or not there at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kavaspec.plain import Plain, thaw, toml
from kavaspec.spec.spec import Spec

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paste:
    """A text for kava.toml. `lines` of the file, counted from 1, give way to it."""

    text: str
    """A line, or the header of a table and a line."""
    at: str
    """Where, for people: `under [train], kava.toml:31`."""
    lines: range | None
    """Empty where nothing gives way: it goes before the first of them. None: it has no place there."""

    def into(self, text: str) -> str:
        """The spec with it. Without a place it is the same spec."""
        if self.lines is None:
            return text
        kept = text.splitlines(keepends=True)
        if kept and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
        before, after = kept[: self.lines.start - 1], kept[self.lines.stop - 1 :]
        gap = "\n" if self.text.startswith("[") and before else ""
        return "".join([*before, gap, self.text, "\n", *after])


def paste(spec: Spec, key: str, value: Plain, *, target: str | None) -> Paste:
    """What decides `key` by hand. With a `target`, for that target alone."""
    path = (*(("targets", target) if target else ()), *key.split("."))
    literal = "{ unset = true }" if value is None else toml(value)
    *table, name = map(_bare, path)
    header = f"[{'.'.join(table)}]\n" if table else ""
    if not spec.text:
        return Paste(text=f"{header}{name} = {literal}", at=f"in {spec.path}", lines=None)
    for way in _ways(spec, path, literal):
        if _says(way.into(spec.text), spec.text, path, value):
            return way
    return Paste(text=f"--set {key}={literal}", at="on the command line of lock", lines=None)


def _ways(spec: Spec, path: Path, literal: str) -> Iterator[Paste]:
    from kavaspec.spec.positions import spans

    places = spans(spec.text, spec.path)
    *above, name = path
    table = tuple(above)
    count = len(spec.text.splitlines())
    line = f"{_bare(name)} = {literal}"
    if path in places:
        where = places[path].key
        left = where.text[: where.column - 1 + where.width]
        for last in range(where.line, count + 1):  # a list may stand on several lines
            yield Paste(
                text=f"{left} = {literal}",
                at=f"instead of {spec.path}:{where.line}",
                lines=range(where.line, last + 1),
            )
    if table in places and places[table].key.text.lstrip().startswith("["):
        at = places[table].key.line
        header = ".".join(map(_bare, table))
        yield Paste(
            text=line, at=f"under [{header}], {spec.path}:{at}", lines=range(at + 1, at + 1)
        )
    if table:
        header = ".".join(map(_bare, table))
        yield Paste(
            text=f"[{header}]\n{line}",
            at=f"at the end of {spec.path}",
            lines=range(count + 1, count + 1),
        )
    for known, place in places.items():  # the table is spelled with dots: beside a key of it
        if known[:-1] == table:
            where = place.key
            left = where.text[: where.column - 1]
            if re.fullmatch(r"\s*([\w\"'.-]+\s*\.\s*)?", left):
                yield Paste(
                    text=left + line,
                    at=f"beside {spec.path}:{where.line}",
                    lines=range(where.line, where.line),
                )
    dotted = f"{'.'.join(map(_bare, path))} = {literal}"
    yield Paste(text=dotted, at=f"at the start of {spec.path}", lines=range(1, 1))


def _says(text: str, before: str, path: Path, value: Plain) -> bool:
    """Whether the text is TOML that says `value` at `path`, and for the rest what it said before."""
    import tomli

    try:
        new = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    wanted = {"unset": True} if value is None else thaw(value)
    return new == _with(tomli.loads(before), path, wanted)


def _with(tree: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    head, *rest = path
    below = tree.get(head)
    inner = _with(below if isinstance(below, Mapping) else {}, rest, value) if rest else value
    return {**tree, head: inner}


def _bare(name: str) -> str:
    """A name as TOML writes it: in quotes where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)
