"""The explanation of one decision on a screen of its own, for terminals too small for two panes."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from kavaspec.explanation import Explanation
from kavaspec_tui.screens.place import Place
from kavaspec_tui.widgets.explanation_pane import ExplanationPane
from kavaspec_tui.widgets.keys_line import KeysLine


class Why(Place):
    """Opened over the decisions."""

    noun = "why"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,enter,question_mark", "app.pop_screen", "Back", id="why.back", key_display="esc"
        ),
    ]

    def __init__(self, explanation: Explanation, *, warning: str | None = None) -> None:
        super().__init__()
        self.explanation, self.warning = explanation, warning

    def compose(self) -> ComposeResult:
        yield ExplanationPane(id="explanation")
        yield KeysLine(id="keys")

    def on_mount(self) -> None:
        pane = self.query_one(ExplanationPane)
        pane.explain(self.explanation, warning=self.warning)
        pane.focus()

    def copied(self) -> str:
        one = self.explanation
        return f"{one.key} = {one.value}\nkavaspec why {one.key}"
