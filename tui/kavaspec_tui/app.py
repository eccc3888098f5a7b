"""The dashboard: two places, Decisions and Run, in one terminal application."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from kavaspec.explanation import Explanations
from kavaspec.lock.model import Lock
from kavaspec_tui import terminal, theme
from kavaspec_tui.keys import help_rows, key_name
from kavaspec_tui.live import Live
from kavaspec_tui.raster import ASCII, BRAILLE, Marker
from kavaspec_tui.screens.decisions import Decisions
from kavaspec_tui.screens.help import Help
from kavaspec_tui.screens.place import Place
from kavaspec_tui.screens.run import RunScreen
from kavaspec_tui.terminal import can_draw
from kavaspec_tui.views.decisions import by_target

__all__ = ["Dashboard", "can_draw", "open_lock", "open_run"]


def open_lock(lock: Lock, explanations: Mapping[str, Explanations], title: str) -> None:
    """Show the decisions of a lock until the user leaves."""
    _run(Dashboard(decisions=by_target(lock, explanations), title=title))


def open_run(run_folder: Path, explanations: Mapping[str, Explanations] | None) -> None:
    """Show a run, and the decisions of its lock when they are known, until the user leaves."""
    _run(
        Dashboard(live=Live(run_folder), decisions=dict(explanations or {}), title=run_folder.name)
    )


def _run(dashboard: Dashboard) -> None:
    dashboard.run()


class Dashboard(App[None]):
    """Reads; never writes to a run or a lock."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "kavaspec"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "go('decisions')", "Decisions", id="app.decisions"),
        Binding("2", "go('run')", "Run", id="app.run"),
        Binding("c", "copy", "Copy value and command", id="app.copy", show=False),
        Binding("ctrl+s", "save", "Save this screen as text", id="app.save", show=False),
        Binding("h,f1", "help", "Help", id="app.help"),
        Binding("q", "quit", "Quit", id="app.quit"),
    ]

    def __init__(
        self,
        *,
        live: Live | None = None,
        decisions: Mapping[str, Explanations] | None = None,
        title: str = "",
        warned: Mapping[str, str] | None = None,
        ascii_only: bool | None = None,
        marker: Marker | None = None,
        refresh_hz: float | None = None,
    ) -> None:
        no_color = os.environ.get("NO_COLOR")
        super().__init__()
        if no_color is not None:
            os.environ["NO_COLOR"] = no_color  # Textual took it away; a child process may want it
        self.ascii_only = terminal.is_ascii_only() if ascii_only is None else ascii_only
        self.use_command_palette = not self.ascii_only  # it draws signs that are not ASCII
        self.live = live
        self._hz = terminal.refresh_hz(os.environ) if refresh_hz is None else refresh_hz
        known = dict(decisions or {})
        self._places: dict[str, Place] = {}
        if known or live is None:
            self._places["decisions"] = Decisions(known, title=title, warned=dict(warned or {}))
        if live is not None:
            self._places["run"] = RunScreen(live, marker or (ASCII if self.ascii_only else BRAILLE))
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.theme = theme.DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours for themes that do not name them."""
        return dict(theme.VARIABLES)

    def on_mount(self) -> None:
        self.set_class(self.ascii_only, "-ascii")
        for name, place in self._places.items():
            self.install_screen(place, name)
        if self.live is not None:
            self.live.poll()
            self._look_again()
        self.push_screen("run" if self.live is not None else "decisions")

    def _tick(self) -> None:
        """Look for news; draw only when there is something to see."""
        assert self.live is not None
        changed = self.live.poll()
        if not self.screen_stack:  # the user left while we read
            return
        if isinstance(self.screen, RunScreen):
            self.screen.refresh_run(changed=changed)
        self._look_again()

    def _look_again(self) -> None:
        """Soon, where the file holds more than one look takes; keys are answered in between."""
        assert self.live is not None
        self.set_timer(0.01 if self.live.catching_up else 1 / self._hz, self._tick)

    def action_go(self, place: str) -> None:
        """To another place, closing what lies over this one."""
        while self.screen not in self._places.values():
            self.pop_screen()
        if self.screen is not self._places[place]:
            self.switch_screen(self._places[place])

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What ctrl+p offers: all that has a key here, then Textual's own commands."""
        seen: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and not binding.system and binding.action not in seen:
                seen.add(binding.action)
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, f"key {key_name(binding.key)}", run)
        yield from super().get_system_commands(screen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Places that do not exist have no key at the bottom."""
        return action != "go" or parameters[0] in self._places

    def action_help(self) -> None:
        if not isinstance(self.screen, Help):
            self.push_screen(Help(help_rows(self.screen.active_bindings.values())))

    def action_copy(self) -> None:
        if isinstance(self.screen, Place):
            text = self.screen.copied()
            self.copy_to_clipboard(text)
            self.notify(text, title="copied")

    def action_save(self) -> None:
        """Write the screen as text beside where the command was started."""
        if not isinstance(self.screen, Place):
            return
        path = _free_name(Path.cwd(), f"kavaspec-{self.screen.noun}", ".txt")
        try:
            path.write_text(self.screen.as_text(), encoding="utf-8")
        except OSError as error:
            self.notify(f"could not write {path}: {error.strerror}", severity="error")
        else:
            self.notify(str(path), title="saved")


def _free_name(folder: Path, stem: str, suffix: str) -> Path:
    """The first of `stem.txt`, `stem-2.txt`, ... that does not exist."""
    names = (f"{stem}{suffix}" if n == 1 else f"{stem}-{n}{suffix}" for n in range(1, 10_000))
    return next(folder / name for name in names if not (folder / name).exists())
