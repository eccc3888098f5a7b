"""The newest lines of the log. Stays at the end unless the reader scrolls up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from kavaspec_tui.rows import Row
from kavaspec_tui.state import LogLine
from kavaspec_tui.views.run import log_row
from kavaspec_tui.widgets.scrolled import Scrolled


class LogTail(Scrolled):
    """Shows log lines that contain every word of `search`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_by(1)", "Newer", id="log.newer", show=False),
        Binding("up,k", "scroll_by(-1)", "Older", id="log.older", show=False),
        Binding("pagedown", "scroll_by(10)", "Page down", id="log.page-down", show=False),
        Binding("pageup", "scroll_by(-10)", "Page up", id="log.page-up", show=False),
        Binding("home", "scroll_by(-1000000)", "Oldest", id="log.oldest", show=False),
        Binding("end", "scroll_by(1000000)", "Newest", id="log.newest", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.search = ""
        self._all: Sequence[LogLine] = ()

    def show_log(self, log: Sequence[LogLine], *, instead: Sequence[Row] = ()) -> None:
        """Make this the log; a reader at its end sees the new end. Without a log, show `instead`."""
        at_end = self.top >= len(self.lines) - self.fits
        words, self._all = self.search.casefold().split(), log
        kept = [
            line
            for line in log
            if all(w in f"{line.level} {line.message}".casefold() for w in words)
        ]
        self.lines = [log_row(line) for line in kept]
        if not self.lines:
            nothing: Row = [("no line matches" if words else "nothing was said yet", "faint")]
            self.lines = [nothing] if words or not instead else list(instead)
        self.scroll_lines(len(self.lines) if at_end else 0)

    def filter(self, search: str) -> None:
        """Show only lines that contain every word."""
        self.search = search
        self.show_log(self._all)

    def on_resize(self) -> None:
        self.scroll_lines(1_000_000)

    def action_scroll_by(self, by: int) -> None:
        self.scroll_lines(by)
