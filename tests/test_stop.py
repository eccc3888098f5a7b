"""When a run has to leave: signals, the stop file, the end of the job's time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from kavaspec.events import Checkpoint, Step
from kavaspec.schedulers import SCHEDULERS
from kavaspec.stop import EndTime, Stop, end_time


class Clock:
    """Time that passes when a test says so; the wall clock may jump."""

    def __init__(self) -> None:
        self.passed, self.wall = 100.0, 1_790_000_000.0

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.wall += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def stop_of(folder: Path, clock: Clock, *, ends_in_s: float | None = None) -> Stop:
    end = (
        None
        if ends_in_s is None
        else EndTime(at_s=clock.wall + ends_in_s, source="SLURM_JOB_END_TIME")
    )
    return Stop(
        stop_file=folder / "stop",
        end=end,
        wall_s=lambda: clock.wall,
        passed_s=lambda: clock.passed,
    )


def saved(seconds: float) -> Checkpoint:
    return Checkpoint(step=1, path="checkpoints/step-1", bytes=1, seconds=seconds)


def stepped(seconds: float) -> Step:
    return Step(step=1, tokens=1, metrics={"step_ms": seconds * 1000})


# ---- signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR2"])
def test_a_signal_is_a_reason_and_nothing_else_happens(tmp_path: Path, clock: Clock, name: str):
    stop = stop_of(tmp_path, clock)
    with stop.listening():
        assert stop.reason() is None
        os.kill(os.getpid(), getattr(signal, name))
        assert stop.reason() == name


def test_a_storm_of_signals_is_one_signal(tmp_path: Path, clock: Clock):
    """Slurm, srun and the shell each pass SIGTERM on: the run still saves before it leaves."""
    stop = stop_of(tmp_path, clock)
    with stop.listening():
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGTERM)
            clock.wait(0.5)
            os.kill(os.getpid(), signal.SIGUSR2)
        assert stop.reason() == "SIGTERM"


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        clock.wait(1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_one_ctrl_c_that_arrives_twice_is_one(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock)
    with stop.listening():
        signal.raise_signal(signal.SIGINT)
        clock.wait(0.01)
        signal.raise_signal(signal.SIGINT)
        assert stop.reason() == "SIGINT"


def test_ctrl_c_after_sigterm_stops_at_once(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock)
    with stop.listening():
        signal.raise_signal(signal.SIGTERM)
        clock.wait(1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_old_handlers_come_back(tmp_path: Path, clock: Clock):
    before = signal.getsignal(signal.SIGTERM)
    with stop_of(tmp_path, clock).listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


# ---- the stop file


def test_a_stop_file_is_taken(tmp_path: Path, clock: Clock):
    """It stops this attempt, not the next one."""
    stop = stop_of(tmp_path, clock)
    assert stop.reason() is None
    (tmp_path / "stop").touch()
    clock.wait(1.0)
    assert stop.reason() == "the stop file"
    assert not (tmp_path / "stop").exists()


def test_a_slow_folder_is_not_asked_at_every_step(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock)
    assert stop.reason() is None
    (tmp_path / "stop").touch()
    clock.wait(0.9)
    assert stop.reason() is None
    clock.wait(0.1)
    assert stop.reason() == "the stop file"


# ---- the end of the allotted time


def test_the_run_leaves_two_minutes_before_the_end(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock, ends_in_s=600)
    clock.wait(479)
    assert stop.reason() is None
    clock.wait(1)
    assert stop.reason() == "the time of this job ends in 120 seconds (SLURM_JOB_END_TIME)"


def test_it_leaves_earlier_where_saving_takes_long(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock, ends_in_s=1000)
    stop.learn(saved(90.0))
    stop.learn(saved(4.0))
    stop.learn(stepped(30.0))
    assert stop.grace_s == 3 * 90 + 2 * 30
    clock.wait(669)
    assert stop.reason() is None
    clock.wait(1)
    assert stop.reason() == "the time of this job ends in 330 seconds (SLURM_JOB_END_TIME)"


def test_one_slow_step_is_forgotten_in_time(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock, ends_in_s=1000)
    stop.learn(stepped(300.0))
    for _ in range(100):
        stop.learn(stepped(1.0))
    assert stop.step_s == pytest.approx(1.0)


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock, ends_in_s=600)
    clock.wall += 3600
    assert stop.reason() is None
    clock.wall -= 7200
    clock.wait(480)
    assert stop.reason() == "the time of this job ends in 120 seconds (SLURM_JOB_END_TIME)"


def test_time_that_is_over_is_said_so(tmp_path: Path, clock: Clock):
    stop = stop_of(tmp_path, clock, ends_in_s=-5)
    assert stop.reason() == "the time of this job is over (SLURM_JOB_END_TIME)"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, None),
        ({"SLURM_JOB_END_TIME": "1790000600"}, None),
        ({"SLURM_JOB_ID": "7"}, None),
        (
            {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1790000600"},
            EndTime(at_s=1790000600.0, source="SLURM_JOB_END_TIME"),
        ),
        (
            {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1", "KAVA_END_TIME": "1790000900"},
            EndTime(at_s=1790000900.0, source="KAVA_END_TIME"),
        ),
        ({"PBS_JOBID": "7"}, None),
        ({"KAVA_END_TIME": "soon"}, None),
    ],
)
def test_where_the_end_is_known_from(env: dict[str, str], expected: EndTime | None):
    assert end_time(env) == expected


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda it: it.kind)
def test_without_a_word_of_the_scheduler_the_end_is_not_known(scheduler):
    assert scheduler.ends_at({}).value is None
