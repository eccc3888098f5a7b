"""Two branches were locked with `--set`, and git merges them: no setting is dropped in silence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import read_lock
from kavaspec.plain import Plain

WHO = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def git(*words: str, fails: bool = False) -> None:
    outside = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    ran = subprocess.run(
        ["git", *WHO, *words], env={**outside, **alone}, capture_output=True, encoding="utf-8"
    )
    assert (ran.returncode != 0) == fails, f"{words}: {ran.stdout}{ran.stderr}"


def merge(one: Sequence[str], two: Sequence[str], style: str = "merge") -> None:
    """The lock that git leaves on `one` after `two` was merged, each with settings of its own."""
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "base")
    for name, settings in (("two", two), ("one", one)):
        git("checkout", "-q", "-b", name, "main")
        assert main(["lock", *(word for it in settings for word in ("--set", it))]) == 0
        git("commit", "-q", "-a", "-m", name)
    git("-c", f"merge.conflictStyle={style}", "merge", "two", fails=True)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `lock` says about the merge."""
    lines = capsys.readouterr().out.splitlines()
    return [it for it in lines if it.startswith(("merge ", "kept ", "no longer "))]


def settings() -> dict[str, Plain]:
    return dict(read_lock(Path("kava.lock")).set)


@pytest.fixture(autouse=True)
def folder(locked: Path) -> Path:
    return locked


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_settings_that_one_side_has_and_those_that_both_have_are_kept(
    style: str, capsys: pytest.CaptureFixture[str]
):
    merge(
        ["train.seed=1", "name=both"],
        ["logging.every=5", "name=both"],
        style,
    )
    capsys.readouterr()
    assert main(["lock"]) == 0
    assert told(capsys) == [
        "merge resolved: 0 keys derived again",
        "kept from the merge: --set logging.every=5",
        "kept from the merge: --set 'name=\"both\"'",
        "kept from the merge: --set train.seed=1",
    ]
    assert settings() == {"train.seed": 1, "logging.every": 5, "name": "both"}
    assert main(["check"]) == 0


DIFFERENT = """\
error[KV0610]: the two sides of this merge set train.seed differently: 1 and 2
  --> kava.lock:9:3
   9 |   train.seed: {value: 1, seal: "64b492"}
     |   ^^^^^^^^^^ lock with --set train.seed=1 or --set train.seed=2, or write one of them into kava.toml
  because  train.seed = 1  kava.lock:9:3
  because  train.seed = 2  kava.lock:11:3
"""


def test_a_key_that_the_sides_set_differently_is_not_decided_by_chance(
    capsys: pytest.CaptureFixture[str],
):
    merge(["train.seed=1"], ["train.seed=2"])
    before = Path("kava.lock").read_bytes()
    capsys.readouterr()
    assert main(["lock"]) == 6
    assert capsys.readouterr().err == DIFFERENT
    assert Path("kava.lock").read_bytes() == before


def test_one_more_set_decides_it_and_the_other_settings_are_kept(
    capsys: pytest.CaptureFixture[str],
):
    merge(["train.seed=1"], ["train.seed=2", "logging.every=5"])
    capsys.readouterr()
    assert main(["lock", "--set", "train.seed=3"]) == 0
    assert told(capsys) == [
        "merge resolved: 1 key derived again: train.seed",
        "kept from the merge: --set logging.every=5",
    ]
    assert settings() == {"train.seed": 3, "logging.every": 5}


def write(line: str) -> None:
    """What kava.toml says of the seed."""
    spec = Path("kava.toml")
    text = spec.read_text(encoding="utf-8")
    assert "\nseed = 0\n" in text
    spec.write_text(text.replace("\nseed = 0\n", f"\n{line}\n", 1), encoding="utf-8")


def test_one_of_both_written_into_the_spec_decides_it(capsys: pytest.CaptureFixture[str]):
    merge(["train.seed=1"], ["train.seed=2"])
    write("seed = 2")
    capsys.readouterr()
    assert main(["lock"]) == 0
    assert told(capsys) == [
        "merge resolved: 1 key derived again: train.seed",
        "no longer set: train.seed; kava.toml says which of the two sides it is",
    ]
    assert settings() == {}
    assert read_lock(Path("kava.lock")).values("cpu")["train.seed"] == 2
    assert main(["check"]) == 0


def test_a_third_value_in_the_spec_decides_nothing(capsys: pytest.CaptureFixture[str]):
    """It may have stood there all the time: neither side wanted it."""
    write("seed = 7")
    assert main(["lock"]) == 0
    merge(["train.seed=1"], ["train.seed=2"])
    capsys.readouterr()
    assert main(["lock"]) == 6
    assert capsys.readouterr().err == DIFFERENT


def test_every_key_that_is_open_is_named_at_once(capsys: pytest.CaptureFixture[str]):
    merge(["train.seed=1", "logging.every=2"], ["train.seed=2", "logging.every=5"])
    capsys.readouterr()
    assert main(["lock"]) == 6
    headlines = [it for it in capsys.readouterr().err.splitlines() if it.startswith("error")]
    assert headlines == [
        "error[KV0610]: the two sides of this merge set logging.every differently: 2 and 5",
        "error[KV0610]: the two sides of this merge set train.seed differently: 1 and 2",
    ]


def test_without_a_merge_settings_are_dropped_and_named_as_ever(
    capsys: pytest.CaptureFixture[str],
):
    assert main(["lock", "--set", "train.seed=1"]) == 0
    capsys.readouterr()
    assert main(["lock"]) == 0
    assert told(capsys) == ["no longer set: train.seed; to keep it, lock with: --set train.seed=1"]
    assert settings() == {}
