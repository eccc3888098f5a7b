"""What is known about a run, made from its events by a pure function.

    reduce(state, line)  -> state        one event
    fold(state, pieces)  -> state        many, the same result, faster

Steps go back when a run resumes from a checkpoint; the newest attempt wins. For speed, `Curve` and
`Appended` share their storage between states; each state still sees only its own part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from kavaspec import events
from kavaspec.events import Line, Metric
from kavaspec_tui.alerts import Alert, Watch, watch
from kavaspec_tui.appended import Appended, appended
from kavaspec_tui.chart import Mark
from kavaspec_tui.pace import Pace, pace_of
from kavaspec_tui.series import Curve, Sample, Samples
from kavaspec_tui.stretch import Stretch, stretches
from kavaspec_tui.units import seconds, si, size


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line for people, in the order of the file."""

    t: float
    level: str
    """`info`, `warning`, `error`, `alert` or `checkpoint`."""
    message: str
    step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """Everything the dashboard shows about a run."""

    run: events.Run | None = None
    """The newest attempt."""
    attempt_row: int = 0
    """First row of `curve` that the newest attempt wrote."""
    first_t: float | None = None
    last_t: float | None = None
    """Writer's clock at the first and newest event."""
    step_t: float | None = None
    """Writer's clock at the newest step of the newest attempt."""
    idle_s: float = 0.0
    """Time between attempts, when nothing ran; left out of the time axis."""
    step: int = 0
    tokens: int = 0
    curve: Curve = field(default_factory=Curve)
    evals: Curve = field(default_factory=Curve)
    watch: Watch = field(default_factory=Watch)
    alerts: Appended[Alert] = field(default_factory=Appended)
    checkpoints: Appended[events.Checkpoint] = field(default_factory=Appended)
    resumes: Appended[events.Resume] = field(default_factory=Appended)
    log: Appended[LogLine] = field(default_factory=Appended)
    rehearsal: events.Rehearsal | None = None
    end: events.End | None = None
    """How the newest attempt ended."""

    @property
    def total_steps(self) -> int:
        """Length of the whole run; 0 while it is unknown."""
        return self.run.total_steps if self.run else 0

    @property
    def done_share(self) -> float:
        """Progress from 0 to 1."""
        return min(self.step / self.total_steps, 1.0) if self.total_steps > 0 else 0.0

    @property
    def elapsed_s(self) -> float:
        """How long the run has computed, over all attempts."""
        if self.first_t is None or self.last_t is None:
            return 0.0
        return max(self.last_t - self.first_t - self.idle_s, 0.0)

    def declared(self, name: str) -> Metric:
        """How a metric wants to be shown."""
        known = self.run.metrics if self.run else ()
        return next((metric for metric in known if metric.name == name), _usual(name))

    def marks(self) -> tuple[Mark, ...]:
        """What happened where, for the charts."""
        kept = [Mark(step=point.step, sign="S") for point in self.checkpoints]
        kept += [Mark(step=resume.step, sign="R") for resume in self.resumes]
        kept += [Mark(step=alert.step, sign="!") for alert in self.alerts]
        return tuple(kept)

    def pace(self) -> Pace | None:
        """How fast the newest attempt goes; None before it has shown it."""
        return pace_of(self.curve, self.attempt_row)


_UNITS = {"memory_bytes": "bytes", "tokens_per_s": "tokens/s", "step_ms": "ms"}
_BETTER = {"loss": "down", "ce": "down", "kv": "down", "cosine": "up", "exact_match": "up"}


def _usual(name: str) -> Metric:
    """What we know about metrics that a run did not declare."""
    return Metric(name=name, unit=_UNITS.get(name, ""), better=_BETTER.get(name, ""))  # type: ignore[arg-type]


def reduce(state: State, line: Line) -> State:
    """The state after one more event."""
    event = line.event
    if isinstance(event, events.Run):
        return _run(state, event, line)
    if isinstance(event, events.Step):
        return _steps(state, [line])
    state = _seen(state, line.t)
    if isinstance(event, events.End):
        return _end(state, event, line)
    if isinstance(event, events.Checkpoint):
        return _checkpoint(state, event, line)
    if isinstance(event, events.Resume):
        return _resume(state, event, line)
    if isinstance(event, events.Log):
        return _message(state, event, line)
    if isinstance(event, events.Eval):
        return _eval(state, event, line)
    if isinstance(event, events.Rehearsal):
        return _rehearsal(state, event, line)
    if isinstance(event, events.Deviation):
        return _deviation(state, event, line)
    return state  # a heartbeat only says that the process lives


def fold(state: State, pieces: Iterable[Line | Stretch]) -> State:
    """The state after many events, one by one or as stretches of steps."""
    steps: list[Line] = []
    for piece in pieces:
        if isinstance(piece, Stretch):
            state, steps = _stretch(_steps(state, steps), piece), []
        elif isinstance(piece.event, events.Step):
            steps.append(piece)
        else:
            state, steps = reduce(_steps(state, steps), piece), []
    return _steps(state, steps)


