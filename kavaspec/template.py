"""Templates of rows: `{column}` stands for that column, every other brace for itself (data may be code)."""

from __future__ import annotations

import re

COLUMN = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def columns_of(template: str) -> list[str]:
    """The columns a template names, in their order, each once."""
    return list(dict.fromkeys(COLUMN.findall(template)))
