"""A run folder belongs to one run, one process at a time, and is never overwritten."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from kavaspec.errors import KavaError
from kavaspec.lock.model import Here
from kavaspec_runtime.folder import claimed


@pytest.fixture
def here(tmp_path) -> Here:
    return Here(
        target="here",
        kx="kx1:aaaa",
        kn="kn1:bbbb",
        lock_text="lock_version: 1\n",
        run_folder=tmp_path / "runs" / "kava",
        teacher=None,
        student=None,
        data=None,
        device_index=0,
        resume=False,
        allow_numerics=False,
        rehearse=False,
        stop_after=None,
        judge_at_most=None,
        facts={},
    )


def refusal(here: Here) -> tuple[int, str, str | None]:
    before = sorted(here.run_folder.rglob("*")) if here.run_folder.exists() else []
    with pytest.raises(KavaError) as caught, claimed(here):
        pass
    assert before == (sorted(here.run_folder.rglob("*")) if here.run_folder.exists() else [])
    [problem] = caught.value.problems
    return problem.exit, problem.message, problem.hint


def once(here: Here) -> None:
    with claimed(here):
        pass


def test_a_new_folder_gets_the_lock_and_its_ids_and_is_busy_only_inside(here):
    with claimed(here) as folder:
        assert (folder.path, folder.attempt) == (here.run_folder, 1)
        assert (here.run_folder / "busy.json").exists()
    assert (here.run_folder / "kava.lock").read_text() == "lock_version: 1\n"
    assert json.loads((here.run_folder / "run.json").read_text()) == {
        "kx": "kx1:aaaa",
        "kn": "kn1:bbbb",
        "target": "here",
        "attempts": 1,
        "saved_step": 0,
        "idle": 0,
    }
    assert not (here.run_folder / "busy.json").exists()


def test_an_unfinished_run_is_not_started_over(here):
    once(here)
    assert refusal(here) == (
        8,
        f"{here.run_folder} holds an unfinished run of this lock",
        "go on with `kavaspec run LOCK --resume`, or start another with `--run NAME`",
    )


def test_attempts_are_counted(here):
    once(here)
    with claimed(replace(here, resume=True)) as folder:
        assert folder.attempt == 2


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_another_experiment_is_refused(here, resume):
    once(here)
    assert refusal(replace(here, kx="kx1:cccc", resume=resume)) == (
        8,
        f"{here.run_folder} holds another experiment: kx1:aaaa, this lock is kx1:cccc",
        "start with `--run NAME`; a run can go on only with its own experiment",
    )


def test_a_folder_with_other_numerics_is_refused_unless_they_are_allowed(here):
    once(here)
    other = replace(here, kn="kn1:dddd")
    assert refusal(other) == (
        8,
        f"{here.run_folder} holds a run with other numerics: kn1:bbbb, this lock is kn1:dddd",
        "start with `--run NAME`, or go on with `kavaspec run LOCK --resume --allow numerics`",
    )
    assert refusal(replace(other, resume=True))[0] == 8
    once(replace(other, resume=True, allow_numerics=True))


@pytest.mark.parametrize("resume", [False, True])
def test_a_finished_run_stays_as_it_is(here, resume):
    once(here)
    (here.run_folder / "receipt.json").write_text("{}")
    assert refusal(replace(here, resume=resume)) == (
        8,
        f"{here.run_folder} holds a finished run",
        f"look at it with `kavaspec tui {here.run_folder}`, or start another with `--run NAME`",
    )


def test_a_folder_of_something_else_is_refused(here):
    here.run_folder.mkdir(parents=True)
    (here.run_folder / "thesis.tex").write_text("x")
    assert refusal(here) == (
        8,
        f"{here.run_folder} is not empty and not a run folder",
        "start with `--run NAME`, or move it away",
    )


def test_there_must_be_something_to_resume(here):
    assert refusal(replace(here, resume=True)) == (
        8,
        f"there is no run to resume in {here.run_folder}",
        "start without --resume",
    )


def test_the_second_of_two_runs_in_one_folder_is_refused(here):
    with claimed(here):
        assert refusal(replace(here, resume=True)) == (
            8,
            f"{here.run_folder} is in use by process {os.getpid()} on {socket.gethostname()}",
            "wait for it, stop it, or start another with `--run NAME`",
        )


def busy(here: Here, **writer: object) -> None:
    once(here)
    (here.run_folder / "busy.json").write_text(json.dumps(writer))


def test_a_dead_process_keeps_nobody_out(here):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    busy(here, pid=child.pid, host=socket.gethostname(), started_s=0.0)
    once(replace(here, resume=True))


def test_a_younger_process_with_the_same_number_is_not_the_writer(here):
    me = psutil.Process()
    busy(here, pid=me.pid, host=socket.gethostname(), started_s=me.create_time() - 100)
    once(replace(here, resume=True))


def test_a_writer_on_another_host_is_alive_as_long_as_it_says_something(here):
    busy(here, pid=1, host="elsewhere", started_s=0.0)
    events = here.run_folder / "events.jsonl"
    events.write_text("")
    assert refusal(replace(here, resume=True))[1] == (
        f"{here.run_folder} is in use by process 1 on elsewhere"
    )
    old = time.time() - 300
    os.utime(events, (old, old))
    once(replace(here, resume=True))


def test_a_start_that_was_killed_at_once_keeps_nobody_out(here):
    here.run_folder.mkdir(parents=True)
    (here.run_folder / "busy.json").write_text('{"pid": 0, "host": "x"')
    once(here)


def test_a_place_that_cannot_be_written_is_named(here):
    blocked = here.run_folder.parent
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a folder should be")
    with pytest.raises(KavaError) as caught, claimed(here):
        pass
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (8, "paths.output")
    assert problem.message.startswith(f"{here.run_folder} cannot be written: ")
    assert problem.hint == "choose a place that you may write to in paths.output"


# ---- attempts that save nothing


def again(here: Here, *, save: int | None = None) -> None:
    with claimed(replace(here, resume=True)):
        if save is not None:
            (here.run_folder / f"checkpoints/step-{save}").mkdir(parents=True)


def test_three_attempts_that_save_nothing_are_not_followed_by_a_fourth_and_then_by_one(here):
    """A job that is queued again and again ends with a code that asks for no further attempt."""
    once(here)
    again(here)
    again(here)
    with pytest.raises(KavaError) as caught:
        again(here)
    [problem] = caught.value.problems
    assert (problem.exit, problem.code, problem.message) == (
        1,
        "KV0813",
        "3 attempts in a row ended before one of them saved anything beyond step 0",
    )
    assert not (here.run_folder / "busy.json").exists()
    assert json.loads((here.run_folder / "run.json").read_text())["attempts"] == 3
    with claimed(replace(here, resume=True)) as folder:
        assert folder.attempt == 4, "a person who asks once more is let through"


def test_a_checkpoint_is_progress(here):
    once(here)
    again(here)
    again(here, save=10)
    again(here)
    again(here, save=20)
    again(here)
    again(here)
    again(here)
    with pytest.raises(KavaError) as caught:
        again(here)
    assert caught.value.problems[0].message.endswith("beyond step 20")
