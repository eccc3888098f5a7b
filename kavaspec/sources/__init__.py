"""Where models and data come from: a builtin, a path, or a hub id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_HUB = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")
_FILES = (".gguf", ".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What the text of a `source` key means."""

    kind: Literal["builtin", "path", "hub"]
    name: str
    """Without the `builtin:`; a path or a hub id as it was written."""


def parse_source(text: str) -> Source:
    """`builtin:x` is a builtin, `org/name` a hub id, everything else a path.

    A folder beside kava.toml that looks like a hub id is written with a dot: `./data/gsm8k`.
    """
    if text.startswith("builtin:"):
        return Source(kind="builtin", name=text.removeprefix("builtin:"))
    if _HUB.fullmatch(text) and not text.lower().endswith(_FILES):
        return Source(kind="hub", name=text)
    return Source(kind="path", name=text)
