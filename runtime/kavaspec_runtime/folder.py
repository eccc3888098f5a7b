"""The run folder, and who may write in it: one process, of one lock, until the run is finished.

    kava.lock  run.json (ids of the lock, attempts)  busy.json (who writes now)
    events.jsonl  digest.jsonl  checkpoints/  student/  projector.safetensors  receipt.json

A folder with a receipt is finished and stays as it is.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.lock.model import Here
from kavaspec.run_folder import in_use, read_json, refused
from kavaspec_runtime.checkpoint import replace_flushed


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
        KavaError: 1 when the last attempts have saved nothing; 8 when it is of another lock, finished or busy, when it has a run already and
            `resume` was not asked for, or when it has none and it was.
    """
    problem = refused(here)
    if problem is not None:
        raise KavaError(problem)
    try:
        here.run_folder.mkdir(parents=True, exist_ok=True)
        _take(here.run_folder)
    except FileExistsError as error:
        raise KavaError(in_use(here.run_folder)) from error
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


def _take(folder: Path) -> None:
    """Write who we are; the file must not be there, so that of two starters one fails."""
    import psutil

    busy = folder / "busy.json"
    busy.unlink(missing_ok=True)  # of a dead process: `refused` asked
    me = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started_s": psutil.Process().create_time(),
    }
    with busy.open("x", encoding="utf-8") as file:
        json.dump(me, file)


MOST_IDLE = 3
"""Attempts in a row that may save nothing. A scheduler that queues a job again would go on for ever."""


def _entered(here: Here) -> Folder:
    known = read_json(here.run_folder / "run.json") or {"attempts": 0}
    before, saved = int(str(known["attempts"])), _saved_step(here.run_folder)
    idle = int(str(known.get("idle", 0))) + 1 if known.get("saved_step") == saved else 0
    too_many = idle == MOST_IDLE
    counts = {
        "attempts": before if too_many else before + 1,
        "saved_step": saved,
        "idle": 0 if too_many else idle,
    }
    ids = {"kx": here.kx, "kn": here.kn, "target": here.target}
    replace_flushed(here.run_folder / "run.json", json.dumps(ids | counts, indent=1) + "\n")
    if too_many:
        raise fail(
            f"{MOST_IDLE} attempts in a row ended before one of them saved anything beyond step {saved}",
            Exit.FAILED,
            code="KV0813",
            key="checkpoint.every",
            hint="give the job more time, or lower checkpoint.every and lock again; the next attempt "
            "is let through",
        )
    replace_flushed(here.run_folder / "kava.lock", here.lock_text)
    return Folder(path=here.run_folder, attempt=before + 1)


def _saved_step(folder: Path) -> int:
    """Of the newest checkpoint, by its name; 0 when there is none."""
    names = [path.name for path in (folder / "checkpoints").glob("step-*")]
    return max((int(name[5:]) for name in names if name[5:].isdigit()), default=0)
