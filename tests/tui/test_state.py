import functools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec import events
from kavaspec.events import Line
from kavaspec_tui.pace import pace_of
from kavaspec_tui.state import State, fold, reduce
from kavaspec_tui.status import Status, status
from tests.tui import made_up
from tests.tui.made_up import T0


def said(*happened):
    """A state after events at given seconds."""
    return fold(
        State(), [Line(seq=i, t=T0 + t, event=event) for i, (t, event) in enumerate(happened)]
    )


def steps(first, last, *, start, every=0.2, **changes):
    return [
        (start + (n - first) * every, made_up.step(n, **changes)) for n in range(first, last + 1)
    ]


def shown(state):
    """Everything that can be seen of a state."""
    return (
        state.run, state.step, state.tokens, state.step_t, state.last_t, state.idle_s, state.attempt_row,
        list(state.curve.steps), state.curve.latest(), state.evals.latest(), list(state.log), list(state.alerts),
        list(state.checkpoints), list(state.resumes), state.end, state.marks(), state.watch,
    )  # fmt: skip


def test_one_by_one_and_together_give_the_same_state():
    lines = made_up.lines()
    together = fold(State(), lines)
    assert shown(functools.reduce(reduce, lines, State())) == shown(together)
    assert together.step == 600


@settings(max_examples=25)
@given(st.lists(st.integers(0, 780), max_size=5))
def test_it_does_not_matter_how_the_lines_are_cut(cuts):
    lines, state, start = made_up.lines(), State(), 0
    for cut in [*sorted(cuts), len(lines)]:
        state, start = fold(state, lines[start:cut]), max(start, cut)
    assert shown(state) == shown(fold(State(), lines))


def test_an_old_state_stays_what_it_was():
    lines = made_up.lines()
    state = fold(State(), lines[:100])
    before = shown(state)
    fold(state, lines[100:])
    assert shown(state) == before


def test_the_newest_attempt_wins_where_a_run_resumes():
    state = said(
        (0, made_up.run()),
        *steps(1, 30, start=1),
        (7.5, events.Checkpoint(step=20, path="checkpoints/20", bytes=1, seconds=1)),
        (8, events.Checkpoint(step=30, path="checkpoints/30", bytes=1, seconds=1)),
        (1000, made_up.run(attempt=2, first_step=20)),
        (1001, events.Resume(step=20, path="checkpoints/20", proof="bitwise")),
        *steps(21, 25, start=1002, seed=5),
    )
    assert list(state.curve.steps) == list(range(1, 26))
    assert state.curve.latest() == made_up.step(25, seed=5).metrics
    assert [point.step for point in state.checkpoints] == [20]
    assert [(mark.step, mark.sign) for mark in state.marks()] == [(20, "S"), (20, "R")]
    assert state.attempt_row == 20


def test_time_between_attempts_is_not_time_of_the_run():
    state = said((0, made_up.run()), *steps(1, 2, start=1), (5000, made_up.run(attempt=2, first_step=2)), (5004, made_up.step(3)))  # fmt: skip
    assert list(state.curve.series("loss").x("time")) == pytest.approx([1, 1.2, 5.2])
    assert state.elapsed_s == pytest.approx(5.2)


def test_steps_that_go_back_without_a_word_are_cut_too():
    state = said((0, made_up.run()), *steps(1, 10, start=1), *steps(4, 6, start=9, seed=3))
    assert list(state.curve.steps) == [1, 2, 3, 4, 5, 6]
    assert state.step == 6


def test_a_resume_forgets_alerts_of_steps_that_are_done_again():
    spoiled = {"loss": math.nan}
    state = said((0, made_up.run()), *steps(1, 5, start=1), (3, made_up.step(6, **spoiled)))
    assert [alert.step for alert in state.alerts] == [6]
    again = fold(state, [Line(seq=9, t=T0 + 9, event=made_up.run(attempt=2, first_step=4))])
    assert list(again.alerts) == []
    assert [line.message for line in again.log][-2:] == [
        "loss is nan at step 6",
        "attempt 2 of kava, target here, on cpu (2 threads)",
    ]


