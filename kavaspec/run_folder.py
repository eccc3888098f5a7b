"""Where a run goes, and whether it may: the place is tried out, the folder must be free.

    <output>/<name>/<kx8>-<target>[-NAME][-smoke]/

A place counts as usable when a folder and a file can really be made, synced and removed there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, Problem
from kavaspec.lock.model import Here

# ---- where -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One place of `paths.output`, as it is on this machine."""

    symbolic: str
    path: Path | None
    """None where a variable in it is not set."""
    there: bool
    """Whether this machine has it, or may get it: a site's convention need not exist."""
    trouble: str | None
    """Why no run folder can be made there; None where one can."""

    @property
    def insisted(self) -> bool:
        """Somebody set kavaspec's own variable on this machine: then nowhere else will do."""
        return self.path is not None and self.symbolic.startswith("$KAVA_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Which place a run takes, and what became of those before it."""

    place: Place | None
    """None where no place can be used."""
    tried: tuple[Place, ...]
    """Every place that was looked at, in order, the chosen one last."""


def choose(
    places: Sequence[tuple[str, Path | None]], inside: Path, *, project: Path, resume: bool
) -> Chosen:
    """The first usable place; to go on with a run, the first that has its folder `inside`.

    A place of `$KAVA_OUTPUT_PATH` that cannot be used is not passed over.
    """
    if resume:
        at = [
            (name, path) for name, path in places if path is not None and (path / inside).is_dir()
        ]
        places = at[:1] or places
    tried: list[Place] = []
    for symbolic, path in places:
        place = _looked_at(symbolic, path, inside, project)
        tried.append(place)
        if place.trouble is None:
            return Chosen(place=place, tried=tuple(tried))
        if place.insisted:
            break
    return Chosen(place=None, tried=tuple(tried))


def _looked_at(symbolic: str, path: Path | None, inside: Path, project: Path) -> Place:
    if path is None:
        return Place(symbolic=symbolic, path=None, there=False, trouble="not set here")
    base = nearest(path)
    if isinstance(base, Path) and not _is_ours(symbolic, path, base, project):
        missing = Path(*path.parts[: len(base.parts) + 1])
        return Place(symbolic=symbolic, path=path, there=False, trouble=f"there is no {missing}")
    return Place(symbolic=symbolic, path=path, there=True, trouble=trouble(path / inside))


def _is_ours(symbolic: str, place: Path, base: Path, project: Path) -> bool:
    """A variable's own folder must exist: `/scratch/$USER/kava` is not made below a bare `/`."""
    if symbolic.startswith("$KAVA_"):
        return True
    depth = len(place.parts) - len(base.parts)
    return base in (place, project) or depth <= 2


def nearest(path: Path) -> Path | str:
    """What is there of a path, from its end upwards; or why the system does not say."""
    for candidate in (path, *path.parents):
        try:
            candidate.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return f"{candidate} cannot be used: {_why(error)}"
        return candidate
    return f"there is no {path.anchor or path}"


def trouble(folder: Path) -> str | None:
    """Why a run folder cannot be made, or None: tried out in the nearest folder above it.

    A folder and a file in it are made, synced, renamed and removed; nothing is left.
    """
    found = nearest(folder)
    if isinstance(found, str):
        return found
    if not found.is_dir():
        return f"{found} is a {'link that leads nowhere' if found.is_symlink() else 'file'}"
    base = found.parent if found == folder else found
    try:
        with tempfile.TemporaryDirectory(prefix=".kavaspec-try-", dir=base) as made:
            _write_and_rename(Path(made))
    except OSError as error:
        return f"nothing can be made in {base}: {_why(error)}"
    return None


def _write_and_rename(folder: Path) -> None:
    """What a checkpoint asks of a disk."""
    aside = folder / "aside"
    with aside.open("wb") as file:
        file.write(b"kavaspec\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / "there")


def free_bytes(folder: Path) -> int:
    """What this user may still write where `folder` is, or will be."""
    found = nearest(folder)
    return shutil.disk_usage(found if isinstance(found, Path) else folder).free


def held_bytes(folder: Path) -> int:
    """What a run folder takes already."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


# ---- may it ------------------------------------------------------------------------------------

LEFT_BY_A_KILLED_START = {"busy.json", "run.json.tmp", "console.log"}

SILENT_S = 120.0
"""A writer on another host that has said nothing for so long is gone: it would have a heartbeat."""


def refused(here: Here) -> Problem | None:
    """Why a run may not have its folder: another experiment's, finished, busy, or begun before."""
    folder = here.run_folder
    known = read_json(folder / "run.json")
    if known is None:
        return _busy(folder) or _stranger(folder) or (_nothing(folder) if here.resume else None)
    found = _mismatch(here, known) or _finished(folder) or _busy(folder)
    if found is not None or here.resume:
        return found
    return _used(
        f"{folder} holds an unfinished run of this lock",
        "go on with `kavaspec run LOCK --resume`, or start another with `--run NAME`",
    )


def not_to_be_thrown_away(folder: Path) -> Problem | None:
    """Why the folder of a smoke run may not be emptied for the next: it is busy, or something else."""
    strange = None if (folder / "run.json").exists() else _stranger(folder)
    return _busy(folder) or strange


def in_use(folder: Path) -> Problem:
    """Somebody writes in it now."""
    writer = read_json(folder / "busy.json") or {}
    hint = "wait for it, stop it, or start another with `--run NAME`"
    if writer.get("host") not in (None, socket.gethostname()):
        hint += f"; on another host it counts as gone after {SILENT_S:.0f} s of silence"
    return _used(f"{folder} is in use by process {writer.get('pid')} on {writer.get('host')}", hint)


def read_json(path: Path) -> Mapping[str, object] | None:
    """A JSON object, or None when there is none to read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _stranger(folder: Path) -> Problem | None:
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not names - LEFT_BY_A_KILLED_START:
        return None
    return _used(
        f"{folder} is not empty and not a run folder",
        "start with `--run NAME`, or move it away",
        key="name",
    )


def _nothing(folder: Path) -> Problem:
    return _used(f"there is no run to resume in {folder}", "start without --resume")


def _mismatch(here: Here, known: Mapping[str, object]) -> Problem | None:
    folder = here.run_folder
    if known.get("kx") != here.kx:
        return _another(
            f"{folder} holds another experiment: {known.get('kx')}, this lock is {here.kx}",
            "start with `--run NAME`; a run can go on only with its own experiment",
        )
    if known.get("kn") != here.kn and not (here.resume and here.allow_numerics):
        return _another(
            f"{folder} holds a run with other numerics: {known.get('kn')}, this lock is {here.kn}",
            "start with `--run NAME`, or go on with `kavaspec run LOCK --resume --allow numerics`",
        )
    return None


def _finished(folder: Path) -> Problem | None:
    if not (folder / "receipt.json").exists():
        return None
    return _used(
        f"{folder} holds a finished run",
        f"look at it with `kavaspec tui {folder}`, or start another with `--run NAME`",
    )


def _busy(folder: Path) -> Problem | None:
    writer = read_json(folder / "busy.json")
    return in_use(folder) if writer is not None and _lives(folder, writer) else None


def _lives(folder: Path, writer: Mapping[str, object]) -> bool:
    import psutil

    if writer.get("host") != socket.gethostname():
        events = folder / "events.jsonl"
        said = events if events.exists() else folder / "busy.json"  # it may just have begun
        return time.time() - said.stat().st_mtime < SILENT_S
    try:
        # the same number may by now belong to a younger process
        started_s = psutil.Process(int(str(writer.get("pid")))).create_time()
    except (psutil.NoSuchProcess, ValueError):
        return False
    return bool(started_s == writer.get("started_s"))


def _used(message: str, hint: str, *, key: str | None = None) -> Problem:
    return Problem(message=message, exit=Exit.ENVIRONMENT, code="KV0807", key=key, hint=hint)


def _another(message: str, hint: str) -> Problem:
    return Problem(message=message, exit=Exit.ENVIRONMENT, code="KV0806", hint=hint)
