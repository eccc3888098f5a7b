"""A run as lines of text: where it stands, how it goes, what it said, how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterable

from kavaspec_tui import units
from kavaspec_tui.chart import Subject, sparkline
from kavaspec_tui.raster import Marker
from kavaspec_tui.rows import Role, Row, clean, fit, justify, length
from kavaspec_tui.state import LogLine, State
from kavaspec_tui.status import Status

FIRST = ("loss", "cosine", "ce", "kv", "tokens_per_s", "memory_bytes", "learning_rate", "grad_norm")
"""Metrics by how much people look at them; others follow by name, `step_ms` last."""
BIG = ("loss", "cosine", "ce", "kv")
"""Metrics that deserve a large chart."""
SMALL = ("tokens_per_s", "memory_bytes", "learning_rate", "grad_norm", "ce", "kv")
"""Metrics of the small charts, as far as there is room."""
GAP = "  "
NOW = ("loss", "cosine", "tokens_per_s")
"""Numbers that the header always has. Throughput as a running mean, the others as they are."""
EXACT = frozenset({"memory_bytes", "learning_rate"})
"""Metrics without noise: a running mean would only lag behind."""
TITLES = {
    "tokens_per_s": "tokens/s",
    "memory_bytes": "memory",
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "step_ms": "ms/step",
    "exact_match": "exact match",
}


def title_of(metric: str) -> str:
    """What a metric is called on a chart."""
    return TITLES.get(metric, metric.replace("_", " "))


def metric_names(state: State) -> list[str]:
    """Metrics that have values, the most looked at first."""
    names = state.curve.names
    known = [name for name in FIRST if name in names]
    others = sorted(name for name in names if name not in FIRST)
    return known + sorted(others, key=lambda name: name == "step_ms")


def subject(state: State, metric: str, *, log_y: bool = False) -> Subject:
    """One metric, ready to be drawn."""
    declared = state.declared(metric)
    return Subject(
        name=title_of(metric),
        series=state.curve.series(metric),
        unit=declared.unit,
        better=declared.better,
        marks=state.marks(),
        log_y=log_y,
        noisy=metric not in EXACT,
    )


def run_header(
    state: State, status: Status, now: float, width: int, *, invalid: int = 0
) -> list[Row]:
    """Two lines: where it stands, and how it goes. `invalid`: lines of the file that are no events."""
    return [_standing(state, status, now, width), _readings(state, width, invalid)]


def _standing(state: State, status: Status, now: float, width: int) -> Row:
    left: Row = [
        (f" {status.sign} {status.name}", status.role),
        (" ", "text"),
        (_name(state), "title"),
    ]
    right: Row = _progress_words(state, status, now)
    room = width - length(left) - length(right) - 4
    if room < 8 or not state.total_steps:
        return justify(left, right, width)
    return justify(
        left, [("  ", "text"), *progress_bar(state.done_share, min(room, 48)), *right], width
    )


def _name(state: State) -> str:
    if state.run is None:
        return "waiting for the first event"
    attempt = f" · attempt {state.run.attempt}" if state.run.attempt > 1 else ""
    return f"{clean(state.run.name)} on {clean(state.run.target)}{attempt}"


def progress_bar(share: float, width: int) -> Row:
    """A bar of `width` cells."""
    done = round(share * width)
    half = 0 < done < width
    track = "─" * (width - done)
    return [("━" * (done - half) + ("╸" if half else ""), "bar"), (track, "track")]


def _progress_words(state: State, status: Status, now: float) -> Row:
    words: Row = []
    if state.total_steps:
        share = f" {100 * state.done_share:.1f} % "
        words += [
            (share, "value"),
            (f"{units.count(state.step)}/{units.count(state.total_steps)}", "text"),
        ]
    when = _when(state, status, now)
    return [*words, (f"  {when} " if when else " ", "text")]


def _when(state: State, status: Status, now: float) -> str:
    if status.ended:
        return f"took {units.duration(state.elapsed_s)}"
    if status in (Status.SLOW, Status.STALLED) and state.step_t is not None:
        return f"last step {units.duration(now - state.step_t)} ago"
    if status in (Status.SILENT, Status.CRASHED) and state.last_t is not None:
        return f"last event {units.duration(now - state.last_t)} ago"
    return eta_text(state)


def eta_text(state: State) -> str:
    """`ETA 2h10m ±5m`, or nothing while it is unknown."""
    pace = state.pace()
    if pace is None or not state.total_steps:
        return ""
    seconds, spread = pace.eta_s(max(state.total_steps - state.step, 0))
    around = f" ±{units.duration(spread)}" if spread >= max(1.0, 0.02 * seconds) else ""
    return f"ETA {units.duration(seconds)}{around}"


def _readings(state: State, width: int, invalid: int) -> Row:
    """The newest numbers, as many as fit, and on the right which experiment this is."""
    row: Row = [(" ", "text")]
    for item in [*_to_be_seen(state, invalid), *_numbers(state, width)]:
        if length(row) + length(item) <= width + len(GAP):
            row += item
    return justify(row, _experiment(state), width)


def _to_be_seen(state: State, invalid: int) -> list[Row]:
    """What stands in front, because it should not be overlooked."""
    items = [_item("unreadable lines", units.count(invalid), "warn")] if invalid else []
    return items + ([_item("alerts", f"{len(state.alerts)} !", "bad")] if state.alerts else [])


def _numbers(state: State, width: int) -> list[Row]:
    latest, pace = state.curve.latest(), state.pace()
    items = [_reading(name, _newest(state, name), state) for name in NOW if name in latest]
    if "memory_bytes" in latest:
        items.append(_memory(state, latest["memory_bytes"], width))
    if pace is not None:
        items.append(_item("steps/s", units.si(1 / pace.step_s, 3)))
    if "learning_rate" in latest:
        items.append(_reading("learning_rate", latest["learning_rate"], state))
    if state.checkpoints:
        items.append(_item("checkpoint", units.count(state.checkpoints[-1].step)))
    return items


def _memory(state: State, n_bytes: float, width: int) -> Row:
    """What is used; where there is room, beside what the rehearsal of the longest step needed."""
    if state.rehearsal is None or width < 120:
        return _reading("memory_bytes", n_bytes, state)
    rehearsed = units.size(state.rehearsal.peak_bytes)
    return _item("memory", f"{units.quantity(n_bytes, 'bytes')} (rehearsed {rehearsed})")


def _experiment(state: State) -> Row:
    if state.run is None:
        return []
    words = f"{state.run.kx[:12]} · {state.run.device} · batch {state.run.global_batch} "
    return [(clean(words), "faint")]


def _newest(state: State, name: str) -> float:
    """The newest value; of the throughput, which jumps, the running mean."""
    series = state.curve.series(name)
    assert series is not None, name
    shown = series.smoothed(0.9) if name == "tokens_per_s" else series
    return shown.last


def _reading(name: str, value: float, state: State) -> Row:
    return _item(title_of(name), units.quantity(value, state.declared(name).unit))


def _item(label: str, value: str, role: Role = "value") -> Row:
    return [(f"{label} ", "faint"), (value, role), (GAP, "text")]


SIGNS = {"warning": "!", "error": "E", "alert": "!", "checkpoint": "S"}
_LOG_ROLES: dict[str, Role] = {
    "warning": "warn",
    "error": "bad",
    "alert": "bad",
    "checkpoint": "mark",
}


def log_row(line: LogLine) -> Row:
    """One line of the log: time, sign, message."""
    clock = time.strftime("%H:%M:%S", time.localtime(line.t))
    role = _LOG_ROLES.get(line.level, "text")
    sign = SIGNS.get(line.level, " ")
    return [(f"{clock} ", "faint"), (f"{sign} ", role), (clean(line.message), role)]


def console_rows(lines: Iterable[str]) -> list[Row]:
    """What a process printed before it said its first event."""
    return [[(clean(line), "faint")] for line in lines]


def result_rows(state: State) -> list[Row]:
    """The final table, or the newest held-out numbers; empty before there are any."""
    result = dict(state.end.result) if state.end else {}
    heading = "result" if result else "held out"
    if not result:
        result = state.evals.latest()
        heading += f" after step {units.count(int(state.evals.steps[-1]))}" if result else ""
    if not result:
        return []
    wide = max(len(title_of(name)) for name in result)
    rows: list[Row] = [[(heading, "title")]]
    for name, value in result.items():
        shown = units.quantity(value, state.declared(name).unit)
        rows.append([(f"{title_of(name):<{wide}}  ", "faint"), (shown, "value")])
    return rows


def plain_line(state: State, status: Status, now: float) -> str:
    """One line for a job log: `step 8260/20000 (41.3 %) | loss 2.447 | ... | ETA 2h10m`."""
    if state.run is None:
        return f"{status.name} | no event yet"
    latest = state.curve.latest()
    parts = [f"step {state.step}/{state.total_steps} ({100 * state.done_share:.1f} %)"]
    shown = [name for name in (*NOW, "memory_bytes") if name in latest]
    parts += [_in_words(name, _newest(state, name), state) for name in shown]
    when = _when(state, status, now)
    if status is not Status.LIVE:
        parts.insert(0, status.name)
    return " | ".join(part for part in [*parts, when] if part)


def _in_words(name: str, value: float, state: State) -> str:
    shown = units.quantity(value, state.declared(name).unit)
    return f"{shown} tokens/s" if name == "tokens_per_s" else f"{title_of(name)} {shown}"


def tabs_row(names: list[str], current: str, width: int) -> Row:
    """The metrics that `tab` walks through, the shown one in brackets."""
    row: Row = [(" ", "text")]
    for name in names:
        title = title_of(name)
        row += [(f"[{title}]", "title")] if name == current else [(f" {title} ", "faint")]
    return fit(row, width)


def sparks_row(state: State, names: list[str], width: int, marker: Marker) -> Row:
    """Several metrics in one line: name, curve, newest value."""
    row: Row = [(" ", "text")]
    for name in names:
        series = state.curve.series(name)
        if series is None:
            continue
        value = units.quantity(series.last, state.declared(name).unit)
        piece: Row = [
            (f"{title_of(name)} ", "faint"),
            (sparkline(series, 12, marker), "raw"),
            (f" {value}   ", "value"),
        ]
        if length(row) + length(piece) > width + 3:
            break
        row += piece
    return fit(row, width)
