"""The dashboard with a pretend terminal: every key, every size, nothing drawn twice."""

import time
from contextlib import asynccontextmanager

import pytest
from textual.binding import Binding

from kavaspec_tui.app import Dashboard
from kavaspec_tui.chart import Look
from kavaspec_tui.live import Live
from kavaspec_tui.screens.decisions import Decisions
from kavaspec_tui.screens.help import Help
from kavaspec_tui.screens.run import RunScreen
from kavaspec_tui.screens.why import Why
from kavaspec_tui.widgets.chart_pane import ChartPane
from kavaspec_tui.widgets.decision_list import DecisionList
from kavaspec_tui.widgets.explanation_pane import ExplanationPane
from kavaspec_tui.widgets.log_tail import LogTail
from kavaspec_tui.widgets.painted import Painted
from kavaspec_tui.widgets.search_line import SearchLine
from tests.tui import made_up

SIZES = [(80, 24), (100, 30), (140, 40), (200, 55)]
NARROW, WIDE = (80, 24), (140, 40)


@pytest.fixture
def clock(monkeypatch):
    """It is one minute after the start of the run."""
    monkeypatch.setattr(time, "time", lambda: made_up.T0 + 60.2)


@pytest.fixture
def folder(tmp_path, clock):
    return made_up.run_folder(tmp_path / "kava", made_up.lines(upto=60))


@asynccontextmanager
async def shown(app, size):
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot


async def settle(pilot):
    await pilot.pause()
    await pilot.pause()


async def press(pilot, *keys):
    await pilot.press(*keys)
    await settle(pilot)


def lock_app(**changes):
    known = {"here": made_up.explanations(), "a100": made_up.explanations()}
    return Dashboard(**({"decisions": known, "title": "kava.lock", "ascii_only": False} | changes))


def run_app(folder, **changes):
    known = {"here": made_up.explanations()}
    values = {
        "live": Live(folder),
        "decisions": known,
        "title": "kava",
        "ascii_only": False,
        "refresh_hz": 0.01,
    }
    return Dashboard(**(values | changes))


# --- what it looks like ---


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
class TestGolden:
    def name(self, what, size):
        return f"{what}-{size[0]}x{size[1]}"

    async def test_decisions(self, size, golden):
        async with shown(lock_app(), size) as pilot:
            await press(pilot, "slash", *"micro", "enter")
            golden(self.name("decisions", size), pilot.app.screen.as_text())

    async def test_why(self, size, golden):
        async with shown(lock_app(), size) as pilot:
            await press(pilot, "slash", *"micro", "enter", "enter")
            golden(self.name("why", size), pilot.app.screen.as_text())

    async def test_a_run_that_lives(self, size, golden, folder):
        async with shown(run_app(folder), size) as pilot:
            golden(self.name("run", size), pilot.app.screen.as_text())

    async def test_a_run_that_is_done(self, size, golden, clock, tmp_path):
        async with shown(run_app(made_up.run_folder(tmp_path)), size) as pilot:
            golden(self.name("done", size), pilot.app.screen.as_text())

    async def test_a_run_on_an_ascii_terminal(self, size, golden, folder):
        async with shown(run_app(folder, ascii_only=True), size) as pilot:
            text = pilot.app.screen.as_text()
            assert text.isascii()
            golden(self.name("run-ascii", size), text)

    async def test_help(self, size, golden, folder):
        async with shown(run_app(folder), size) as pilot:
            await press(pilot, "h")
            golden(self.name("help", size), pilot.app.screen.as_text())


async def test_without_colour_it_says_the_same(folder, monkeypatch):
    async with shown(run_app(folder), NARROW) as pilot:
        coloured = pilot.app.screen.as_text()
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(run_app(folder), NARROW) as pilot:
        assert pilot.app.no_color
        assert pilot.app.screen.as_text() == coloured
        pane = pilot.app.screen.query_one("#big-0", ChartPane)
        assert pane._colour("raw").dim
        assert pane._colour("smooth").bold


async def test_every_theme_has_colours_for_us(folder):
    async with shown(run_app(folder), NARROW) as pilot:
        text = pilot.app.screen.as_text()
        for name in pilot.app.available_themes:
            pilot.app.theme = name
            await settle(pilot)
            assert pilot.app.screen.as_text() == text
            styles = [
                pilot.app.screen.query_one("#big-0", ChartPane)._colour(role)
                for role in ("raw", "smooth")
            ]
            assert styles[0].color != styles[1].color, name


