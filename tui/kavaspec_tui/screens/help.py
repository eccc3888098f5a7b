"""Every key that works on the screen below, made from its bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from kavaspec_tui.rows import Row
from kavaspec_tui.screens.place import Place
from kavaspec_tui.widgets.keys_line import KeysLine
from kavaspec_tui.widgets.scrolled import Scrolled

NOTES: tuple[Row, ...] = (
    [],
    [("Leaving the dashboard never touches the run.", "faint")],
    [("Hold shift while dragging to select text with the terminal.", "faint")],
    [("Without a terminal the same is printed: kavaspec tui --once, --plain, --json.", "faint")],
)


class Help(Place):
    """Opened over any screen."""

    noun = "help"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,h,question_mark,enter",
            "app.pop_screen",
            "Back",
            id="help.back",
            key_display="esc",
        ),
        Binding("down,j", "scroll_by(1)", "Down", id="help.down", show=False),
        Binding("up,k", "scroll_by(-1)", "Up", id="help.up", show=False),
        Binding("pagedown", "scroll_by(10)", "Page down", id="help.page-down", show=False),
        Binding("pageup", "scroll_by(-10)", "Page up", id="help.page-up", show=False),
    ]

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__()
        self.lines: list[Row] = [[(" Keys", "title")], [], *rows, *NOTES]

    def compose(self) -> ComposeResult:
        yield Scrolled(id="help")
        yield KeysLine(id="keys")

    def refill(self) -> None:
        self.query_one(Scrolled).show_lines(self.lines)

    def action_scroll_by(self, by: int) -> None:
        self.query_one(Scrolled).scroll_lines(by)
