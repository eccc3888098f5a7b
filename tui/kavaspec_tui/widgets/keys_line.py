"""The keys that do something here, made from the bindings, at the bottom of every screen."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from kavaspec_tui.keys import key_name
from kavaspec_tui.rows import Row, length, to_ascii
from kavaspec_tui.widgets.painted import Painted


class KeysLine(Painted):
    """One line; what does not fit is left out, since `h` shows everything. Each key can be clicked."""

    DEFAULT_CSS = "KeysLine { height: 1; width: 1fr; }"

    def on_mount(self) -> None:
        super().on_mount()
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.fill())
        self.call_after_refresh(self.fill)

    def on_resize(self) -> None:
        self.fill()

    def _recolour(self) -> None:
        self._colours = {}
        self.fill()

    def fill(self) -> None:
        """Make the line from what is bound right now."""
        width, items = self.content_size.width, self._items()
        always = [item for item in items if item[0].startswith("app.")]
        others = [item for item in items if item not in always]
        room = width - sum(length(row) for _, row in always)
        kept = [
            (action, row)
            for i, (action, row) in enumerate(others)
            if self._cells(others[: i + 1]) <= room
        ]
        gap: tuple[str, Row] = ("", [(" " * max(room - self._cells(kept), 0), "text")])
        pieces = [self._segments(row, action) for action, row in [*kept, gap, *always]]
        self._strips = [Strip([piece for part in pieces for piece in part]).crop(0, width)]
        self.refresh()

    @staticmethod
    def _cells(items: list[tuple[str, Row]]) -> int:
        return sum(length(row) for _, row in items)

    def _items(self) -> list[tuple[str, Row]]:
        """Action and text of each key that is shown; those of the app last."""
        found: dict[str, Row] = {}
        for active in self.screen.active_bindings.values():
            binding, owner = active.binding, "app" if active.node is self.app else "screen"
            action = binding.action if "." in binding.action else f"{owner}.{binding.action}"
            if binding.show and active.enabled and action not in found:
                shown = binding.key_display or key_name(binding.key)
                row: Row = [(f" {shown}", "rule"), (f" {binding.description} ", "faint")]
                found[action] = to_ascii(row) if self.ascii_only else row
        return list(found.items())

    def _segments(self, row: Row, action: str) -> list[Segment]:
        click = Style(meta={"@click": action}) if action else Style()
        return [Segment(text, self._colour(role) + click) for text, role in row]