async def test_everything_on_the_decisions_screen_is_ascii_where_it_must_be():
    async with shown(lock_app(ascii_only=True), WIDE) as pilot:
        assert pilot.app.screen.as_text().isascii()


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [*SIZES, (60, 15), (30, 8), (20, 5), (1, 1)], ids=lambda size: f"{size[0]}x{size[1]}"
)
async def test_no_size_is_too_small(size, folder):
    for app in (lock_app(), run_app(folder)):
        async with shown(app, size) as pilot:
            await press(
                pilot,
                "tab",
                "z",
                "h",
                "escape",
                "1",
                "enter",
                "escape",
                "slash",
                "a",
                "escape",
                "comma",
            )
            assert len(pilot.app.screen.as_text().splitlines()) <= size[1]


@pytest.mark.slow
async def test_a_storm_of_resizes_ends_well(folder):
    async with shown(run_app(folder), WIDE) as pilot:
        expected = pilot.app.screen.as_text()
        for size in [(20, 5), (200, 55), (80, 24), (1, 1), (100, 30), (140, 40)] * 3:
            await pilot.resize_terminal(*size)
        await settle(pilot)
        assert pilot.app.screen.as_text() == expected


# --- decisions ---


async def test_the_selected_decision_is_explained_beside_the_list():
    async with shown(lock_app(), WIDE) as pilot:
        await press(pilot, "slash", *"train.precision", "enter")
        assert "the processor has no instruction" in " ".join(pilot.app.screen.as_text().split())
        assert pilot.app.screen.query_one(ExplanationPane).explanation.key == "train.precision"


async def test_it_opens_at_the_first_decision_that_a_rule_made():
    async with shown(lock_app(), NARROW) as pilot:
        assert pilot.app.screen.query_one(DecisionList).key == "data.digest"


async def test_searching_narrows_the_list_and_escape_brings_it_back():
    async with shown(lock_app(), NARROW) as pilot:
        decisions = pilot.app.screen.query_one(DecisionList)
        await press(pilot, "slash", *"bitwise")
        assert decisions.keys == ["train.reproducibility"]
        await press(pilot, "enter")
        assert decisions.has_focus
        await press(pilot, "escape")
        assert len(decisions.keys) == 107
        assert decisions.key == "train.reproducibility"


async def test_a_search_that_finds_nothing_says_so():
    async with shown(lock_app(), NARROW) as pilot:
        await press(pilot, "slash", *"zzz", "enter", "enter")
        text = pilot.app.screen.as_text()
        assert '0 shown, searched for "zzz"' in text
        assert "nothing is selected" in text


async def test_a_warning_is_marked_and_told():
    app = lock_app(warned={"train.precision": "this is unwise"})
    async with shown(app, WIDE) as pilot:
        await press(pilot, "slash", *"train.precision", "enter")
        text = pilot.app.screen.as_text()
        assert "!R train.precision" in text
        assert "warning     this is unwise" in text


async def test_a_click_selects_and_two_open():
    async with shown(lock_app(), NARROW) as pilot:
        decisions = pilot.app.screen.query_one(DecisionList)
        await pilot.click(DecisionList, offset=(5, 5))
        assert decisions.key == "data.max_length"
        await pilot.click(DecisionList, offset=(5, 5), times=2)
        await settle(pilot)
        assert isinstance(pilot.app.screen, Why)


async def test_an_empty_lock_is_no_crash():
    async with shown(Dashboard(decisions={}, title="kava.lock"), NARROW) as pilot:
        await press(pilot, "down", "enter", "d", "t", "c")
        assert "no lock here" in pilot.app.screen.as_text()


# --- a run, live ---


async def test_news_appear_and_only_changed_rows_are_painted(tmp_path, clock):
    folder = made_up.run_folder(tmp_path, made_up.lines(upto=40))
    async with shown(run_app(folder), NARROW) as pilot:
        assert "185/600" in pilot.app.screen.as_text()
        painted = []
        log = pilot.app.screen.query_one(LogTail)
        refresh = log.refresh
        log.refresh = lambda *regions, **options: (
            painted.append(regions),
            refresh(*regions, **options),
        )[1]
        made_up.run_folder(tmp_path, made_up.lines(upto=40.4))
        pilot.app._tick()
        await settle(pilot)
        assert "187/600" in pilot.app.screen.as_text()
        assert painted == []