def _seen(state: State, t: float) -> State:
    first = t if state.first_t is None else state.first_t
    return replace(state, first_t=first, last_t=max(t, state.last_t or t))


def _steps(state: State, lines: Sequence[Line]) -> State:
    for stretch in stretches(lines):
        state = _stretch(state, stretch)
    return state


def _stretch(state: State, new: Stretch) -> State:
    """Steps in rising order. One that was already done means that the newer attempt wins."""
    state = _seen(_seen(state, new.t[0]), max(new.t))
    if new.step[0] <= state.step:
        state = _cut(state, new.step[0] - 1)
    start = (state.first_t or 0.0) + state.idle_s
    elapsed = [t - start if t > start else 0.0 for t in new.t]
    rows = Samples(new.step, new.tokens, elapsed, new.metrics)
    watching, found = watch(state.watch, rows, new.t)
    state = replace(
        state,
        curve=state.curve.append(rows),
        step=new.step[-1],
        tokens=new.tokens[-1],
        step_t=new.t[-1],
        watch=watching,
        end=None,
    )
    if not found:
        return state
    log = state.log.add(*map(_alert_line, found))
    return replace(state, alerts=state.alerts.add(*found), log=log)


def _cut(state: State, step: int) -> State:
    """Forget what came after `step`: it will be done again. The log keeps everything."""
    curve = state.curve.before(step + 1)
    return replace(
        state,
        curve=curve,
        evals=state.evals.before(step + 1),
        attempt_row=min(state.attempt_row, curve.rows),
        step=step,
        tokens=int(curve.columns.marks.tokens[curve.rows - 1]) if curve.rows else 0,
        alerts=appended(alert for alert in state.alerts if alert.step <= step),
        checkpoints=appended(point for point in state.checkpoints if point.step <= step),
        watch=Watch(),
    )


def _alert_line(alert: Alert) -> LogLine:
    return LogLine(t=alert.t, level="alert", message=alert.message, step=alert.step)


def _run(state: State, event: events.Run, line: Line) -> State:
    """A new attempt. What came before it stays, up to where it starts."""
    pause = max(line.t - state.last_t, 0.0) if state.last_t is not None else 0.0
    state = _cut(_seen(state, line.t), event.first_step)
    state = replace(
        state,
        run=event,
        attempt_row=state.curve.rows,
        idle_s=state.idle_s + pause,
        step_t=None,
        end=None,
    )
    text = f"attempt {event.attempt} of {event.name}, target {event.target}, on {event.device}"
    return _log(state, line, "info", text)


def _resume(state: State, event: events.Resume, line: Line) -> State:
    state = _cut(state, event.step)
    text = f"resumed after step {event.step} from {event.path}, checked {event.proof}"
    return _log(replace(state, resumes=state.resumes.add(event)), line, "info", text)


def _checkpoint(state: State, event: events.Checkpoint, line: Line) -> State:
    text = f"{event.path} saved, {size(event.bytes)} in {seconds(event.seconds)}"
    state = replace(state, checkpoints=state.checkpoints.add(event))
    return _log(state, line, "checkpoint", text)


def _message(state: State, event: events.Log, line: Line) -> State:
    if event.level == "error":
        alert = Alert(step=state.step, t=line.t, rule="error", message=event.message)
        state = replace(state, alerts=state.alerts.add(alert))
    return _log(state, line, event.level, event.message)


def _eval(state: State, event: events.Eval, line: Line) -> State:
    row = Sample(event.step, state.tokens, state.elapsed_s, event.metrics)
    numbers = ", ".join(f"{name} {si(value)}" for name, value in event.metrics.items())
    state = replace(state, evals=state.evals.add([row]))
    return _log(state, line, "info", f"held out after step {event.step}: {numbers}")


def _rehearsal(state: State, event: events.Rehearsal, line: Line) -> State:
    text = (
        f"rehearsal: micro-batch {event.micro_batch} at {event.length} tokens "
        f"peaked at {size(event.peak_bytes)} in {seconds(event.seconds)}"
    )
    return _log(replace(state, rehearsal=event), line, "info", text)


def _deviation(state: State, event: events.Deviation, line: Line) -> State:
    text = f"{event.key} {event.was} -> {event.now} from step {event.step} on: {event.because}"
    alert = Alert(step=event.step, t=line.t, rule="deviation", message=text)
    return _log(replace(state, alerts=state.alerts.add(alert)), line, "warning", text)


def _end(state: State, event: events.End, line: Line) -> State:
    level = {"finished": "info", "interrupted": "warning"}.get(event.status, "error")
    text = f"{event.status} after step {event.step}: {event.reason}".rstrip(": ")
    return _log(replace(state, end=event), line, level, text)


def _log(state: State, line: Line, level: str, message: str) -> State:
    entry = LogLine(t=line.t, level=level, message=message, step=state.step)
    return replace(state, log=state.log.add(entry))
