"""A widget made of rows whose pieces have roles; a tick repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from kavaspec_tui.rows import Role, Row, fit, to_ascii
from kavaspec_tui.theme import style_of


class Painted(Widget):
    """Shows `rows`. Colours belong to roles and come from the theme."""

    DEFAULT_CSS = "Painted { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: list[Row] = []
        self._strips: list[Strip] = []
        self._width = 0
        self._colours: dict[Role, Style] = {}

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal knows nothing else; told by the app."""
        return bool(getattr(self.app, "ascii_only", False))

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._recolour())

    def _recolour(self) -> None:
        self._colours = {}
        self._width = 0
        self.show(self.rows)

    def show(self, rows: Sequence[Row]) -> None:
        """Make these the rows; only the ones that differ are sent to the terminal."""
        width, height = self.content_size
        before = dict(enumerate(self.rows)) if self._width == width else {}
        self.rows, self._width = list(rows[:height]), width
        changed = [
            y for y, row in enumerate(self.rows) if before.get(y) != row or y >= len(self._strips)
        ]
        whole = len(self._strips) != len(self.rows) or not before
        strips = self._strips[: len(self.rows)]
        strips += [Strip.blank(width)] * (len(self.rows) - len(strips))
        for y in changed:
            strips[y] = self._strip(self.rows[y], width)
        self._strips = strips
        if whole or not self.is_mounted:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One line of the content, as Textual asks for it."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.content_size.width, self.rich_style)

    def _strip(self, row: Row, width: int) -> Strip:
        pieces = fit(row, width)
        if self.ascii_only:
            pieces = to_ascii(pieces)
        return Strip([Segment(text, self._colour(role)) for text, role in pieces], width)

    def _colour(self, role: Role) -> Style:
        if role not in self._colours:
            own = style_of(role, self.app.theme_variables, mono=self.app.no_color)
            self._colours[role] = self.rich_style + own
        return self._colours[role]

    def notify_style_update(self) -> None:
        """The colours may have changed (theme, focus)."""
        super().notify_style_update()
        self._colours = {}