async def test_without_news_nothing_is_painted(folder):
    async with shown(run_app(folder), WIDE) as pilot:
        painted = []
        for widget in pilot.app.screen.query(Painted):
            widget.refresh = lambda *regions, **options: painted.append(regions)
        for _ in range(5):
            pilot.app._tick()
        await settle(pilot)
        assert painted == []


async def test_a_run_that_has_said_nothing_yet(tmp_path, clock):
    async with shown(run_app(tmp_path), WIDE) as pilot:
        text = pilot.app.screen.as_text()
        assert "◌ WAITING waiting for the first event" in text
        assert "nothing was said yet" in text
        made_up.run_folder(tmp_path, made_up.lines(upto=60))
        pilot.app._tick()
        await settle(pilot)
        assert "● LIVE kava on here" in pilot.app.screen.as_text()


async def test_a_process_that_dies_before_its_first_event_is_heard(tmp_path, clock):
    (tmp_path / "console.log").write_text(
        "starting torch\nkavaspec: \x1b[1mno space left\n", encoding="utf-8"
    )
    async with shown(run_app(tmp_path), NARROW) as pilot:
        text = pilot.app.screen.as_text()
        assert "starting torch" in text
        assert "kavaspec:  [1mno space left" in text


async def test_a_small_screen_makes_room_for_the_result(tmp_path, clock):
    async with shown(run_app(made_up.run_folder(tmp_path)), NARROW) as pilot:
        text = pilot.app.screen.as_text()
        assert all(name in text for name in ("exact match", "cosine shuffled", "cosine centred"))


async def test_with_one_target_there_is_no_key_for_the_next():
    async with shown(lock_app(decisions={"here": made_up.explanations()}), WIDE) as pilot:
        assert "Next target" not in pilot.app.screen.as_text()
    async with shown(lock_app(), WIDE) as pilot:
        assert "Next target" in pilot.app.screen.as_text()


async def test_what_was_painted_row_by_row_is_what_painting_all_gives():
    """A bordered pane, changed many times: no row of an older text stays behind."""
    async with shown(lock_app(), NARROW) as pilot:
        pane = pilot.app.screen.query_one(ExplanationPane)
        for keys in (["down"] * 6, ["slash", *"micro", "enter"], ["escape", "end", "up"]):
            await press(pilot, *keys)
            text = pilot.app.screen.as_text()
            pane.refresh()
            await settle(pilot)
            assert pilot.app.screen.as_text() == text


async def test_a_run_without_a_lock_has_no_decisions_key(folder):
    async with shown(run_app(folder, decisions={}), NARROW) as pilot:
        assert "Decisions" not in pilot.app.screen.as_text()
        await press(pilot, "1")
        assert isinstance(pilot.app.screen, RunScreen)


async def test_places_are_reached_from_anywhere(folder):
    async with shown(run_app(folder), NARROW) as pilot:
        await press(pilot, "1", "enter")
        assert isinstance(pilot.app.screen, Why)
        await press(pilot, "2")
        assert isinstance(pilot.app.screen, RunScreen)
        await press(pilot, "h", "1")
        assert isinstance(pilot.app.screen, Decisions)


async def test_the_wheel_zooms_and_a_click_puts_the_cursor(folder):
    async with shown(run_app(folder), WIDE) as pilot:
        await pilot.click("#big-0", offset=(40, 8))
        assert pilot.app.screen.look.cursor == pytest.approx(145, abs=12)
        pilot.app.screen.query_one("#big-0").post_message(ChartPane.Pointed(0.5, 0.5))
        await settle(pilot)
        first, last = pilot.app.screen.look.window
        assert last - first == pytest.approx(139.5)


async def test_leaving_does_not_touch_the_run(folder):
    before = (folder / "events.jsonl").read_bytes()
    async with shown(run_app(folder), NARROW) as pilot:
        await press(pilot, "x", "z", "q")
    assert (folder / "events.jsonl").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["events.jsonl"]


# --- every key does what it says ---


def look(pilot) -> Look:
    return pilot.app.screen.look


def selected(pilot):
    return pilot.app.screen.query_one(DecisionList).key


def on(pilot):
    return type(pilot.app.screen)


def focused(pilot):
    return pilot.app.screen.focused.id


def top(pilot, widget):
    return pilot.app.screen.query_one(widget).top


