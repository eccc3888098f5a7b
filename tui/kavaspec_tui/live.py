"""A run folder, followed: its newest state, and what time it is where the run writes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from kavaspec_tui.follow import Follower
from kavaspec_tui.state import State, fold
from kavaspec_tui.status import Status, status

EVENTS = "events.jsonl"
CONSOLE = "console.log"
CONSOLE_BYTES = 4096


class Live:
    """Brings `state` up to date whenever it is asked to. Never writes to the folder."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder
        self.follower = Follower(run_folder / EVENTS)
        self.state = State()
        self.catching_up = False
        """The file holds more than was read so far."""
        self._clock_lead_s = 0.0
        self._watched = False

    def poll(self, budget_s: float = 0.1) -> bool:
        """Read news for at most about `budget_s`; whether there was any."""
        stop, changed = time.monotonic() + budget_s, False
        while True:
            news = self.follower.poll()
            if news.restarted:
                self.state = State()
            self.state = fold(self.state, news.pieces)
            self._see_clock(bool(news.pieces) and not news.more and not self.catching_up)
            self.catching_up = news.more
            changed |= bool(news.pieces) or news.restarted
            if not news.more or time.monotonic() >= stop:
                return changed

    def read_all(self) -> State:
        """Everything that the file holds now."""
        self.poll(budget_s=float("inf"))
        return self.state

    def _see_clock(self, arrived_just_now: bool) -> None:
        """Learn the writer's clock; it may sit on another host.

        What arrives while we watch was written now; what was there before tells only that the
        writer's clock is not behind it.
        """
        if self.state.last_t is None:
            return
        lead = self.state.last_t - time.time()
        if arrived_just_now and self._watched:
            self._clock_lead_s = lead
        else:
            self._clock_lead_s = max(self._clock_lead_s, lead)
        self._watched = True

    def console(self) -> list[str]:
        """The last lines that the process of the run printed, for when it said no event yet."""
        try:
            with (self.folder / CONSOLE).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(file.tell() - CONSOLE_BYTES, 0))
                return file.read(CONSOLE_BYTES).decode(errors="replace").splitlines()
        except OSError:  # no such file: the run was not started by `run --tui`
            return []

    def now(self) -> float:
        """Seconds since 1970 on the writer's clock, as well as it is known."""
        return time.time() + self._clock_lead_s

    def status(self) -> Status:
        """Where the run stands now."""
        return status(self.state, self.now())

    @property
    def read_share(self) -> float:
        """How much of the file was read, from 0 to 1."""
        return self.follower.offset / self.follower.size if self.follower.size else 1.0
