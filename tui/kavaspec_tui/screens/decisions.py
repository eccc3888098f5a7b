"""Decisions: every value of the lock, who decided it, and why the selected one is what it is."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input

from kavaspec.explanation import Explanation, Explanations
from kavaspec_tui.rows import Row, justify
from kavaspec_tui.screens.place import Place
from kavaspec_tui.screens.why import Why
from kavaspec_tui.views.decisions import columns, columns_row, decision_entries, kind_of, summary
from kavaspec_tui.widgets.decision_list import DecisionList
from kavaspec_tui.widgets.explanation_pane import ExplanationPane
from kavaspec_tui.widgets.keys_line import KeysLine
from kavaspec_tui.widgets.painted import Painted
from kavaspec_tui.widgets.search_line import SearchLine


class Decisions(Place):
    """The resolution of one target at a time."""

    noun = "decisions"

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]  # noqa: RUF012  # as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "why", "Explain", id="decisions.why"),
        Binding("question_mark", "why", "Explain", id="decisions.why-too", show=False),
        Binding("slash", "search", "Search", id="decisions.search"),
        Binding("d", "defaults", "Hide defaults", id="decisions.defaults"),
        Binding("t", "target", "Next target", id="decisions.target"),
        Binding("z", "maximise", "Maximise", id="decisions.maximise", show=False),
        Binding("tab", "next_pane(1)", "Next pane", id="decisions.next-pane", show=False),
        Binding(
            "shift+tab", "next_pane(-1)", "Previous pane", id="decisions.previous-pane", show=False
        ),
        Binding("escape", "back", "Back", id="decisions.back", show=False),
    ]

    def __init__(
        self,
        explanations: dict[str, Explanations],
        *,
        title: str,
        warned: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.heading = title
        self.by_target = explanations
        self.target = next(iter(explanations), "")
        self.warned = warned or {}
        self.with_defaults = True
        self.words = ""

    def compose(self) -> ComposeResult:
        yield Painted(id="header")
        with Container(id="panes"):
            with Container(id="left"):
                yield Painted(id="columns")
                yield DecisionList(id="list")
            yield ExplanationPane(id="explanation")
        yield SearchLine(id="search")
        yield KeysLine(id="keys")

    def on_mount(self) -> None:
        self.query_one(DecisionList).focus()

    def refill(self) -> None:
        """Fill everything anew: another size, target or search."""
        decisions = self.query_one(DecisionList)
        entries = decision_entries(
            self.decisions,
            decisions.room,
            search=self.words,
            defaults=self.with_defaults,
            warned=self.warned,
        )
        if decisions.key is None:  # a default has nothing to tell: start at the first rule
            keys = (entry.key for entry in entries if entry.key is not None)
            decisions.key = next(
                (key for key in keys if kind_of(self.decisions[key].by) == "rule"), None
            )
        decisions.show_entries(entries)
        if self.query_one(ExplanationPane).explanation is not self.selected:
            self._explain()
        self.query_one("#columns", Painted).show(
            [columns_row(columns(self.decisions.values(), decisions.room))]
        )
        self._fill_header(len(decisions.keys))

    @property
    def decisions(self) -> Explanations:
        """Those of the shown target."""
        return self.by_target.get(self.target, {})

    @property
    def selected(self) -> Explanation | None:
        """The selected decision."""
        key = self.query_one(DecisionList).key
        return self.decisions.get(key) if key is not None else None

    def _fill_header(self, shown: int) -> None:
        header = self.query_one("#header", Painted)
        names = list(self.by_target)
        place = f"target {self.target}" if self.target else "no lock here"
        if len(names) > 1:
            place += f" ({names.index(self.target) + 1} of {len(names)}, t: next)"
        width = header.content_size.width
        first = justify([(f" {self.heading}", "title"), (f"  {place}", "rule")], [], width)
        second: Row = [(f" {summary(self.decisions)}", "faint")]
        if self.words or not self.with_defaults:
            found = f"{shown} shown" + (f', searched for "{self.words}"' if self.words else "")
            second = [(f" {found}", "warn")]
        legend: Row = [
            ("U", "mark"),
            (" yours  ", "faint"),
            ("R", "rule"),
            (" rule  ", "faint"),
            ("~", "warn"),
        ]
        header.show([first, justify(second, [*legend, (" provisional ", "faint")], width)])

    def on_decision_list_selected(self) -> None:
        self._explain()

    def _explain(self) -> None:
        one = self.selected
        warning = self.warned.get(one.key) if one else None
        self.query_one(ExplanationPane).explain(one, warning=warning)

    def on_decision_list_opened(self) -> None:
        self.action_why()

    def on_input_changed(self, message: Input.Changed) -> None:
        self.words = message.value
        self.refill()

    def on_search_line_closed(self) -> None:
        self.query_one(DecisionList).focus()

    def action_search(self) -> None:
        self.query_one(SearchLine).open("key, value, rule, tier …")

    def action_why(self) -> None:
        if self.selected is not None:
            self.app.push_screen(Why(self.selected, warning=self.warned.get(self.selected.key)))

    def action_defaults(self) -> None:
        self.with_defaults = not self.with_defaults
        self.refill()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  # Textual's form
        """With one target there is no next one."""
        return action != "target" or len(self.by_target) > 1

    def action_target(self) -> None:
        names = list(self.by_target)
        if len(names) > 1:
            self.target = names[(names.index(self.target) + 1) % len(names)]
            self.refill()

    def action_maximise(self) -> None:
        self.toggle_class("-solo")

    def action_next_pane(self, by: int) -> None:
        panes = (self.query_one(DecisionList), self.query_one(ExplanationPane))
        at = next((i for i, pane in enumerate(panes) if pane.has_focus), 0)
        panes[(at + by) % 2].focus()

    def action_back(self) -> None:
        if self.words:
            self.query_one(SearchLine).clear_and_close()
        else:
            self.remove_class("-solo")

    def copied(self) -> str:
        one = self.selected
        return (
            ""
            if one is None
            else f"{one.key} = {one.value}\nkavaspec why {one.key} --target {self.target}"
        )