DECISIONS = {
    "list.next": (["down"], selected, "data.eval_split"),
    "list.previous": (["up"], selected, "data.completion"),
    "list.page-down": (["pagedown"], selected, "eval.max_new_tokens"),
    "list.page-up": (["end", "pageup"], selected, "paths.data"),
    "list.first": (["end", "home"], selected, "data.completion"),
    "list.last": (["end"], selected, "scheduler.walltime_s"),
    "decisions.why": (["enter"], on, Why),
    "decisions.why-too": (["question_mark"], on, Why),
    "decisions.search": (["slash"], focused, "search"),
    "decisions.defaults": (["d"], lambda p: len(p.app.screen.query_one(DecisionList).keys), 52),
    "decisions.target": (["t"], lambda p: p.app.screen.target, "a100"),
    "decisions.maximise": (["z"], lambda p: p.app.screen.query_one(ExplanationPane).display, False),
    "decisions.next-pane": (["tab"], focused, "explanation"),
    "decisions.previous-pane": (["shift+tab"], focused, "explanation"),
    "decisions.back": (["z", "escape"], lambda p: p.app.screen.query_one(ExplanationPane).display, True),
    "explanation.down": (["tab", "down"], lambda p: top(p, ExplanationPane), 1),
    "explanation.up": (["tab", "down", "down", "up"], lambda p: top(p, ExplanationPane), 1),
    "explanation.page-down": (["tab", "pagedown"], lambda p: top(p, ExplanationPane) > 1, True),
    "explanation.page-up": (["tab", "pagedown", "pageup"], lambda p: top(p, ExplanationPane), 0),
    "why.back": (["enter", "escape"], on, Decisions),
    "search.clear": (["slash", "m", "escape"], lambda p: p.app.screen.words, ""),
    "search.keep": (["slash", "m", "enter"], lambda p: (p.app.screen.words, focused(p)), ("m", "list")),
    "app.decisions": (["h", "1"], on, Decisions),
    "app.help": (["h"], on, Help),
    "app.copy": (["c"], lambda p: p.app.clipboard.splitlines()[1], "kavaspec why data.digest --target here"),
    "help.back": (["h", "escape"], on, Decisions),
    "help.down": (["h", "down"], lambda p: top(p, "#help"), 1),
    "help.up": (["h", "down", "down", "up"], lambda p: top(p, "#help"), 1),
    "help.page-down": (["h", "pagedown"], lambda p: top(p, "#help") > 1, True),
    "help.page-up": (["h", "pagedown", "pageup"], lambda p: top(p, "#help"), 0),
}  # fmt: skip
NARROW_RUN = {
    "run.next-pane": (["tab"], lambda p: p.app.screen.metric, "cosine"),
    "run.previous-pane": (["shift+tab"], lambda p: p.app.screen.metric, "step_ms"),
    "run.axis": (["x"], lambda p: look(p).axis, "tokens"),
    "run.log-y": (["y"], lambda p: p.app.screen.log_metrics, {"loss"}),
    "run.smoother": (["right_square_bracket"], lambda p: look(p).smoothing, 0.95),
    "run.rougher": (["left_square_bracket"], lambda p: look(p).smoothing, 0.8),
    "run.smooth": (["backslash"], lambda p: look(p).smoothing, 0.0),
    "run.layers": (["v"], lambda p: look(p).layers, "smooth"),
    "run.robust": (["o"], lambda p: look(p).robust, False),
    "run.zoom-in": (["plus"], lambda p: look(p).window, (140.5, 280.0)),
    "run.zoom-out": (["plus", "plus", "minus"], lambda p: look(p).window, (140.5, 280.0)),
    "run.earlier": (["plus", "left"], lambda p: look(p).window, (105.625, 245.125)),
    "run.later": (["plus", "left", "right"], lambda p: look(p).window, (140.5, 280.0)),
    "run.fit": (["plus", "comma", "0"], lambda p: (look(p).window, look(p).cursor), (None, None)),
    "run.cursor-left": (["comma", "comma"], lambda p: look(p).cursor < 280, True),
    "run.cursor-right": (["comma", "comma", "full_stop"], lambda p: look(p).cursor, 280.0),
    "run.cursor-far-left": (["comma", "less_than_sign"], lambda p: look(p).cursor < 250, True),
    "run.cursor-far-right": (["comma", "less_than_sign", "greater_than_sign"], lambda p: look(p).cursor, 280.0),
    "run.search": (["slash"], focused, "search"),
    "run.help": (["question_mark"], on, Help),
    "run.back": (["plus", "escape"], lambda p: look(p).window, None),
    "app.run": (["1", "2"], on, RunScreen),
}  # fmt: skip
WIDE_RUN = {
    "run.maximise": (["tab", "z"], lambda p: (p.app.screen.plan.big, p.app.screen.metric), (1, "cosine")),
    "run.next-pane": (["tab"], focused, "big-1"),
    "run.previous-pane": (["shift+tab"], focused, "log"),
    "run.back": (["z", "escape"], lambda p: p.app.screen.plan.big, 2),
    "log.older": (["shift+tab", "up"], lambda p: top(p, LogTail), 2),
    "log.newer": (["shift+tab", "up", "down"], lambda p: top(p, LogTail), 3),
    "log.page-up": (["shift+tab", "pageup"], lambda p: top(p, LogTail), 0),
    "log.page-down": (["shift+tab", "pageup", "pagedown"], lambda p: top(p, LogTail), 3),
    "log.oldest": (["shift+tab", "home"], lambda p: top(p, LogTail), 0),
    "log.newest": (["shift+tab", "home", "end"], lambda p: top(p, LogTail), 3),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", DECISIONS)
async def test_key_on_decisions(name):
    keys, ask, expected = DECISIONS[name]
    async with shown(lock_app(), NARROW) as pilot:
        await press(pilot, *keys)
        assert ask(pilot) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW_RUN)
