"""One line to type what to look for; the list below shrinks with every letter."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class SearchLine(Input):
    """Hidden until it is opened. Enter keeps what was found, escape shows everything again."""

    DEFAULT_CSS = """
    SearchLine { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    SearchLine.-open { display: block; }
    SearchLine:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_and_close", "Clear", id="search.clear"),
        Binding("enter", "close", "Keep", id="search.keep"),
    ]

    class Closed(Message):
        """The keys belong to the list again."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, select_on_focus=False)

    def open(self, hint: str) -> None:
        """Show the line and type into it."""
        self.placeholder = f"/ {hint}"
        self.add_class("-open")
        self.focus()

    def action_close(self) -> None:
        self.remove_class("-open")
        self.post_message(self.Closed())

    def action_clear_and_close(self) -> None:
        self.value = ""
        self.action_close()

    clear_and_close = action_clear_and_close
