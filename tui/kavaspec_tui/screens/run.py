"""A run: where it stands, its curves, what it says, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input

from kavaspec_tui.chart import LAYERS, SMOOTHINGS, Look
from kavaspec_tui.live import Live
from kavaspec_tui.raster import Marker
from kavaspec_tui.rows import Row
from kavaspec_tui.screens.place import Place
from kavaspec_tui.series import AXES
from kavaspec_tui.views import run as views
from kavaspec_tui.widgets.chart_pane import ChartPane
from kavaspec_tui.widgets.keys_line import KeysLine
from kavaspec_tui.widgets.log_tail import LogTail
from kavaspec_tui.widgets.painted import Painted
from kavaspec_tui.widgets.search_line import SearchLine

BIG, SMALL = 2, 4
SMALL_WIDTH = 34
"""A small chart needs this much to say something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is shown at a size."""

    big: int
    small: int
    stacked: bool
    tabs: bool
    sparks: bool
    log_rows: int
    """0: no log."""


def plan(width: int, height: int, *, solo: bool = False) -> Plan:
    """As many charts as can be read; one, with a line of names, where the terminal is small."""
    if width >= 110 and height >= 26 and not solo:
        small = min(width // SMALL_WIDTH, SMALL) if height >= 34 else 0
        return Plan(
            big=2,
            small=small,
            stacked=False,
            tabs=False,
            sparks=small == 0,
            log_rows=max(height // 5, 6),
        )
    if height >= 40 and width >= 50 and not solo:
        return Plan(big=2, small=0, stacked=True, tabs=False, sparks=True, log_rows=6)
    return Plan(
        big=1 if height >= 6 else 0,
        small=0,
        stacked=False,
        tabs=height >= 8,
        sparks=height >= 18 and not solo,
        log_rows=0 if height < 16 or solo else 3 if height < 30 else 6,
    )


class RunScreen(Place):
    """The run of one folder, live."""

    noun = "run"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_pane(1)", "Next", id="run.next-pane"),
        Binding("shift+tab", "next_pane(-1)", "Previous pane", id="run.previous-pane", show=False),
        Binding("z", "maximise", "Maximise", id="run.maximise"),
        Binding("x", "axis", "x-axis", id="run.axis"),
        Binding("y", "log_y", "Log y", id="run.log-y"),
        Binding(
            "right_square_bracket", "smooth(1)", "Smoother", id="run.smoother", key_display="[ ]"
        ),
        Binding("left_square_bracket", "smooth(-1)", "Less smooth", id="run.rougher", show=False),
        Binding("backslash", "smooth(0)", "Smoothing on or off", id="run.smooth", show=False),
        Binding("v", "layers", "Raw, mean or both", id="run.layers", show=False),
        Binding("o", "robust", "Robust range on or off", id="run.robust", show=False),
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom", id="run.zoom-in", key_display="+ -"),
        Binding("minus", "zoom(2.0)", "Zoom out", id="run.zoom-out", show=False),
        Binding("left,H", "pan(-0.25)", "Earlier", id="run.earlier", show=False),
        Binding("right,L", "pan(0.25)", "Later", id="run.later", show=False),
        Binding("0", "fit", "Show everything", id="run.fit", show=False),
        Binding("comma", "cursor(-1)", "Cursor", id="run.cursor-left", key_display=", ."),
        Binding("full_stop", "cursor(1)", "Cursor right", id="run.cursor-right", show=False),
        Binding(
            "less_than_sign", "cursor(-10)", "Cursor far left", id="run.cursor-far-left", show=False
        ),
        Binding(
            "greater_than_sign",
            "cursor(10)",
            "Cursor far right",
            id="run.cursor-far-right",
            show=False,
        ),
        Binding("slash", "search", "Filter log", id="run.search"),
        Binding("question_mark", "app.help", "Keys", id="run.help", show=False),
        Binding("escape", "back", "Back", id="run.back", show=False),
    ]

    def __init__(self, live: Live, marker: Marker) -> None:
        super().__init__()
        self.live = live
        self.look = Look(marker=marker)
        self.last_smoothing = self.look.smoothing
        self.log_metrics: set[str] = set()
        self.metric = ""
        """The one that is shown where only one is, and that `y` is about."""
        self.solo = False

    def compose(self) -> ComposeResult:
        yield Painted(id="header")
        yield Painted(id="tabs")
        with Container(id="big"):
            for i in range(BIG):
                yield ChartPane(id=f"big-{i}", classes="chart")
        with Container(id="small"):
            for i in range(SMALL):
                yield ChartPane(id=f"small-{i}", classes="chart")
        yield Painted(id="sparks")
        with Container(id="bottom"):
            yield LogTail(id="log")
            yield Painted(id="result")
        yield SearchLine(id="search")
        yield KeysLine(id="keys")

    def on_mount(self) -> None:
        self.query_one("#big-0", ChartPane).focus()

    # --- filling -----------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """What the present size has room for."""
        return plan(self.size.width, self.size.height, solo=self.solo)

    def on_resize(self) -> None:
        self._arrange()
        super().on_resize()

    def _arrange(self) -> None:
        now, result = self.plan, self._result()
        self.query_one("#header").styles.height = min(2, max(self.size.height - 1, 1))
        self.query_one("#tabs").display = now.tabs
        self.query_one("#sparks").display = now.sparks
        big, small, bottom = (
            self.query_one(name, Container) for name in ("#big", "#small", "#bottom")
        )
        big.set_class(now.stacked, "-stacked")
        big.display, small.display = now.big > 0, now.small > 0
        for i in range(BIG):
            self.query_one(f"#big-{i}").display = i < now.big
        for i in range(SMALL):
            self.query_one(f"#small-{i}").display = i < now.small
        bottom.display = now.log_rows > 0
        bottom.styles.height = self._bottom_rows(now, len(result))
        self.query_one("#result").display = bool(result)
        self.set_class(self.size.height >= 30, "-roomy")
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """A pane that is not shown any more gives its focus to the first that is."""
        if (self.focused is None or not self.focused.display) and self._panes():
            self._panes()[0].focus()

    def _bottom_rows(self, now: Plan, result: int) -> int:
        """Rows of log and result; a small screen makes room for the final table."""
        border = 2 if self.size.height >= 30 else 0
        return max(now.log_rows, min(result, self.size.height // 3)) + border

    def _result(self) -> list[Row]:
        """The final table; on a wide screen also the newest held-out numbers."""
        state = self.live.state
        ended = state.end is not None and bool(state.end.result)
        return views.result_rows(state) if self.size.width >= (60 if ended else 110) else []

    def refresh_run(self, *, changed: bool) -> None:
        """Show what is new; without news only the clock in the header moves."""
        if changed or self.live.state.run is None:
            self.refill()
        else:
            self._fill_header()

    def refill(self) -> None:
        state = self.live.state
        names = views.metric_names(state)
        if self.metric not in names:
            self.metric = names[0] if names else ""
        self._fill_header()
        self.query_one("#tabs", Painted).show([views.tabs_row(names, self.metric, self.size.width)])
        others = [name for name in names if name not in self.shown_metrics()]
        sparks = views.sparks_row(state, others, self.size.width, self.look.marker)
        self.query_one("#sparks", Painted).show([sparks])
        self._fill_charts()
        console = [] if state.log else views.console_rows(self.live.console())
        self.query_one(LogTail).show_log(state.log, instead=console)
        result = self._result()
        pane = self.query_one("#result", Painted)
        if pane.display != bool(result):
            self._arrange()
        pane.show(result)

    def _fill_header(self) -> None:
        header = self.query_one("#header", Painted)
        rows = views.run_header(
            self.live.state,
            self.live.status(),
            self.live.now(),
            header.content_size.width,
            invalid=self.live.follower.invalid,
        )
        if self.live.catching_up:
            rows[1] = [(f" reading the events: {100 * self.live.read_share:.0f} %", "warn")]
        header.show(rows)

    def shown_metrics(self) -> list[str]:
        """The metric of each chart that is shown, in the order of the screen."""
        now, names = self.plan, views.metric_names(self.live.state)
        if now.big == 1:
            return [self.metric] if self.metric else []
        big = [name for name in views.BIG if name in names][:2]
        rest = [name for name in (*views.SMALL, *names) if name in names and name not in big]
        return [*big, *list(dict.fromkeys(rest))[: now.small]]

    def _panes(self) -> list[ChartPane]:
        now = self.plan
        ids = [f"#big-{i}" for i in range(now.big)] + [f"#small-{i}" for i in range(now.small)]
        return [self.query_one(name, ChartPane) for name in ids]

    def _fill_charts(self) -> None:
        state, shown = self.live.state, self.shown_metrics()
        for i, pane in enumerate(self._panes()):
            name = (
                shown[i]
                if i < len(shown)
                else ("loss", "cosine")[i]
                if i < 2 and not shown
                else None
            )
            subject = (
                None if name is None else views.subject(state, name, log_y=name in self.log_metrics)
            )
            pane.show_subject(subject, self.look)

    # --- looking -----------------------------------------------------------------------------

    def _look(self, **changes: object) -> None:
        self.look = replace(self.look, **changes)  # type: ignore[arg-type]  # fields of Look
        self._fill_charts()

    def action_axis(self) -> None:
        self._look(axis=AXES[(AXES.index(self.look.axis) + 1) % len(AXES)])

    def action_layers(self) -> None:
        self._look(layers=LAYERS[(LAYERS.index(self.look.layers) + 1) % len(LAYERS)])

    def action_robust(self) -> None:
        self._look(robust=not self.look.robust)

    def action_smooth(self, by: int) -> None:
        if by == 0:
            self._look(smoothing=0.0 if self.look.smoothing else self.last_smoothing or 0.9)
            return
        at = SMOOTHINGS.index(self.look.smoothing) + by
        self._look(smoothing=SMOOTHINGS[max(0, min(at, len(SMOOTHINGS) - 1))])
        self.last_smoothing = self.look.smoothing

    def action_log_y(self) -> None:
        self.log_metrics ^= {self._focused_metric()}
        self._fill_charts()

    def _focused_metric(self) -> str:
        shown = self.shown_metrics()
        at = next((i for i, pane in enumerate(self._panes()) if pane.has_focus), 0)
        return shown[at] if at < len(shown) else self.metric

    @property
    def steps(self) -> tuple[float, float]:
        """First and last step that there is."""
        steps = self.live.state.curve.steps
        return (steps[0], steps[-1]) if steps else (0.0, 1.0)

    @property
    def window(self) -> tuple[float, float]:
        """First and last step that is shown."""
        return self.look.window or self.steps

    def action_zoom(self, factor: float) -> None:
        first, last = self.window
        center = last if self.look.cursor is None else self.look.cursor
        span = max((last - first) * factor, 4.0)
        share = (center - first) / (last - first) if last > first else 1.0
        self._show_window(center - span * share, span)

    def action_pan(self, share: float) -> None:
        first, last = self.window
        if self.look.window is not None:
            self._show_window(first + (last - first) * share, last - first)

    def _show_window(self, first: float, span: float) -> None:
        """Show a stretch of steps inside what there is; all of it means no window."""
        low, high = self.steps
        first = max(low, min(first, high - span))
        everything = span >= high - low
        self._look(window=None if everything else (first, first + span))

    def action_fit(self) -> None:
        self._look(window=None, cursor=None)

    def action_cursor(self, by: int) -> None:
        first, last = self.window
        pane = next((pane for pane in self._panes() if pane.has_focus), None) or self._panes()[0]
        cell = (last - first) / max(pane.content_size.width - 8, 1)
        at = last if self.look.cursor is None else self.look.cursor + by * max(cell, 1.0)
        self._look(cursor=max(first, min(at, last)))

    def on_chart_pane_pointed(self, message: ChartPane.Pointed) -> None:
        first, last = self.window
        self._look(cursor=first + (last - first) * message.share)
        if message.zoom is not None:
            self.action_zoom(message.zoom)

    # --- moving ------------------------------------------------------------------------------

    def action_next_pane(self, by: int) -> None:
        """The next chart or the log; where only one chart is shown, the next metric."""
        names = views.metric_names(self.live.state)
        if self.plan.big == 1 and names:
            self.metric = (
                names[(names.index(self.metric) + by) % len(names)]
                if self.metric in names
                else names[0]
            )
            self.refill()
            return
        panes = [*self._panes(), self.query_one(LogTail)]
        at = next((i for i, pane in enumerate(panes) if pane.has_focus), 0)
        panes[(at + by) % len(panes)].focus()

    def action_maximise(self) -> None:
        if not self.solo:
            self.metric = self._focused_metric()
        self.solo = not self.solo
        self._arrange()
        self.query_one("#big-0", ChartPane).focus()
        self.call_after_refresh(self.refill)

    def action_search(self) -> None:
        self.query_one(SearchLine).open("words of log lines, error, checkpoint …")

    def on_input_changed(self, message: Input.Changed) -> None:
        self.query_one(LogTail).filter(message.value)

    def on_search_line_closed(self) -> None:
        self._panes()[0].focus()

    def action_back(self) -> None:
        """One layer out: filter, cursor and zoom, maximised chart."""
        if self.query_one(LogTail).search:
            self.query_one(SearchLine).clear_and_close()
        elif self.look.window or self.look.cursor is not None:
            self.action_fit()
        elif self.solo:
            self.action_maximise()

    def copied(self) -> str:
        state = self.live.state
        line = views.plain_line(state, self.live.status(), self.live.now())
        return f"{line}\nkavaspec tui {self.live.folder} --once"
