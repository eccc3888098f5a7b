"""Preflight: what is here is held against the lock, and every failure is named at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.model import Lock
from kavaspec.preflight import Request, Verdict, preflight, refusal
from kavaspec.project import Project

ROOT = Path(__file__).parents[2]
PLAIN = Request(target=None, resume=False, run_name=None, smoke=None, allow_numerics=False)


@pytest.fixture
def lock() -> Lock:
    """The default for an example CPU node, without guards that this machine may not meet."""
    found = read_lock(ROOT / "tests/golden/cpu-avx512bf16.lock")
    target = found.targets["cpu"]
    free = {key: replace(block, guard=()) for key, block in target.decisions.items()}
    return replace(found, targets={"cpu": replace(target, decisions=free)})


def held(lock: Lock, folder: Path, **env: str) -> Verdict:
    project = Project(folder=folder, env=env)
    return preflight(lock, lock_text(lock), PLAIN, project=project, report=lambda text: None)


def test_the_table_names_memory_models_and_places(lock: Lock, tmp_path: Path):
    verdict = held(lock, tmp_path)
    assert [row.what for row in verdict.rows] == [
        "memory (student, gradients, moments)",
        "model.teacher.digest",
        "model.student.digest",
        "paths.output",
    ]
    assert all(row.ok for row in verdict.rows)


def test_the_run_folder_carries_the_id_and_the_target(lock: Lock, tmp_path: Path):
    here = held(lock, tmp_path).here
    assert here is not None
    assert here.run_folder.parent == tmp_path / "runs" / "arithmetic"
    assert here.run_folder.name.endswith("-cpu")
    assert here.rehearse
    assert (here.stop_after, here.judge_at_most) == (None, None)


def test_a_smoke_run_stops_early_and_is_judged_on_few_rows(lock: Lock, tmp_path: Path):
    project = Project(folder=tmp_path, env={})
    asked = replace(PLAIN, smoke=3)
    here = preflight(lock, "", asked, project=project, report=lambda text: None).here
    assert here is not None
    assert here.run_folder.name.endswith("-cpu-smoke")
    assert (here.stop_after, here.judge_at_most) == (3, 8)


def test_a_variable_that_is_set_wins(lock: Lock, tmp_path: Path):
    here = held(lock, tmp_path, KAVA_OUTPUT_PATH=str(tmp_path / "elsewhere")).here
    assert here is not None
    assert here.run_folder.is_relative_to(tmp_path / "elsewhere")


def test_too_little_memory_is_drift(lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**20))
    verdict = held(lock, tmp_path)
    assert verdict.here is None
    error = refusal(verdict)
    assert error.exit_code == Exit.DRIFT
    assert (
        str(error)
        == "memory (student, gradients, moments): the lock wants >= 5 MiB, here is 1 MiB free"
    )


def test_a_provisional_experiment_is_not_run(tmp_path: Path):
    lock = read_lock(ROOT / "examples/qwen2.5/kava.lock")
    with pytest.raises(KavaError) as caught:
        preflight(
            lock,
            "",
            replace(PLAIN, target="cpu"),
            project=Project(folder=tmp_path, env={}),
            report=lambda text: None,
        )
    [problem] = caught.value.problems
    assert problem.exit == Exit.UNLOCKED
    assert problem.message.startswith("the experiment is still provisional: model.student.digest")