async def test_key_on_a_narrow_run(name, folder):
    keys, ask, expected = NARROW_RUN[name]
    async with shown(run_app(folder), NARROW) as pilot:
        await press(pilot, *keys)
        assert ask(pilot) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE_RUN)
async def test_key_on_a_wide_run(name, folder):
    keys, ask, expected = WIDE_RUN[name]
    async with shown(run_app(folder), WIDE) as pilot:
        await press(pilot, *keys)
        assert ask(pilot) == expected


async def test_the_palette_offers_everything_that_has_a_key(folder):
    async with shown(run_app(folder), NARROW) as pilot:
        await press(pilot, "ctrl+p", *"Log y")
        await pilot.pause(0.5)
        await press(pilot, "enter")
        assert pilot.app.screen.log_metrics == {"loss"}


async def test_lines_that_are_no_events_are_counted_where_it_is_seen(folder):
    with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write("garbage\n" * 3)
    async with shown(run_app(folder), NARROW) as pilot:
        assert "unreadable lines 3" in pilot.app.screen.as_text()


async def test_save_writes_the_screen_and_never_over_another_file(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    async with shown(run_app(folder), NARROW) as pilot:
        text = pilot.app.screen.as_text()
        await press(pilot, "ctrl+s", "ctrl+s")
    saved = sorted(path.name for path in tmp_path.glob("*.txt"))
    assert saved == ["kavaspec-run-2.txt", "kavaspec-run.txt"]
    assert (tmp_path / "kavaspec-run.txt").read_text(encoding="utf-8") == text


async def test_a_look_that_ends_after_the_user_left_is_no_crash(folder):
    app = run_app(folder)
    async with shown(app, NARROW) as pilot:
        await pilot.press("q")
    app._tick()


async def test_quit_leaves(folder):
    async with shown(run_app(folder), NARROW) as pilot:
        await press(pilot, "q")
        assert not pilot.app.is_running or pilot.app._exit


OURS = (
    Dashboard,
    Decisions,
    RunScreen,
    Why,
    Help,
    DecisionList,
    ExplanationPane,
    LogTail,
    SearchLine,
)
TESTED_BY_NAME = {"app.save", "app.quit"}


def test_every_binding_has_a_name_of_its_own_and_a_test():
    bindings = [
        binding for owner in OURS for binding in owner.BINDINGS if isinstance(binding, Binding)
    ]
    names = [binding.id for binding in bindings]
    assert None not in names
    assert len(set(names)) == len(names)
    assert set(names) == {*DECISIONS, *NARROW_RUN, *WIDE_RUN} | TESTED_BY_NAME
    assert all(binding.description for binding in bindings)


async def test_a_key_can_be_given_to_another_letter(folder):
    app = run_app(folder)
    app.set_keymap({"run.axis": "b"})
    async with shown(app, NARROW) as pilot:
        await press(pilot, "x")
        assert look(pilot).axis == "step"
        await press(pilot, "b")
        assert look(pilot).axis == "tokens"
