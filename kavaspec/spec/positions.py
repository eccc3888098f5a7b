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


def spans(text: str, path: str) -> Mapping[Path, Span]:
    """Dotted path -> place, for every key and table header of a text that parses.

    The first place wins when a table is opened twice through dotted keys.
    """
    source = text.encode()
    tree = Parser(Language(tree_sitter_toml.language())).parse(source)
    lines = source.split(b"\n")
    found: dict[Path, Span] = {}
    for dotted, parts, value in _pairs(tree.root_node, ()):
        for below, part in enumerate(reversed(parts)):
            place = Span(key=_where(lines, path, part), value=_where(lines, path, value))
            found.setdefault(dotted[: len(dotted) - below], place)
    return found


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
