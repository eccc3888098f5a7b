"""The pre-commit hook: every pair of spec and lock that a commit touches, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kavaspec.cli.hook import locks_of, main

ROOT = Path(__file__).parents[2]
UV = 'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "numpy"\n'


@pytest.fixture
def two(locked: Path) -> Path:
    """Two experiments in one repository, beside the locks of other tools."""
    for name in ("a", "b"):
        (locked / name).mkdir()
        for file in ("kava.toml", "kava.lock", "cpu-avx512bf16.yaml"):
            shutil.copy(locked / file, locked / name / file)
    for file in ("kava.toml", "kava.lock", "cpu-avx512bf16.yaml"):
        (locked / file).unlink()
    (locked / "uv.lock").write_text(UV, encoding="utf-8")
    (locked / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', encoding="utf-8")
    (locked / "pixi.lock").write_text("version: 6\n", encoding="utf-8")
    (locked / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    return locked


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_pair_is_found_from_either_file_and_once(two: Path):
    assert locks_of(["a/kava.toml", "a/kava.lock", "b/kava.toml"]) == [
        Path("a/kava.lock"),
        Path("b/kava.lock"),
    ]


def test_a_fact_file_belongs_to_every_pair_whose_spec_names_it(
    two: Path, capsys: pytest.CaptureFixture[str]
):
    assert locks_of(["a/cpu-avx512bf16.yaml"]) == [Path("a/kava.lock")]
    edit(two / "b/kava.toml", 'facts = "cpu-', 'facts = "../a/cpu-')
    both = [Path("a/kava.lock"), Path("b/kava.lock")]
    assert locks_of(["a/cpu-avx512bf16.yaml"]) == both
    (two / "other.yaml").write_text("jobs: []\n", encoding="utf-8")
    assert locks_of(["other.yaml"]) == []
    edit(two / "a/cpu-avx512bf16.yaml", "value: 16\n", "value: 8\n")
    assert main(["a/cpu-avx512bf16.yaml"]) == 3
    assert "the fact file says so" in capsys.readouterr().out


def test_what_is_no_lock_of_ours_is_left_alone(two: Path):
    (two / "folder.lock").mkdir()
    others = ["uv.lock", "poetry.lock", "pixi.lock", "pyproject.toml", "folder.lock", "gone.toml"]
    assert locks_of(others) == []
    assert main(others) == 0


def test_every_pair_is_checked_and_the_first_code_that_is_not_0_is_told(
    two: Path, capsys: pytest.CaptureFixture[str]
):
    everything = ["a/kava.toml", "b/kava.lock", "uv.lock"]
    assert main(everything) == 0
    assert capsys.readouterr().out.count("is fresh") == 2
    edit(two / "b/kava.toml", "seed = 0", "seed = 1")
    assert main(everything) == 3
    told = capsys.readouterr().out
    assert "a/kava.lock is fresh" in told
    assert "error[KV0301]: b/kava.lock is stale" in told
    assert "fix: kavaspec lock b/kava.toml" in told


def test_a_lock_with_conflict_markers_is_still_ours(two: Path, capsys: pytest.CaptureFixture[str]):
    edit(two / "a/kava.lock", "experiment:\n", "<<<<<<< HEAD\nexperiment:\n=======\n>>>>>>> b\n")
    assert main(["a/kava.lock"]) == 6
    assert "this lock has an unresolved merge conflict" in capsys.readouterr().err


def test_a_lock_without_its_spec_has_only_to_be_whole(
    two: Path, capsys: pytest.CaptureFixture[str]
):
    (two / "a/kava.toml").unlink()
    assert main(["a/kava.lock"]) == 0
    edit(two / "a/kava.lock", "value: 72\n", "value: 96\n")
    assert main(["a/kava.lock"]) == 6
    assert "data.max_length was edited by hand" in capsys.readouterr().err


# ---- the real pre-commit


def git(folder: Path, *words: str) -> str:
    env = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
    env |= {"HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    ran = subprocess.run(
        ["git", *who, *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return ran.stdout


@pytest.mark.slow
def test_the_real_pre_commit_runs_it(two: Path, tmp_path_factory: pytest.TempPathFactory):
    """The published hook, run in this environment instead of one of its own: that needs a network."""
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["language"], hook["entry"].split()[0]) == ("python", "python")
    here = {
        **hook,
        "language": "system",
        "entry": hook["entry"].replace("python", sys.executable, 1),
    }
    config = {"repos": [{"repo": "local", "hooks": [here]}]}
    (two / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    git(two, "init", "-q")
    git(two, "add", ".")

    def commit_check() -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-m", "pre_commit", "run"],
            cwd=two,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(two),
                "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
                "PYTHONPATH": str(ROOT),
                "NO_COLOR": "1",
            },
            capture_output=True,
            encoding="utf-8",
        )
        return ran.returncode, ran.stdout + ran.stderr

    code, said = commit_check()
    assert (code, "Passed" in said) == (0, True), said
    git(two, "commit", "-q", "-m", "both")
    edit(two / "b/kava.toml", "seed = 0", "seed = 1")
    git(two, "add", ".")
    code, said = commit_check()
    assert code == 1, said
    assert "- exit code: 3\n" in said
    assert "error[KV0301]: b/kava.lock is stale\n" in said
    assert "a/kava.lock" not in said, "what the commit does not touch is not checked"
    git(two, "checkout", "-q", "HEAD", "--", "b")
    edit(two / "uv.lock", "numpy", "torch")
    git(two, "add", ".")
    assert commit_check()[0] == 0
