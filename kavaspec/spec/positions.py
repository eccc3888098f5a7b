"""Where every key of a TOML text stands. Loaded only when there is something to point at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from kavaspec.errors import Where

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Where a key and its value begin, and how long they are on their first line."""

    key: Where
    value: Where
    dotted: Where | None = None
    """The whole key as it is written, `train.steps`; None for a table and for its first names."""
    parts: int = 1
    """Names in it."""
    header: bool = False
    """Whether it is opened as a table, `[train]`."""


def spans(text: str, path: str) -> Mapping[Path, Span]:
    """Dotted path -> place, for every key and table header of a text that parses.

    The first place wins when a table is opened twice through dotted keys.
    """
    source = text.encode()
    tree = Parser(Language(tree_sitter_toml.language())).parse(source)
    lines = source.split(b"\n")
    found: dict[Path, Span] = {}
    for dotted, parts, value in _pairs(tree.root_node, ()):
        header = value.parent is not None and value.parent.type != "pair"
        for below, part in enumerate(reversed(parts)):
            is_key = not below and not header
            place = Span(
                key=_where(lines, path, part),
                value=_where(lines, path, value),
                dotted=_where(lines, path, _top(parts)) if is_key else None,
                parts=len(parts),
                header=header,
            )
            found.setdefault(dotted[: len(dotted) - below], place)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Twice:
    """A name that is given twice, as TOML forbids."""

    dotted: str
    first: Where
    second: Where
    tables: bool = False
    """Whether it is opened as a table here."""
    within: str | None = None
    """The first key that makes it a table, where it is given a value as well."""


def twice(text: str, path: str) -> Twice | None:
    """The first key or table that is given twice, or once as a value and once as a table."""
    source = text.encode()
    tree = Parser(Language(tree_sitter_toml.language())).parse(source)
    lines = source.split(b"\n")
    seen: dict[Path, tuple[Where, bool]] = {}
    above: dict[Path, Path] = {}
    values: set[Path] = set()
    spelled: set[Path] = set()  # tables that only dots name
    for dotted, parts, value in _pairs(tree.root_node, ()):
        place = _where(lines, path, parts[-1])
        header = value.parent is not None and value.parent.type != "pair"
        if dotted in seen:
            first, opened = seen[dotted]
            return Twice(
                dotted=".".join(dotted), first=first, second=place, tables=header and opened
            )
        if dotted in above and (not header or dotted in spelled):
            inside = above[dotted]
            return Twice(
                dotted=".".join(dotted),
                first=seen[inside][0],
                second=place,
                within=".".join(inside),
                tables=header,
            )
        for size in range(1, len(dotted)):
            above.setdefault(dotted[:size], dotted)
            if not header and size > len(dotted) - len(parts):
                spelled.add(dotted[:size])
            if dotted[:size] in values:
                return Twice(
                    dotted=".".join(dotted[:size]),
                    first=place,
                    second=seen[dotted[:size]][0],
                    within=".".join(dotted),
                )
        seen[dotted] = (place, header)
        if not header and value.type != "inline_table":
            values.add(dotted)
    return None


def _top(parts: list[Node]) -> Node:
    """The node of a whole dotted key."""
    node = parts[-1]
    while node.parent is not None and node.parent.type == "dotted_key":
        node = node.parent
    return node


def _pairs(node: Node, prefix: Path) -> Iterator[tuple[Path, list[Node], Node]]:
    """Every key: its whole path, the nodes of the names it is written with, and its value."""
    for child in node.named_children:
        if child.type == "pair":
            parts, value = _parts(child.named_children[0]), child.named_children[1]
            dotted = (*prefix, *map(_name, parts))
            yield dotted, parts, value
            if value.type == "inline_table":
                yield from _pairs(value, dotted)
        elif child.type in ("table", "table_array_element"):
            parts = _parts(child.named_children[0])
            dotted = tuple(map(_name, parts))
            yield dotted, parts, child.named_children[0]
            yield from _pairs(child, dotted)


def _parts(key: Node) -> list[Node]:
    if key.type == "dotted_key":
        return [part for child in key.named_children for part in _parts(child)]
    return [key]


def _name(part: Node) -> str:
    text = (part.text or b"").decode()
    if part.type == "quoted_key":
        import tomli

        return next(iter(tomli.loads(f"{text} = 0")))
    return text


def _where(lines: list[bytes], path: str, node: Node) -> Where:
    row, start = node.start_point
    end = node.end_point[1] if node.end_point[0] == row else len(lines[row])
    line = lines[row].rstrip(b"\r")
    before, marked = line[:start].decode(), line[start:end].decode()
    return Where(
        path=path,
        line=row + 1,
        column=len(before) + 1,
        width=max(1, len(marked)),
        text=line.decode(),
    )
