"""When a run has to leave: a signal, a stop file, or the end of the time that it was given.

The run asks after each optimizer step; then it saves and leaves with 85. Nothing happens in a signal
handler but that a word is written down.

    signal       Ctrl-C, SIGTERM, SIGUSR2
    stop file    `touch RUN/stop`, from any machine that sees the folder
    end of time  what the scheduler said when the job began, less the time that saving takes
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from kavaspec.events import Checkpoint, Event, Step
from kavaspec.plain import counted
from kavaspec.schedulers import detect

STOP_FILE = "stop"

END_TIME = "KAVA_END_TIME"
"""For schedulers that do not tell their jobs: seconds since 1970, as `date +%s` prints them."""

LEAST_GRACE_S = 120.0
LOOK_EVERY_S = 1.0
"""A folder on a slow network is asked for its stop file no more often."""
SECOND_PRESS_S = 0.3
"""Two Ctrl-C this close are one: some shells and launchers pass the same one on twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EndTime:
    """When the job ends, and who says so."""

    at_s: float
    """Seconds since 1970."""
    source: str


def end_time(env: Mapping[str, str]) -> EndTime | None:
    """The end of the allotted time, where it is known."""
    if env.get(END_TIME, "").strip().isdigit():
        return EndTime(at_s=float(env[END_TIME]), source=END_TIME)
    found = detect(env)
    if found is None:
        return None
    stated = found[0].ends_at(env)
    if not isinstance(stated.value, int):
        return None
    return EndTime(at_s=float(stated.value), source=stated.evidence.partition(" ")[0])


@dataclass(slots=True)
class Stop:
    """Remembers why a run should leave, and learns from its events how long saving takes."""

    stop_file: Path
    end: EndTime | None
    wall_s: Callable[[], float]
    """Seconds since 1970: read once, because wall clocks jump."""
    passed_s: Callable[[], float]
    """Seconds since anything: never goes back."""
    step_s: float = 0.0
    """The longest of the last steps."""
    save_s: float = 0.0
    """The longest checkpoint."""
    _signal: str | None = None
    _signalled_s: float = 0.0
    _looked_s: float | None = None
    _ends_s: float | None = field(init=False)

    def __post_init__(self) -> None:
        self._ends_s = None if self.end is None else self.passed_s() + self.end.at_s - self.wall_s()

    @property
    def grace_s(self) -> float:
        """How long before its end a job has to begin to leave."""
        return max(LEAST_GRACE_S, 3 * self.save_s + 2 * self.step_s)

    def reason(self) -> str | None:
        """Why the run should leave now, or None."""
        return self._signal or self._end_is_near() or self._stop_file_is_there()

    def learn(self, event: Event) -> None:
        """Take the durations that a run says."""
        if isinstance(event, Step):
            seconds = event.metrics.get("step_ms", 0.0) / 1000
            self.step_s = max(seconds, 0.9 * self.step_s)
        if isinstance(event, Checkpoint):
            self.save_s = max(self.save_s, event.seconds)

    def listening(self) -> AbstractContextManager[None]:
        """Handles signals inside a `with`; puts the old handlers back after it."""
        return _Handlers(self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now_s = self.passed_s()
        if self._signal is None:
            self._signal, self._signalled_s = signal.Signals(number).name, now_s
        elif number == signal.SIGINT and now_s - self._signalled_s >= SECOND_PRESS_S:
            raise KeyboardInterrupt  # a person who presses Ctrl-C again does not want to wait

    def _end_is_near(self) -> str | None:
        if self._ends_s is None or self.end is None:
            return None
        left_s = self._ends_s - self.passed_s()
        if left_s > self.grace_s:
            return None
        left = f"ends in {counted(int(left_s), 'second')}" if left_s >= 1 else "is over"
        return f"the time of this job {left} ({self.end.source})"

    def _stop_file_is_there(self) -> str | None:
        now_s = self.passed_s()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S:
            return None
        self._looked_s = now_s
        try:
            self.stop_file.unlink()  # taken: the next attempt is to go on
        except OSError:
            return None  # not there, or a folder that does not answer: training goes on
        return "the stop file"


class _Handlers:
    def __init__(self, handler: Callable[[int, FrameType | None], None]) -> None:
        names = ("SIGINT", "SIGTERM", "SIGUSR2", "SIGBREAK")
        self.numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self.handler = handler

    def __enter__(self) -> None:
        self.before = {number: signal.signal(number, self.handler) for number in self.numbers}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
