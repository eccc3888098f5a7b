"""A file is replaced in one step: nothing else in its folder is touched, and a link stays a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.facts.file import write_facts
from kavaspec.lock.file import write_lock
from kavaspec.replace import replace_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_and_replaced(tmp_path: Path):
    path = tmp_path / "a"
    for content in (b"one\n", b"two\r\n"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a"]


def test_a_file_of_the_user_beside_it_stays(locked: Path):
    """A temporary name that is always the same would take it away, and be shared by two `lock`."""
    mine = locked / "kava.lock.tmp"
    mine.write_text("mine\n", encoding="utf-8")
    (locked / "kava.lock").unlink()
    assert main(["lock"]) == 0
    assert (locked / "kava.lock").is_file()
    assert mine.read_text(encoding="utf-8") == "mine\n"


def test_two_at_once_do_not_share_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, sync = tmp_path / "a", os.fsync

    def another_comes_first(number: int) -> None:
        monkeypatch.setattr("os.fsync", sync)
        replace_file(path, b"another, and longer\n")
        assert path.read_bytes() == b"another, and longer\n"

    monkeypatch.setattr("os.fsync", another_comes_first)
    replace_file(path, b"this\n")
    assert path.read_bytes() == b"this\n"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("there", [True, False], ids=["a-file", "nothing-yet"])
def test_it_is_written_where_a_link_leads(tmp_path: Path, there: bool):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real/b", tmp_path / "a"
    link.symlink_to("real/b")
    if there:
        real.write_bytes(b"old\n")
    replace_file(link, b"new\n")
    assert link.is_symlink()
    assert not real.is_symlink()
    assert real.read_bytes() == b"new\n"
    assert (names(tmp_path), names(real.parent)) == (["a", "real"], ["b"])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_the_mode_stays(tmp_path: Path, mode: int):
    path = tmp_path / "a"
    path.write_bytes(b"old\n")
    path.chmod(mode)
    replace_file(path, b"new\n")
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (mode, b"new\n")


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path):
    replace_file(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
):
    def fails(_: int) -> None:
        raise trouble

    path = tmp_path / "a"
    path.write_bytes(b"old\n")
    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(type(trouble)):
        replace_file(path, b"new\n")
    assert path.read_bytes() == b"old\n"
    assert names(tmp_path) == ["a"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_file(path, b"new\n")
        assert os.read(reader, 100) == b"new\n"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_a_folder_and_a_ring_of_links_are_refused(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "ring").symlink_to("ring")
    for name in ("folder", "ring"):
        with pytest.raises(OSError):
            replace_file(tmp_path / name, b"new\n")
    assert names(tmp_path) == ["folder", "ring"]
    assert (tmp_path / "ring").is_symlink()


def test_locks_and_fact_files_are_written_so(tmp_path: Path):
    for name, write in {
        "kava.lock": lambda path: write_lock(path, "new\n"),
        "facts.yaml": lambda path: write_facts(path, {}, note="new"),
    }.items():
        real, link = tmp_path / f"real-{name}", tmp_path / name
        real.write_text("old\n", encoding="utf-8")
        real.chmod(0o640)
        link.symlink_to(real.name)
        write(link)
        assert link.is_symlink()
        assert "new" in real.read_text(encoding="utf-8")
        assert real.stat().st_mode & 0o777 == 0o640
