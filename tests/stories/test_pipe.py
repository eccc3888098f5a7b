"""Output into a pipe whose reader has gone: every command does its work and ends quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from story import ROOT, environment, kavaspec, settings

from tests.tui import made_up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="Windows has no broken pipes"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lock of the embedded default and the folder of a run that goes on."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "kava.toml").write_bytes((ROOT / "kava.toml").read_bytes())
    answer = kavaspec(folder, "lock", *settings())
    assert answer.code == 0, answer.err
    (folder / "live").mkdir()
    made_up.run_folder(folder / "live", made_up.lines(upto=60))
    return folder


def unread(folder: Path, *words: str, with_stderr: bool = False) -> tuple[int, str]:
    """Exit code and stderr of a command whose output nobody reads from the start."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "kavaspec", *words],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer if with_stderr else subprocess.PIPE,
            timeout=300,
        )
    finally:
        os.close(writer)
    return ran.returncode, (ran.stderr or b"").decode()


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "check",
        "check --json",
        "why train.precision",
        "why train.precision --json",
        "lock --dry-run",
        "lock --dry-run --json",
        "facts --json",
        "tui --plain",
        "tui --json",
        "tui live --once",
        "tui live --json",
        "tui live --plain",
    ],
)
def test_a_closed_pipe_is_no_failure(folder: Path, words: str):
    code, err = unread(folder, *words.split())
    assert (code, [line for line in err.splitlines() if not line.startswith("· ")]) == (0, [])


@pytest.mark.parametrize("words", ["check", "lock --dry-run --json", "tui live --plain"])
def test_nor_are_two(folder: Path, words: str):
    assert unread(folder, *words.split(), with_stderr=True)[0] == 0


def test_head_gets_its_line_and_the_pipeline_succeeds(folder: Path):
    line = f"{sys.executable} -m kavaspec tui --plain | head -n 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("target here: ")


def test_a_lock_is_written_all_the_same(folder: Path):
    code, _ = unread(folder, "lock", "-o", "unread.lock", *settings(), with_stderr=True)
    assert code == 0
    assert (folder / "unread.lock").read_bytes() == (folder / "kava.lock").read_bytes()


def test_facts_are_written_all_the_same(folder: Path):
    assert unread(folder, "facts", "--save", "here", with_stderr=True)[0] == 0
    assert (folder / "facts" / "here.yaml").exists()


def test_a_stale_lock_stays_stale(folder: Path):
    assert unread(folder, "check", "kava.lock", "--spec", _other(folder))[0] == 3


def _other(folder: Path) -> str:
    text = (folder / "kava.toml").read_text(encoding="utf-8")
    (folder / "other.toml").write_text(text + "\n[logging]\nevery = 7\n", encoding="utf-8")
    return "other.toml"


def test_a_usage_error_stays_one(folder: Path):
    assert unread(folder, "check", "--nonsense", with_stderr=True)[0] == 2


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["lines", "json"])
def test_a_run_trains_to_its_end(folder: Path, more: tuple[str, ...]):
    words = ("run", "kava.lock", "--run", f"unread{len(more)}", *more)
    assert unread(folder, *words, with_stderr=True)[0] == 0
    assert list(folder.glob(f"runs/arithmetic/*-unread{len(more)}/receipt.json"))
