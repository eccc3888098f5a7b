"""The dashboard without a terminal: lines for job logs, pipes and screen readers, and JSON.

No cursor movement and no escapes: what is printed stays readable in a file.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from kavaspec.explanation import Explanation, Explanations
from kavaspec.lock.model import Lock
from kavaspec.plain import thaw
from kavaspec_tui import chart
from kavaspec_tui.live import Live
from kavaspec_tui.raster import ASCII, BRAILLE, Marker
from kavaspec_tui.rows import Row, ascii_text, text_of
from kavaspec_tui.state import LogLine, State
from kavaspec_tui.status import Status
from kavaspec_tui.views import decisions as decision_views
from kavaspec_tui.views import run as run_views

SCHEMA = "kavaspec.tui/1"
WIDTH = 100
POLL_S = 1.0
QUIET = 10
"""Without news a line is printed only after so many intervals."""


def watch(
    run_folder: Path,
    *,
    out: TextIO,
    interval_s: float = 10.0,
    until_end: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Print a line every `interval_s`, and at once what the run says, until it ends or is lost.

    With `until_end=False` it goes on for ever, through later attempts.
    """
    live, told, next_line = Live(run_folder), 0, -math.inf
    before: tuple[Status, int] | None = None
    while True:
        live.poll(budget_s=math.inf)
        now, state, status = live.now(), live.state, live.status()
        told = _tell_log(state.log, told if told <= len(state.log) else 0, out)
        over = status.ended or status is Status.CRASHED
        news = (status, state.step) != before
        if over or now >= next_line + (0 if news else QUIET * interval_s):
            _say(run_views.plain_line(state, status, now), out)
            next_line, before = now + interval_s, (status, state.step)
        if over and until_end:
            _tell(run_views.result_rows(state), out)
            return status
        sleep(min(POLL_S, interval_s))


def _tell_log(log: Sequence[LogLine], told: int, out: TextIO) -> int:
    _tell([run_views.log_row(line) for line in log[told:]], out)
    return len(log)


def once(run_folder: Path, *, out: TextIO, as_json: bool = False, width: int = WIDTH) -> None:
    """Print the run as it is now: header, curves, last words, result."""
    live = Live(run_folder)
    state = live.read_all()
    if as_json:
        record = run_record(state, live.status(), live.now())
        record |= {"invalid_lines": live.follower.invalid, "unknown_events": live.follower.unknown}
        out.write(json.dumps(record, indent=2) + "\n")
        return
    invalid = live.follower.invalid
    _tell(run_views.run_header(state, live.status(), live.now(), width, invalid=invalid), out)
    look = chart.Look(marker=_marker(out))
    for name in [n for n in run_views.BIG if n in state.curve.names][:2]:
        _tell([[], *chart.draw(run_views.subject(state, name), look, width, 12)], out)
    _tell([[], *(run_views.log_row(line) for line in state.log.last(8))], out)
    _tell([[], *run_views.result_rows(state)] if run_views.result_rows(state) else [], out)


def decisions(
    lock: Lock,
    explanations: Mapping[str, Explanations],
    *,
    out: TextIO,
    as_json: bool = False,
    width: int = WIDTH,
) -> None:
    """Print every decision of every target of a lock."""
    known = decision_views.by_target(lock, explanations)
    if as_json:
        record = {
            target: [_record(one) for one in found.values()] for target, found in known.items()
        }
        out.write(json.dumps({"schema": SCHEMA, "targets": record}, indent=2) + "\n")
        return
    for target, found in known.items():
        _say(f"target {target}: {decision_views.summary(found)}", out)
        _tell([decision_views.columns_row(decision_views.columns(found.values(), width))], out)
        _tell([entry.row for entry in decision_views.decision_entries(found, width)], out)


def run_record(state: State, status: Status, now: float) -> dict[str, Any]:
    """What the run screen shows, for programs. Numbers that are not finite become null."""
    pace = state.pace()
    eta = pace.eta_s(max(state.total_steps - state.step, 0)) if pace and not status.ended else None
    return {
        "schema": SCHEMA,
        "status": status.name,
        "name": state.run.name if state.run else None,
        "target": state.run.target if state.run else None,
        "attempt": state.run.attempt if state.run else None,
        "step": state.step,
        "total_steps": state.total_steps or None,
        "tokens": state.tokens,
        "elapsed_s": round(state.elapsed_s, 3),
        "last_event_age_s": None if state.last_t is None else round(max(now - state.last_t, 0), 3),
        "eta_s": None if eta is None else round(eta[0], 1),
        "metrics": _finite(state.curve.latest()),
        "held_out": _finite(state.evals.latest()),
        "checkpoints": [point.step for point in state.checkpoints],
        "alerts": [{"step": a.step, "rule": a.rule, "message": a.message} for a in state.alerts],
        "end": None
        if state.end is None
        else {
            "status": state.end.status,
            "reason": state.end.reason,
            "result": _finite(state.end.result),
        },
    }


def _record(one: Explanation) -> dict[str, Any]:
    return {
        "key": one.key,
        "value": thaw(one.value),
        "tier": one.tier,
        "by": one.by,
        "because": one.because,
        "provisional": one.provisional,
    }


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _marker(out: TextIO) -> Marker:
    return BRAILLE if _speaks_unicode(out) else ASCII


def _speaks_unicode(out: TextIO) -> bool:
    encoding = getattr(out, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


def _tell(rows: Sequence[Row], out: TextIO) -> None:
    for row in rows:
        _say(text_of(row), out)


def _say(text: str, out: TextIO) -> None:
    shown = text.rstrip()
    out.write((shown if _speaks_unicode(out) else ascii_text(shown)) + "\n")
    out.flush()
