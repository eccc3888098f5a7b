"""Preflight: what is here is held against the lock, and every failure is named at once."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from kavaspec.cli.run import library_settings
from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.versions import NOTHING_RECORDED
from kavaspec.preflight import Request, Verdict, memory, preflight, refusal
from kavaspec.project import Project
from kavaspec.sizes import in_bytes
from kavaspec.spec.load import parse_spec
from kavaspec.trials import is_trial
from tests.this_machine import fitting

ROOT = Path(__file__).parents[2]
PLAIN = Request(target=None, resume=False, run_name=None, smoke=None, allow_numerics=False)
GIB = 2**30


@pytest.fixture(scope="module")
def lock() -> Lock:
    """The default, for a node that is as this machine is."""
    return fitting()


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 GiB of memory and 64 GiB of disk are free."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=16 * GIB))
    disk(monkeypatch, 64 * GIB)


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))


def held(lock: Lock, folder: Path, asked: Request = PLAIN, **env: str) -> Verdict:
    project = Project(folder=folder, env=env)
    return preflight(lock, lock_text(lock), asked, project=project, report=lambda text: None)


def refused(lock: Lock, folder: Path, asked: Request = PLAIN, **env: str) -> Problem:
    """The only thing that is wrong."""
    verdict = held(lock, folder, asked, **env)
    assert verdict.here is None
    [problem] = refusal(verdict).problems
    return problem


def test_the_table_names_guards_memory_models_and_places(lock: Lock, tmp_path: Path):
    verdict = held(lock, tmp_path)
    python, torch, transformers = (
        lock.values("cpu")[f"software.{name}"] for name in ("python", "torch", "transformers")
    )
    cores = lock.facts_of("cpu")["fact.cpu.cores"].value
    memory = in_bytes(lock.facts_of("cpu")["fact.memory.total_bytes"].value)
    run_folder = tmp_path / "runs/arithmetic/5880820d-cpu"
    assert [(row.what, row.lock, row.here, row.ok) for row in verdict.rows] == [
        ("software.python", python, python, True),
        ("software.torch", torch, torch, True),
        ("software.transformers", transformers, transformers, True),
        ("train.micro_batch", "memory.total >= 921.9 MiB", memory, True),
        ("train.param_dtype", "memory.total >= 5.3 MiB", memory, True),
        ("train.threads", f"cpu.cores >= {cores}", f"{cores}", True),
        ("memory", "at least 49.3 MiB", "16 GiB free", True),
        ("model.teacher.digest", "sha256:e832773c82ec", "sha256:e832773c82ec", True),
        ("model.student.digest", "sha256:d9e006d91637", "sha256:d9e006d91637", True),
        ("paths.output", "./runs", str(run_folder), True),
        ("disk", "12.7 MiB", "64 GiB free", True),
    ]
    assert (verdict.target, verdict.notes) == ("cpu", ())
    assert list(tmp_path.iterdir()) == []


def test_the_run_folder_carries_the_id_and_the_target(lock: Lock, tmp_path: Path):
    here = held(lock, tmp_path).here
    assert here is not None
    assert here.run_folder == tmp_path / "runs/arithmetic/5880820d-cpu"
    assert here.rehearse
    assert (here.stop_after, here.judge_at_most) == (None, None)


def test_a_smoke_run_stops_early_and_is_judged_on_few_rows(lock: Lock, tmp_path: Path):
    here = held(lock, tmp_path, replace(PLAIN, smoke=3)).here
    assert here is not None
    assert here.run_folder.name == "5880820d-cpu-smoke"
    assert (here.stop_after, here.judge_at_most) == (3, 8)


# ---- the machine


def test_a_guard_that_does_not_hold_is_drift(tmp_path: Path):
    problem = refused(fitting(fact__cpu__cores=4096), tmp_path)
    cores = fitting().facts_of("cpu")["fact.cpu.cores"].value
    assert (problem.exit, problem.code, problem.message) == (
        Exit.DRIFT,
        "KV0401",
        f"train.threads needs fact.cpu.cores >= 4096, here is {cores}",
    )


def test_too_little_memory_is_drift(lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**20))
    problem = refused(lock, tmp_path)
    assert (problem.exit, problem.code, problem.message) == (
        Exit.DRIFT,
        "KV0403",
        (
            "the tensors of a step with 16 rows need 49.3 MiB of memory, and 1 MiB are free: "
            "48.3 MiB are missing"
        ),
    )


def test_where_nobody_tried_a_step_the_student_alone_is_held_against_it(lock: Lock):
    cpu = lock.targets["cpu"]
    facts = {name: fact for name, fact in cpu.facts.items() if not is_trial(name)}
    untried = replace(lock, targets={"cpu": replace(cpu, facts=facts)})
    [row] = memory(untried, "cpu", untried.values("cpu"))
    assert (row.what, row.lock) == ("memory", "at least 5.3 MiB")


# ---- the lock


def test_a_provisional_experiment_is_not_run(tmp_path: Path):
    lock = read_lock(ROOT / "examples/qwen2.5/kava.lock")
    with pytest.raises(KavaError) as caught:
        held(lock, tmp_path, replace(PLAIN, target="cpu"))
    [problem] = caught.value.problems
    assert problem.exit == Exit.UNLOCKED
    assert problem.message.startswith("the experiment is still provisional: model.student.digest")


def test_a_lock_that_was_cut_is_refused_before_anything_is_looked_at(lock: Lock, tmp_path: Path):
    cpu = lock.targets["cpu"]
    kept = {key: it for key, it in cpu.decisions.items() if key != "train.threads"}
    said: list[str] = []
    with pytest.raises(KavaError) as caught:
        preflight(
            replace(lock, targets={"cpu": replace(cpu, decisions=kept)}),
            "",
            PLAIN,
            project=Project(folder=tmp_path, env={}),
            report=said.append,
        )
    assert caught.value.exit_code == Exit.BROKEN
    assert str(caught.value) == "the lock is not complete: it does not decide train.threads"
    assert said == []


def test_what_only_checks_read_and_the_lock_does_not_know_is_noted(lock: Lock, tmp_path: Path):
    facts = {name: it for name, it in lock.facts.items() if name != "fact.teacher.tokenizer"}
    verdict = held(replace(lock, facts=facts), tmp_path)
    assert verdict.here is not None
    assert verdict.notes == (
        "the lock does not know fact.teacher.tokenizer: nothing was held against it",
    )


# ---- the place


def test_a_variable_that_is_set_wins(lock: Lock, tmp_path: Path):
    here = held(lock, tmp_path, KAVA_OUTPUT_PATH=str(tmp_path / "elsewhere")).here
    assert here is not None
    assert here.run_folder.is_relative_to(tmp_path / "elsewhere")


def test_a_variable_that_names_no_usable_place_is_not_passed_over(lock: Lock, tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("")
    problem = refused(lock, tmp_path, KAVA_OUTPUT_PATH=str(file))
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        "KV0404",
        f"no place for the run folder can be used: $KAVA_OUTPUT_PATH: {file} is a file",
        "correct KAVA_OUTPUT_PATH; without it, run takes the next place of paths.output",
    )


def test_where_no_place_can_be_used_each_says_why(lock: Lock, tmp_path: Path):
    (tmp_path / "runs").write_text("")
    problem = refused(lock, tmp_path)
    assert (problem.exit, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        (
            "no place for the run folder can be used: $KAVA_OUTPUT_PATH: not set here; "
            f"./runs: {tmp_path / 'runs'} is a file"
        ),
        "set KAVA_OUTPUT_PATH to a folder that you may write to",
    )


def test_a_place_that_was_passed_over_is_noted(tmp_path: Path):
    lock = fitting(fact__disk__places=("$SCRATCH",))
    (tmp_path / "full").write_text("")
    verdict = held(lock, tmp_path, SCRATCH=str(tmp_path / "full"))
    assert verdict.here is not None
    assert verdict.here.run_folder.is_relative_to(tmp_path / "runs")
    assert verdict.notes == (f"$SCRATCH/kava/runs is passed over: {tmp_path / 'full'} is a file",)


def test_a_disk_with_less_room_than_the_run_needs(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk(monkeypatch, 8 * 2**20)
    problem = refused(lock, tmp_path)
    folder = tmp_path / "runs/arithmetic/5880820d-cpu"
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        "KV0409",
        (
            f"{folder} needs 12.7 MiB of disk, and 8 MiB are free: "
            "3 checkpoints of 4.2 MiB (weights 1.4 MiB, optimizer 2.8 MiB)"
        ),
        "make room, or set KAVA_OUTPUT_PATH to a place on another disk",
    )


def test_what_the_run_folder_holds_already_needs_no_more_room(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk(monkeypatch, 8 * 2**20)
    folder = begun(tmp_path, lock)
    (folder / "checkpoint").write_bytes(bytes(6 * 2**20))
    verdict = held(lock, tmp_path, replace(PLAIN, resume=True))
    assert verdict.here is not None
    [row] = [row for row in verdict.rows if row.what == "disk"]
    assert (row.lock, row.here) == ("6.7 MiB more", "8 MiB free")


def test_what_is_compiled_is_kept_where_the_lock_says(tmp_path: Path):
    lock = fitting()
    cpu = lock.targets["cpu"]
    by_hand = replace(cpu.decisions["train.compile"], value=True, by="spec", inputs={})
    by_hand = replace(by_hand, provisional=False, guard=())
    compiled = replace(
        lock, targets={"cpu": replace(cpu, decisions={**cpu.decisions, "train.compile": by_hand})}
    )
    assert held(lock, tmp_path).cache is None
    assert held(compiled, tmp_path).cache == tmp_path / "cache"
    there = held(compiled, tmp_path, KAVA_CACHE_PATH=str(tmp_path / "fast")).cache
    assert there == tmp_path / "fast"
    settings = library_settings(compiled.values("cpu"), there)
    assert settings["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "fast/torch/inductor")
    assert settings["TRITON_CACHE_DIR"] == str(tmp_path / "fast/torch/triton")
    assert "TORCHINDUCTOR_CACHE_DIR" not in library_settings(lock.values("cpu"), None)


# ---- the folder


def begun(project: Path, lock: Lock, **otherwise: str) -> Path:
    """A run of the lock that was begun, and stopped before its end."""
    from kavaspec.lock.ids import ids

    found = ids(lock, "cpu")
    folder = project / "runs/arithmetic/5880820d-cpu"
    folder.mkdir(parents=True)
    told = {"kx": found.kx, "kn": found.kn, "target": "cpu", "attempts": 1, **otherwise}
    (folder / "run.json").write_text(json.dumps(told))
    return folder


def busy(folder: Path, **otherwise: object) -> None:
    me = psutil.Process()
    writer = {"pid": me.pid, "host": socket.gethostname(), "started_s": me.create_time()}
    (folder / "busy.json").write_text(json.dumps(writer | otherwise))


RESUME = replace(PLAIN, resume=True)
OTHER = "start another with `--run NAME`"


@pytest.mark.parametrize("asked", [PLAIN, RESUME], ids=["run", "resume"])
def test_the_folder_of_another_experiment(asked: Request, lock: Lock, tmp_path: Path):
    folder = begun(tmp_path, lock, kx="kx1:5880820dffff")
    problem = refused(lock, tmp_path, asked)
    assert (problem.exit, problem.code) == (Exit.ENVIRONMENT, "KV0806")
    assert problem.message.startswith(f"{folder} holds another experiment: kx1:5880820dffff, ")
    assert problem.hint == "start with `--run NAME`; a run can go on only with its own experiment"


@pytest.mark.parametrize("asked", [PLAIN, RESUME], ids=["run", "resume"])
def test_a_finished_run(asked: Request, lock: Lock, tmp_path: Path):
    folder = begun(tmp_path, lock)
    (folder / "receipt.json").write_text("{}")
    problem = refused(lock, tmp_path, asked)
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        "KV0807",
        f"{folder} holds a finished run",
        f"look at it with `kavaspec tui {folder}`, or {OTHER}",
    )


@pytest.mark.parametrize("asked", [PLAIN, RESUME], ids=["run", "resume"])
def test_a_folder_in_which_this_host_works(asked: Request, lock: Lock, tmp_path: Path):
    folder = begun(tmp_path, lock)
    busy(folder)
    problem = refused(lock, tmp_path, asked)
    me, host = psutil.Process().pid, socket.gethostname()
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        "KV0807",
        f"{folder} is in use by process {me} on {host}",
        f"wait for it, stop it, or {OTHER}",
    )


@pytest.mark.parametrize("asked", [PLAIN, RESUME], ids=["run", "resume"])
def test_a_folder_in_which_another_host_works(asked: Request, lock: Lock, tmp_path: Path):
    """It has just begun: it has not said anything yet."""
    folder = begun(tmp_path, lock)
    busy(folder, pid=1, host="node17")
    problem = refused(lock, tmp_path, asked)
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        Exit.ENVIRONMENT,
        "KV0807",
        f"{folder} is in use by process 1 on node17",
        (
            f"wait for it, stop it, or {OTHER}; on another host it counts as gone after 120 s of "
            "silence"
        ),
    )


def test_an_unfinished_run_is_not_started_over(lock: Lock, tmp_path: Path):
    folder = begun(tmp_path, lock)
    problem = refused(lock, tmp_path)
    assert (problem.message, problem.hint) == (
        f"{folder} holds an unfinished run of this lock",
        f"go on with `kavaspec run LOCK --resume`, or {OTHER}",
    )
    assert held(lock, tmp_path, RESUME).here is not None


def test_there_is_nothing_to_resume(lock: Lock, tmp_path: Path):
    problem = refused(lock, tmp_path, RESUME)
    folder = tmp_path / "runs/arithmetic/5880820d-cpu"
    assert (problem.message, problem.hint) == (
        f"there is no run to resume in {folder}",
        "start without --resume",
    )


def test_a_row_says_in_few_words_who_has_the_folder(lock: Lock, tmp_path: Path):
    (begun(tmp_path, lock) / "receipt.json").write_text("{}")
    row = held(lock, tmp_path).failures[0]
    assert (row.what, row.lock, row.here) == ("run folder", "free", "holds a finished run")


def test_what_was_unknown_when_locking_is_asked_of_the_machine(lock: Lock, tmp_path: Path):
    """Without a number of cores nobody could refuse 64 threads, and no guard speaks of them."""
    known = facts_of(lock.targets["cpu"].facts)
    del known["fact.cpu.cores"]
    text = (ROOT / "kava.toml").read_text(encoding="utf-8") + "\n[targets.cpu]\n"
    many = {"train.threads": 4096, "loader.workers": 0, "scheduler.cpus": 1}
    derived = derive(
        parse_spec(text, "kava.toml", set=many),
        facts_of(lock.facts),
        {"cpu": known},
        not_found={},
        recorded=NOTHING_RECORDED,
    )
    assert derived.errors == ()
    blind = derived.lock
    assert blind.targets["cpu"].decisions["train.threads"].guard == ()
    cores = lock.facts_of("cpu")["fact.cpu.cores"].value
    problem = refused(blind, tmp_path)
    assert (problem.message, problem.exit, problem.code, problem.hint) == (
        f"train.threads = 4096 x train.world = 1 needs 4096 cores, but {cores} may be used",
        Exit.DRIFT,
        "KV0751",
        f"train.threads = {cores}, then lock for this machine",
    )
