"""The run folder, and who may write in it: one process, of one lock, until the run is finished.

    kava.lock  run.json (ids of the lock, attempts)  busy.json (who writes now)
    events.jsonl  digest.jsonl  checkpoints/  student/  projector.safetensors  receipt.json

A folder with a receipt is finished and stays as it is.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.lock.model import Here
from kavaspec_runtime.checkpoint import replace_flushed

LEFT_BY_A_KILLED_START = {"busy.json", "run.json.tmp", "console.log"}

SILENT_S = 120.0
"""A writer on another host that has said nothing for so long is gone: it would have a heartbeat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A run folder that this process may write in."""

    path: Path
    attempt: int
    """Counts from 1."""

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def digests(self) -> Path:
        return self.path / "digest.jsonl"

    @property
    def receipt(self) -> Path:
        return self.path / "receipt.json"

    @property
    def student(self) -> Path:
        return self.path / "student"

    @property
    def projector(self) -> Path:
        return self.path / "projector.safetensors"


@contextmanager
def claimed(here: Here) -> Iterator[Folder]:
    """Take the run folder for the time inside.

    Raises:
        KavaError: 8 when it is of another lock, finished or busy, when it has a run already and
            `resume` was not asked for, or when it has none and it was.
    """
    _refuse_others(here)
    try:
        here.run_folder.mkdir(parents=True, exist_ok=True)
        _take(here.run_folder)
    except FileExistsError as error:
        raise _in_use(here.run_folder, _read(here.run_folder / "busy.json") or {}) from error
    except OSError as error:
        raise fail(
            f"{here.run_folder} cannot be written: {error.strerror}",
            Exit.ENVIRONMENT,
            code="KV0803",
            key="paths.output",
            hint="choose a place that you may write to in paths.output",
        ) from error
    try:
        yield _entered(here)
    finally:
        (here.run_folder / "busy.json").unlink(missing_ok=True)


def _refuse_others(here: Here) -> None:
    folder = here.run_folder
    known = _read(folder / "run.json")
    if known is None:
        _refuse_strangers(here)
        return
    problem = _mismatch(here, known) or _finished(folder) or _busy(folder)
    if problem is not None:
        raise problem
    if not here.resume:
        raise fail(
            f"{folder} holds an unfinished run of this lock",
            Exit.ENVIRONMENT,
            code="KV0807",
            hint="go on with `kavaspec run LOCK --resume`, or start another with `--run NAME`",
        )


def _refuse_strangers(here: Here) -> None:
    problem = _busy(here.run_folder)
    if problem is not None:
        raise problem
    if _names(here.run_folder) - LEFT_BY_A_KILLED_START:
        raise fail(
            f"{here.run_folder} is not empty and not a run folder",
            Exit.ENVIRONMENT,
            code="KV0807",
            key="name",
            hint="start with `--run NAME`, or move it away",
        )
    if here.resume:
        raise fail(
            f"there is no run to resume in {here.run_folder}",
            Exit.ENVIRONMENT,
            code="KV0807",
            hint="start without --resume",
        )


def _mismatch(here: Here, known: Mapping[str, object]) -> KavaError | None:
    if known.get("kx") != here.kx:
        return fail(
            f"{here.run_folder} holds another experiment: {known.get('kx')}, this lock is {here.kx}",
            Exit.ENVIRONMENT,
            code="KV0806",
            hint="start with `--run NAME`; a run can go on only with its own experiment",
        )
    if known.get("kn") != here.kn and not (here.resume and here.allow_numerics):
        return fail(
            f"{here.run_folder} holds a run with other numerics: {known.get('kn')}, this lock is {here.kn}",
            Exit.ENVIRONMENT,
            code="KV0806",
            hint="start with `--run NAME`, or go on with `kavaspec run LOCK --resume --allow numerics`",
        )
    return None


def _finished(folder: Path) -> KavaError | None:
    if not (folder / "receipt.json").exists():
        return None
    return fail(
        f"{folder} holds a finished run",
        Exit.ENVIRONMENT,
        code="KV0807",
        hint=f"look at it with `kavaspec tui {folder}`, or start another with `--run NAME`",
    )


def _busy(folder: Path) -> KavaError | None:
    writer = _read(folder / "busy.json")
    if writer is None or not _lives(folder, writer):
        return None
    return _in_use(folder, writer)


def _in_use(folder: Path, writer: Mapping[str, object]) -> KavaError:
    return fail(
        f"{folder} is in use by process {writer.get('pid')} on {writer.get('host')}",
        Exit.ENVIRONMENT,
        code="KV0807",
        hint="wait for it, stop it, or start another with `--run NAME`",
    )


def _lives(folder: Path, writer: Mapping[str, object]) -> bool:
    import psutil

    if writer.get("host") != socket.gethostname():
        events = folder / "events.jsonl"
        return events.exists() and time.time() - events.stat().st_mtime < SILENT_S
    try:
        # the same number may by now belong to a younger process
        started_s = psutil.Process(int(str(writer.get("pid")))).create_time()
    except (psutil.NoSuchProcess, ValueError):
        return False
    return bool(started_s == writer.get("started_s"))


def _take(folder: Path) -> None:
    """Write who we are; the file must not be there, so that of two starters one fails."""
    import psutil

    busy = folder / "busy.json"
    busy.unlink(missing_ok=True)  # of a dead process: `_busy` asked
    me = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_s": psutil.Process().create_time(),
    }
    with busy.open("x", encoding="utf-8") as file:
        json.dump(me, file)


def _entered(here: Here) -> Folder:
    known = _read(here.run_folder / "run.json") or {"attempts": 0}
    attempt = int(str(known["attempts"])) + 1
    ids = {"kx": here.kx, "kn": here.kn, "target": here.target, "attempts": attempt}
    replace_flushed(here.run_folder / "run.json", json.dumps(ids, indent=1) + "\n")
    replace_flushed(here.run_folder / "kava.lock", here.lock_text)
    return Folder(path=here.run_folder, attempt=attempt)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _read(path: Path) -> dict[str, object] | None:
    """A JSON object, or None when there is none to read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None
