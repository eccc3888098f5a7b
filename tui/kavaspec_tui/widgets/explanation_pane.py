"""Why one decision is what it is, wrapped to the width there is."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from kavaspec.explanation import Explanation
from kavaspec_tui.views.decisions import explanation_rows
from kavaspec_tui.widgets.scrolled import Scrolled


class ExplanationPane(Scrolled):
    """Shows one explanation."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_by(1)", "Down", id="explanation.down", show=False),
        Binding("up,k", "scroll_by(-1)", "Up", id="explanation.up", show=False),
        Binding("pagedown", "scroll_by(10)", "Page down", id="explanation.page-down", show=False),
        Binding("pageup", "scroll_by(-10)", "Page up", id="explanation.page-up", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.explanation: Explanation | None = None
        self.warning: str | None = None

    def explain(self, explanation: Explanation | None, *, warning: str | None = None) -> None:
        """Show this one from its beginning."""
        self.explanation, self.warning, self.top = explanation, warning, 0
        self._wrap()

    def _wrap(self) -> None:
        if self.explanation is None:
            self.show_lines([[("nothing is selected", "faint")]])
        else:
            self.show_lines(explanation_rows(self.explanation, self.room, warning=self.warning))

    def action_scroll_by(self, by: int) -> None:
        self.scroll_lines(by)

    def on_resize(self) -> None:
        self._wrap()
