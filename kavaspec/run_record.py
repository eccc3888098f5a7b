"""What a run folder holds, read as data: lock, step digests, events, receipt, checkpoints, exported files.

Reading raises only where there is no run, or a lock that is broken; other damage is told as data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kavaspec import seals
from kavaspec.errors import Exit, fail
from kavaspec.events import Line, Unreadable, from_line
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.seals import Digests, Receipt, read_digests, read_receipt

# ---- events.jsonl ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """All of `events.jsonl`."""

    lines: tuple[Line, ...]
    torn: bool
    """The last line has no end: it is being written, or a kill tore it."""
    unknown: tuple[str, ...]
    """Kinds of events that a later version wrote, each once."""
    faults: tuple[str, ...]


def read_events(content: bytes) -> Said:
    """What the file says. A line that a kill tore was ended by the next attempt, or is the last."""
    lines: list[Line] = []
    unknown: list[str] = []
    faults: list[str] = []
    *whole, rest = content.split(b"\n")
    for index, raw in enumerate(whole):
        found = from_line(raw)
        if isinstance(found, Line):
            lines.append(found)
            if found.seq != index:
                faults.append(f"line {index + 1}: it has number {found.seq}, expected {index}")
        elif isinstance(found, Unreadable):
            if not _torn(whole, index):
                faults.append(f"line {index + 1}: {found.because}")
        else:
            unknown.append(found.ev)
    return Said(
        lines=tuple(lines),
        unknown=tuple(dict.fromkeys(unknown)),
        faults=tuple(faults),
        torn=bool(rest),
    )


def _torn(whole: list[bytes], index: int) -> bool:
    """Cut by a kill: the beginning of an object, and the next attempt comes after it."""
    following = from_line(whole[index + 1]) if index + 1 < len(whole) else None
    begins = whole[index].startswith(b'{"v":') or b'{"v":'.startswith(whole[index])
    cut = begins and not whole[index].endswith(b"}")
    return cut and isinstance(following, Line) and following.event.ev == "run"


# ---- checkpoints and exported files ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One checkpoint on disk."""

    name: str
    step: int
    damage: str | None
    state: Mapping[str, Any]
    """Empty when it cannot be read."""
    files: Mapping[str, str]
    """SHA-256 of each, as its manifest says."""


def read_checkpoint(path: Path) -> Kept:
    """A checkpoint, with every file of it hashed."""
    manifest = _json(path / "manifest.json")
    listed = manifest.get("files") if manifest else None
    damage = None if isinstance(listed, dict) else "manifest.json is missing or damaged"
    files: dict[str, str] = {}
    for name, kept in listed.items() if isinstance(listed, dict) else ():
        digest = kept.get("sha256") if isinstance(kept, dict) else None
        here = file_digest(path / name)
        files[name] = str(digest)
        if here is None:
            damage = damage or f"{name} is missing"
        elif here != digest:
            damage = damage or f"{name} is not what was written: its SHA-256 differs"
    return Kept(
        name=path.name,
        step=int(path.name.removeprefix("step-")),
        damage=damage,
        state=_json(path / "state.json") or {},
        files=files,
    )


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file, or None when there is none that can be read."""
    try:
        return seals.file_digest(path)
    except (OSError, ValueError):  # a name that no file can have is none that is there
        return None


# ---- the whole folder --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One run folder."""

    folder: str
    """As it was named."""
    lock: Lock
    files: Mapping[str, str | None]
    """SHA-256 of `kava.lock` and `digest.jsonl`."""
    known: Mapping[str, Any]
    """`run.json`: target, ids, attempts."""
    digests: Digests
    said: Said
    receipt: Receipt | None
    """None: the run is not finished."""
    exported: Mapping[str, str | None]
    """SHA-256 of every file of `student/` and of the projector that the receipt names or that is there."""
    checkpoints: tuple[Kept, ...]
    """By step."""


def read_run(folder: Path) -> Record:
    """Read a run folder, the newest things first: a run that goes on meanwhile is never ahead of itself.

    Raises:
        KavaError: exit 8 when it is no run folder, exit 6 when its lock is broken.
    """
    known = _json(folder / "run.json")
    if known is None:
        runs = (
            sorted(str(path.parent) for path in folder.glob("**/run.json"))
            if folder.is_dir()
            else []
        )
        hint = "there are: " + ", ".join(runs) if runs else "`kavaspec run` makes one"
        damaged = (folder / "run.json").exists()
        raise fail(
            f"{folder} is not a run folder: "
            + ("its run.json cannot be read" if damaged else "it has no run.json"),
            Exit.ENVIRONMENT,
            code="KV0010",
            hint=hint,
        )
    receipt = _content(folder / "receipt.json")
    events = _content(folder / "events.jsonl") or b""
    digests = _content(folder / "digest.jsonl") or b""
    read = None if receipt is None else read_receipt(receipt)
    return Record(
        folder=str(folder),
        lock=read_lock(folder / "kava.lock"),
        files={name: file_digest(folder / name) for name in ("kava.lock", "digest.jsonl")},
        known=known,
        digests=read_digests(digests),
        said=read_events(events),
        receipt=read,
        exported=_exported(folder, read),
        checkpoints=_checkpoints(folder / "checkpoints"),
    )


def _exported(folder: Path, receipt: Receipt | None) -> dict[str, str | None]:
    if receipt is None:
        return {}
    there = [
        path.relative_to(folder).as_posix()
        for path in (folder / "student").rglob("*")
        if path.is_file()
    ]
    there += ["projector.safetensors"] if (folder / "projector.safetensors").exists() else []
    return {
        name: file_digest(folder / name) for name in sorted({*receipt.part("exported"), *there})
    }


def _checkpoints(folder: Path) -> tuple[Kept, ...]:
    paths = [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    return tuple(sorted(map(read_checkpoint, paths), key=lambda kept: kept.step))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _json(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