def test_everything_that_is_said_is_in_the_log():
    state = said(
        (0, made_up.run()),
        (1, events.Rehearsal(micro_batch=8, length=192, peak_bytes=2**30, seconds=1.4)),
        (2, events.Log(level="error", message="disk full")),
        (3, events.Checkpoint(step=1, path="checkpoints/1", bytes=2**20, seconds=0.3)),
        (4, events.Resume(step=1, path="checkpoints/1", proof="bitwise")),
        (4.5, events.Eval(step=1, metrics={"ce": 1.25, "cosine": 0.5})),
        (
            4.7,
            events.Deviation(
                step=2, key="train.micro_batch", was=8, now=4, because="memory ran out"
            ),
        ),
        (5, events.End(status="interrupted", reason="stop was asked for", step=1)),
    )
    assert [(line.level, line.message) for line in state.log] == [
        ("info", "attempt 1 of kava, target here, on cpu (2 threads)"),
        ("info", "rehearsal: micro-batch 8 at 192 tokens peaked at 1 GiB in 1.4 s"),
        ("error", "disk full"),
        ("checkpoint", "checkpoints/1 saved, 1 MiB in 0.3 s"),
        ("info", "resumed after step 1 from checkpoints/1, checked bitwise"),
        ("info", "held out after step 1: ce 1.25, cosine 0.5"),
        ("warning", "train.micro_batch 8 -> 4 from step 2 on: memory ran out"),
        ("warning", "interrupted after step 1: stop was asked for"),
    ]
    assert [(alert.rule, alert.message) for alert in state.alerts] == [
        ("error", "disk full"),
        ("deviation", "train.micro_batch 8 -> 4 from step 2 on: memory ran out"),
    ]


def test_a_metric_is_shown_as_declared_and_sensibly_if_it_was_not():
    state = said(
        (0, made_up.run(metrics=(events.Metric(name="loss", unit="nats", better="down"),)))
    )
    assert state.declared("loss").unit == "nats"
    assert state.declared("memory_bytes").unit == "bytes"
    assert state.declared("something").unit == ""


# --- status ---

RUNNING = [(0, made_up.run()), *steps(1, 40, start=1, every=2)]
LAST = 1 + 39 * 2


@pytest.mark.parametrize(
    ("happened", "later", "expected"),
    [
        ([], 0, Status.WAITING),
        ([(0, made_up.run())], 30, Status.WAITING),
        ([(0, made_up.run())], 61, Status.SILENT),
        (RUNNING, 2, Status.LIVE),
        (RUNNING, 6.5, Status.SLOW),
        ([*RUNNING, (LAST + 55, events.Heartbeat(step=40))], 61, Status.STALLED),
        (RUNNING, 61, Status.SILENT),
        (RUNNING, 601, Status.CRASHED),
        ([*RUNNING, (LAST, events.End(status="finished", reason="", step=40))], 9999, Status.DONE),
        ([*RUNNING, (LAST, events.End(status="failed", reason="", step=40))], 0, Status.FAILED),
        ([*RUNNING, (LAST, events.End(status="interrupted", reason="", step=40))], 0, Status.STOPPED),
        ([*RUNNING, (LAST, events.End(status="interrupted", reason="", step=40)), (LAST + 1, made_up.run(attempt=2, first_step=40))], 2, Status.WAITING),
    ],
    ids=lambda value: value.name if isinstance(value, Status) else "",
)  # fmt: skip
def test_status(happened, later, expected):
    start = LAST if len(happened) > 1 else 0
    assert status(said(*happened), T0 + start + later) is expected


def test_every_status_has_a_sign_of_its_own_within_its_kind():
    running = [s for s in Status if not s.ended]
    assert len({s.sign for s in running}) == len(running)
    assert len({(s.sign, s.role) for s in Status}) >= len(Status) - 1


# --- pace ---


def test_the_pace_leaves_warm_up_and_pauses_out():
    dice = random.Random(3)
    t, happened = 0.0, [(0.0, made_up.run(total_steps=1000))]
    for number in range(1, 301):
        t += 9 if number < 5 else 0.5 + dice.gauss(0, 0.02)
        t += 5 if number % 50 == 0 else 0
        happened.append((t, made_up.step(number)))
    pace = said(*happened).pace()
    assert pace.step_s == pytest.approx(0.5, rel=0.02)
    assert pace.pause_s == pytest.approx(0.1, rel=0.1)
    seconds, spread = pace.eta_s(700)
    assert seconds == pytest.approx(420, rel=0.05)
    assert 0 < spread < 20


def test_the_first_ten_steps_are_no_pauses():
    happened = [
        (0, made_up.run()),
        *steps(1, 10, start=1, every=9),
        *steps(11, 30, start=100, every=1),
    ]
    assert said(*happened).pace().pause_s == 0.0


def test_the_pace_is_per_step_even_when_not_every_step_is_logged():
    happened = [(0, made_up.run()), *[(n * 1.0, made_up.step(n * 10)) for n in range(1, 40)]]
    assert said(*happened).pace().step_s == pytest.approx(0.1)


def test_the_pace_is_that_of_the_newest_attempt():
    state = said((0, made_up.run()), *steps(1, 50, start=1, every=5), (9000, made_up.run(attempt=2, first_step=50)), *steps(51, 90, start=9001, every=1))  # fmt: skip
    assert state.pace().step_s == pytest.approx(1.0)


def test_no_pace_before_two_steps():
    assert said((0, made_up.run()), (1, made_up.step(1))).pace() is None
    assert pace_of(State().curve, 0) is None
