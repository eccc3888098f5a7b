"""Where a run goes: the first place in which things can really be made; and a smoke run's folder."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kavaspec.run_folder import Chosen, choose, nearest, not_to_be_thrown_away, trouble

INSIDE = Path("arithmetic/5880820d-here")


def chosen(*places: tuple[str, Path | None], project: Path, resume: bool = False) -> Chosen:
    return choose(places, INSIDE, project=project, resume=resume)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# ---- one place


def test_a_place_that_works_is_left_as_it_was(tmp_path: Path):
    assert trouble(tmp_path / "runs" / INSIDE) is None
    assert files(tmp_path) == []


def test_a_run_folder_that_is_there_is_tried_beside_it(tmp_path: Path):
    """It may hold a finished run, which stays as it is to the time of its last change."""
    folder = tmp_path / INSIDE
    folder.mkdir(parents=True)
    before = folder.stat().st_mtime_ns
    assert trouble(folder) is None
    assert folder.stat().st_mtime_ns == before


def file_in_the_way(folder: Path) -> str:
    (folder / "runs").write_text("")
    return f"{folder / 'runs'} is a file"


def file_for_a_run_folder(folder: Path) -> str:
    path = folder / "runs" / INSIDE
    path.parent.mkdir(parents=True)
    path.write_text("")
    return f"{path} is a file"


def dangling_link(folder: Path) -> str:
    (folder / "runs").symlink_to(folder / "gone")
    return f"{folder / 'runs'} is a link that leads nowhere"


def circle(folder: Path) -> str:
    (folder / "runs").symlink_to(folder / "runs")
    return f"{folder / 'runs' / INSIDE} cannot be used: {os.strerror(errno.ELOOP)}"


@pytest.mark.parametrize("spoil", [file_in_the_way, file_for_a_run_folder, dangling_link, circle])
def test_what_lies_in_the_way_is_named(spoil: Callable[[Path], str], tmp_path: Path):
    said = spoil(tmp_path)
    before = files(tmp_path)
    assert trouble(tmp_path / "runs" / INSIDE) == said
    assert files(tmp_path) == before


def test_a_name_that_is_too_long_is_named(tmp_path: Path):
    folder = tmp_path / ("x" * 300)
    assert trouble(folder) == f"{folder} cannot be used: {os.strerror(errno.ENAMETOOLONG)}"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has /proc and /sys")
@pytest.mark.parametrize("folder", ["/proc", "/proc/self/runs", "/sys", "/sys/kernel/runs"])
def test_places_that_are_no_disk(folder: str):
    said = trouble(Path(folder) / INSIDE)
    assert said is not None
    assert said.startswith("nothing can be made in /")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_that_refuses_folders(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def mkdir(path: str, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert trouble(tmp_path / "runs") == f"nothing can be made in {tmp_path}: {os.strerror(number)}"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_takes_folders_and_not_what_a_checkpoint_needs(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, refuse)
    assert (
        trouble(tmp_path / "runs") == f"nothing can be made in {tmp_path}: {os.strerror(errno.EIO)}"
    )
    assert files(tmp_path) == []


def test_what_is_there_of_a_path(tmp_path: Path):
    (tmp_path / "a").write_text("")
    assert nearest(tmp_path / "b" / "c") == tmp_path
    assert nearest(tmp_path / "a" / "c") == tmp_path / "a"


# ---- several


def test_the_first_that_works_is_taken(tmp_path: Path):
    (tmp_path / "file").write_text("")
    found = chosen(
        ("$SCRATCH/kava/runs", None),
        ("./file", tmp_path / "file"),
        ("./runs", tmp_path / "runs"),
        ("./more", tmp_path / "more"),
        project=tmp_path,
    )
    assert found.place is not None
    assert found.place.path == tmp_path / "runs"
    assert [(it.symbolic, it.there, it.trouble) for it in found.tried] == [
        ("$SCRATCH/kava/runs", False, "not set here"),
        ("./file", True, f"{tmp_path / 'file'} is a file"),
        ("./runs", True, None),
    ]


def test_the_disk_of_a_site_is_not_made(tmp_path: Path):
    """`/scratch/ada` is the site's to make; below it, `kava/runs` is ours."""
    place = tmp_path / "scratch" / "ada" / "kava" / "runs"
    [tried] = chosen(("/scratch/$USER/kava/runs", place), project=tmp_path / "project").tried
    assert (tried.there, tried.trouble) == (False, f"there is no {tmp_path / 'scratch'}")
    (tmp_path / "scratch" / "ada").mkdir(parents=True)
    assert chosen(("/scratch/$USER/kava/runs", place), project=tmp_path / "project").place


def test_a_place_that_somebody_insists_on_is_not_passed_over(tmp_path: Path):
    (tmp_path / "typo").write_text("")
    places = (("$KAVA_OUTPUT_PATH", tmp_path / "typo"), ("./runs", tmp_path / "runs"))
    found = chosen(*places, project=tmp_path)
    assert found.place is None
    assert [it.trouble for it in found.tried] == [f"{tmp_path / 'typo'} is a file"]


def test_a_run_goes_on_where_it_is(tmp_path: Path):
    """`$SCRATCH` was set after the run had begun in the project."""
    (tmp_path / "runs" / INSIDE).mkdir(parents=True)
    places = (("$SCRATCH/kava/runs", tmp_path / "kava"), ("./runs", tmp_path / "runs"))
    for resume, there in ((False, "kava"), (True, "runs")):
        found = chosen(*places, project=tmp_path, resume=resume)
        assert found.place is not None
        assert found.place.path == tmp_path / there


# ---- the folder of a smoke run, which is emptied


def busy(folder: Path, **writer: object) -> None:
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "busy.json").write_text(json.dumps(writer))


def test_a_smoke_run_that_is_over_may_go(tmp_path: Path):
    folder = tmp_path / "smoke"
    assert not_to_be_thrown_away(folder) is None
    busy(folder, pid=psutil.Process().pid, host=socket.gethostname(), started_s=0.0)
    (folder / "receipt.json").write_text("{}")
    assert not_to_be_thrown_away(folder) is None


def test_a_smoke_run_that_goes_on_stays(tmp_path: Path):
    me = psutil.Process()
    host = socket.gethostname()
    busy(tmp_path / "smoke", pid=me.pid, host=host, started_s=me.create_time())
    problem = not_to_be_thrown_away(tmp_path / "smoke")
    assert problem is not None
    assert (problem.exit, problem.code, problem.message, problem.hint) == (
        8,
        "KV0807",
        f"{tmp_path / 'smoke'} is in use by process {me.pid} on {host}",
        "wait for it, stop it, or start another with `--run NAME`",
    )


def test_somebody_elses_files_stay(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("x")
    problem = not_to_be_thrown_away(tmp_path)
    assert problem is not None
    assert problem.message == f"{tmp_path} is not empty and not a run folder"
