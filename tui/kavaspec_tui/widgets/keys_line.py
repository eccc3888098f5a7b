"""The keys that do something here, made from the bindings, at the bottom of every screen."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from kavaspec_tui.keys import key_name
from kavaspec_tui.rows import Row, fit, length, to_ascii
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

    def fill(self) -> None:
        """Make the line from what is bound right now."""
        width, strips, used = self.content_size.width, list[Segment](), 0
        for action, row in self._items():
            cells = length(row)
            if used + cells > width:
                break
            strips += self._segments(row, action)
            used += cells
        strips += self._segments(fit([], width - used), None)
        self._strips = [Strip(strips, width)]
        self.refresh()

    def _items(self) -> list[tuple[str, Row]]:
        seen: dict[str, Row] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and binding.action not in seen:
                shown = binding.key_display or key_name(binding.key)
                row: Row = [(f" {shown}", "rule"), (f" {binding.description} ", "faint")]
                seen[binding.action] = to_ascii(row) if self.ascii_only else row
        return list(seen.items())

    def _segments(self, row: Row, action: str | None) -> list[Segment]:
        click = Style(meta={"@click": f"screen.do('{action}')"}) if action else Style()
        click = Style(meta={"@click": action}) if action else click
        return [Segment(text, self._colour(role) + click) for text, role in row]
