"""Is there a terminal that can be drawn on, and what can it show?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO


def can_draw(env: Mapping[str, str]) -> str | None:
    """Why no dashboard can be drawn here, or None when it can.

    Textual reads from standard input and draws on standard error (on Windows on standard output).
    Where one of the three goes to a file or a pipe, the user wants text.
    """
    streams = (("input", sys.__stdin__), ("output", sys.__stdout__), ("error", sys.__stderr__))
    for name, stream in streams:
        if not _is_terminal(stream):
            return f"standard {name} is not a terminal"
    if env.get("TERM") == "dumb":
        return "TERM=dumb: this terminal cannot move its cursor"
    if env.get("KAVASPEC_A11Y"):
        return "KAVASPEC_A11Y is set: plain text was asked for"
    return None


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # the stream was closed
        return False


def is_ascii_only() -> bool:
    """Whether anything else would arrive as garbage: the locale is not a Unicode one."""
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    return not encoding.lower().replace("-", "").startswith("utf")


def refresh_hz(env: Mapping[str, str]) -> float:
    """How often to look for news: half as often over ssh."""
    return 2.0 if "SSH_CONNECTION" in env else 4.0
