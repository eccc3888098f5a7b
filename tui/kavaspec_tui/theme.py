"""Colours: blue for what is measured, orange for what it means. Both are told apart by everybody."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from kavaspec_tui.rows import Role

DARK = Theme(
    name="kava",
    primary="#6fb3e0",
    secondary="#4a5a6a",
    accent="#ffb454",
    warning="#ffb454",
    error="#ff6b6b",
    success="#7fd88f",
    foreground="#dfe6ee",
    background="#0e1318",
    surface="#141b22",
    panel="#1b242d",
    dark=True,
    variables={"raw-curve": "#3f7fae", "track": "#3a4652", "faint": "#7d8b99"},
)
LIGHT = Theme(
    name="kava-light",
    primary="#1f6fa8",
    secondary="#a8b4c0",
    accent="#b35900",
    warning="#9a6700",
    error="#c22f2f",
    success="#2b7a3d",
    foreground="#1c2530",
    background="#fbfcfd",
    surface="#f2f5f8",
    panel="#e6ebf0",
    dark=False,
    variables={"raw-curve": "#7fb2d6", "track": "#b6c2cd", "faint": "#66727e"},
)
VARIABLES = {"raw-curve": "#3f7fae", "track": "#5a6672", "faint": "#808a94"}
"""Our own colours in the themes that Textual brings."""

COLOURS: Mapping[Role, str] = {
    "faint": "faint", "good": "success", "warn": "warning", "bad": "error", "mark": "primary",
    "axis": "faint", "raw": "raw-curve", "smooth": "accent", "rule": "primary", "bar": "accent",
    "track": "track", "guide": "faint",
}  # fmt: skip
"""Role -> variable of the theme; the others have the colour of text."""
BOLD = frozenset({"title", "key", "good", "bad", "smooth"})
DIM_WITHOUT_COLOUR = frozenset({"raw", "faint"})


def style_of(role: Role, variables: Mapping[str, str], *, mono: bool) -> Style:
    """How a role looks. Without colours, weight alone tells the curves apart."""
    name = COLOURS.get(role)
    return Style(
        color=None if name is None else Color.parse(variables[name]).rich_color,
        bold=role in BOLD or None,
        dim=(mono and role in DIM_WITHOUT_COLOUR) or None,
        reverse=role == "cursor" or None,
    )
