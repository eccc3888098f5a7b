"""The list of decisions: a heading for each tier, one line for each key, one of them selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from kavaspec_tui.rows import Row, text_of
from kavaspec_tui.views.decisions import Entry
from kavaspec_tui.widgets.scrolled import Scrolled


class DecisionList(Scrolled):
    """Selects a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", id="list.next", show=False),
        Binding("up,k", "move(-1)", "Previous", id="list.previous", show=False),
        Binding("pagedown", "page(1)", "Page down", id="list.page-down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="list.page-up", show=False),
        Binding("home", "move(-100000)", "First", id="list.first", show=False),
        Binding("end", "move(100000)", "Last", id="list.last", show=False),
    ]

    class Selected(Message):
        """Another key is selected; None when nothing matches."""

        def __init__(self, key: str | None) -> None:
            super().__init__()
            self.key = key

    class Opened(Message):
        """A key was clicked twice."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.entries: list[Entry] = []
        self.key: str | None = None

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Make these the entries; the selected key stays selected if it is among them."""
        self.entries = list(entries)
        keys = self.keys
        if self.key not in keys:
            self.key = keys[0] if keys else None
            self.post_message(self.Selected(self.key))
        self.lines = [entry.row for entry in self.entries]
        self._reveal()

    @property
    def keys(self) -> list[str]:
        """Keys in the order of the list."""
        return [entry.key for entry in self.entries if entry.key is not None]

    def select(self, key: str) -> None:
        """Select one of the keys."""
        if key != self.key and key in self.keys:
            self.key = key
            self.post_message(self.Selected(key))
        self._reveal()

    def action_move(self, by: int) -> None:
        keys = self.keys
        if keys and self.key in keys:
            self.select(keys[max(0, min(keys.index(self.key) + by, len(keys) - 1))])

    def action_page(self, by: int) -> None:
        self.action_move(by * max(self.fits - 1, 1))

    def _reveal(self) -> None:
        """Scroll so that the selected line shows, and the heading above the first one."""
        at = next((i for i, entry in enumerate(self.entries) if entry.key == self.key), 0)
        first = at - 1 if at and self.entries[at - 1].key is None else at
        if first < self.top:
            self.top = first
        elif at >= self.top + self.fits:
            self.top = at - self.fits + 1
        self.scroll_lines(0)

    def decorate(self, shown: int, row: Row) -> Row:
        entry = self.entries[self.top + shown]
        selected = entry.key is not None and entry.key == self.key
        return [(text_of(row), "cursor")] if selected else row

    def on_click(self, event: events.Click) -> None:
        at = self.top + event.get_content_offset_capture(self).y
        if at < len(self.entries) and (key := self.entries[at].key) is not None:
            self.select(key)
            if event.chain == 2:
                self.post_message(self.Opened())
