"""Templates of rows: `{column}` stands for that column, every other brace for itself (data may be code)."""

from __future__ import annotations

import re
from collections.abc import Mapping

COLUMN = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class NoValue(Exception):
    """A row lacks a column that the template names, or has null there."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def columns_of(template: str) -> list[str]:
    """The columns a template names, in their order, each once."""
    return list(dict.fromkeys(COLUMN.findall(template)))


def filled(template: str, row: Mapping[str, object]) -> str:
    """The text of one row.

    Raises:
        NoValue: naming the first column that has none. A null is no text, least of all "None".
    """

    def value(match: re.Match[str]) -> str:
        found = row.get(match[1])
        if found is None:
            raise NoValue(match[1])
        return str(found)

    return COLUMN.sub(value, template)


def says_nothing(template: str, row: Mapping[str, object]) -> bool:
    """Whether the template names columns, and in this row all of them are empty or only spaces."""
    names = columns_of(template)
    return bool(names) and not any(str(row[name]).strip() for name in names)
