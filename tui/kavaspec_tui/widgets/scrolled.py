"""A stretch of rows that is longer than its place, with a thumb at the right."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from kavaspec_tui.rows import Row, fit
from kavaspec_tui.widgets.painted import Painted


class Scrolled(Painted, can_focus=True):
    """Shows the part of `lines` that starts at `top`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Row] = []
        self.top = 0

    @property
    def fits(self) -> int:
        """Lines that fit."""
        return max(self.content_size.height, 1)

    @property
    def room(self) -> int:
        """Cells for text; the last column belongs to the thumb."""
        return max(self.content_size.width - 1, 1)

    def show_lines(self, lines: Sequence[Row]) -> None:
        """Make these the lines, staying where the reader is if that still exists."""
        self.lines = list(lines)
        self.scroll_lines(0)

    def scroll_lines(self, by: int) -> None:
        """Move the view, not beyond the ends."""
        self.top = max(0, min(self.top + by, len(self.lines) - self.fits))
        part = self.lines[self.top : self.top + self.fits]
        self.show(
            [
                [*fit(self.decorate(i, row), self.room), (self._thumb(i), "track")]
                for i, row in enumerate(part)
            ]
        )

    def decorate(self, shown: int, row: Row) -> Row:  # noqa: ARG002  # for subclasses
        """How line `top + shown` looks right now."""
        return row

    def _thumb(self, shown: int) -> str:
        total = len(self.lines)
        if total <= self.fits:
            return " "
        size = max(1, self.fits * self.fits // total)
        start = round(self.top / (total - self.fits) * (self.fits - size))
        return "┃" if start <= shown < start + size else " "

    def on_resize(self) -> None:
        self.scroll_lines(0)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(-3)

    def _recolour(self) -> None:
        super()._recolour()
        self.scroll_lines(0)
