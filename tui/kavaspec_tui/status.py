"""Is the run alive? One of nine words, each with a sign, never a colour alone."""

from __future__ import annotations

from enum import Enum

from kavaspec_tui.rows import Role
from kavaspec_tui.state import State

SILENT_S = 60.0
"""A run says something at least every ten seconds; after a minute, process or file system hang."""
CRASHED_S = 600.0
SLOW_STEPS, STALLED_STEPS = 3.0, 10.0
SLOW_S, STALLED_S = 5.0, 60.0
"""Shorter waits are never called slow or stalled, however fast the steps were."""


class Status(Enum):
    """Where a run stands."""

    WAITING = "no step yet"
    LIVE = "steps arrive"
    SLOW = "this step takes more than 3 times the median"
    STALLED = "the process lives, but a step takes more than 10 times the median"
    SILENT = "nothing written for a minute"
    CRASHED = "nothing written for ten minutes, and no end"
    DONE = "finished"
    FAILED = "ended with an error"
    STOPPED = "stopped on request; can be resumed"

    @property
    def sign(self) -> str:
        """One character."""
        return _SIGNS[self]

    @property
    def role(self) -> Role:
        """How good that is."""
        return _ROLES[self]

    @property
    def ended(self) -> bool:
        """Whether the run said that this attempt is over."""
        return self in (Status.DONE, Status.FAILED, Status.STOPPED)


_SIGNS = {
    Status.WAITING: "◌", Status.LIVE: "●", Status.SLOW: "▼", Status.STALLED: "‖", Status.SILENT: "○",
    Status.CRASHED: "✗", Status.DONE: "✓", Status.FAILED: "✗", Status.STOPPED: "■",
}  # fmt: skip
_ROLES: dict[Status, Role] = {
    Status.WAITING: "faint", Status.LIVE: "good", Status.SLOW: "warn", Status.STALLED: "warn",
    Status.SILENT: "warn", Status.CRASHED: "bad", Status.DONE: "good", Status.FAILED: "bad",
    Status.STOPPED: "warn",
}  # fmt: skip
_ENDS = {"finished": Status.DONE, "interrupted": Status.STOPPED}


def status(state: State, now: float) -> Status:
    """Where the run stands at `now`, seconds of the writer's clock."""
    if state.end is not None:
        return _ENDS.get(state.end.status, Status.FAILED)
    if state.last_t is None:
        return Status.WAITING
    silence = now - state.last_t
    if silence >= SILENT_S:
        return Status.CRASHED if silence >= CRASHED_S else Status.SILENT
    pace = state.pace()
    if state.step_t is None or pace is None:
        return Status.WAITING if state.step_t is None else Status.LIVE
    wait = now - state.step_t
    if wait > max(STALLED_STEPS * pace.step_s, STALLED_S):
        return Status.STALLED
    return Status.SLOW if wait > max(SLOW_STEPS * pace.step_s, SLOW_S) else Status.LIVE
