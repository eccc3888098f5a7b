"""Checkpoints that are whole or not there: written aside, flushed, listed, renamed.

    checkpoints/step-40/
      student.safetensors      weights that learn
      projector.safetensors
      optimizer.safetensors    AdamW's moments, by the names of their weights
      state.json               step, tokens, ids of the lock, proof for the resume
      manifest.json            size and SHA-256 of each of the above

The newest checkpoint whose manifest holds is loaded; every newer one that was skipped is named.
Nothing is ever unpickled.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.seals import file_digest

MANIFEST = "manifest.json"
STATE = "state.json"
PARTS = ("student", "projector", "optimizer")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """All that is needed to go on, beside tensors."""

    step: int
    tokens: int
    kx: str
    kn: str
    next_batch: str
    """SHA-256 over the tokens of the next global batch."""
    next_loss: str
    """Bits of its loss on the saved weights."""
    scaler: Mapping[str, Any] | None
    """Of the gradient scaler, with float16."""
    deviations: Sequence[Mapping[str, Any]]
    """What was done otherwise than locked up to here, oldest first: the fields of each event."""
    rehearsed_bytes: int | None
    """Peak of the rehearsal, which the first attempt under these numerics did for all."""
    micro_batch: int | None
    """Rows computed at once, also in the proof; None in checkpoints that do not say."""


EARLIER: Mapping[str, Any] = {"deviations": (), "rehearsed_bytes": None, "micro_batch": None}
"""What a checkpoint that does not say so is taken to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A checkpoint on disk."""

    path: Path
    step: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A checkpoint that cannot be trusted, and why."""

    path: Path
    because: str


def save(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: State) -> Saved:
    """Write one checkpoint into `folder`.

    Raises:
        KavaError: 8 when the disk is full or read-only; says which checkpoint is safe.
    """
    final = folder / f"step-{state.step}"
    aside = folder / f"step-{state.step}.tmp"
    try:
        _write(aside, tensors, state)
        _forget(final)  # a resumed run comes by a checkpoint that it could not read
        aside.rename(final)
        flush_folder(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise _not_saved(folder, state.step, error) from error
    return Saved(path=final, step=state.step, bytes=_size(final))


def tensors_in(path: Path) -> dict[str, dict[str, Tensor]]:
    """On the CPU, from a checkpoint that `newest` found valid."""
    return {part: load_file(path / f"{part}.safetensors") for part in PARTS}


def state_in(path: Path) -> State:
    """Of a checkpoint that `newest` found valid."""
    return State(**(EARLIER | json.loads((path / STATE).read_text("utf-8"))))


def newest(folder: Path) -> tuple[Saved | None, list[Skipped]]:
    """The newest valid checkpoint, and the newer ones that are not."""
    skipped: list[Skipped] = []
    for path in sorted(checkpoints(folder), key=step_of, reverse=True):
        because = damage(path)
        if because is None:
            return Saved(path=path, step=step_of(path), bytes=_size(path)), skipped
        skipped.append(Skipped(path=path, because=because))
    return None, skipped


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, or None when every file is as it was written."""
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        for name, kept in manifest["files"].items():
            file = path / name
            size = file.stat().st_size
            if size != kept["bytes"]:
                return f"{name} has {size} bytes, the manifest says {kept['bytes']}"
            if file_digest(file) != kept["sha256"]:
                return f"{name} is not what was written: its SHA-256 differs"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    return None


def prune(folder: Path, keep: int) -> None:
    """Leave the newest `keep` checkpoints, and nothing half-written."""
    for path in sorted(checkpoints(folder), key=step_of)[:-keep]:
        _forget(path)
    for path in (*folder.glob("step-*.tmp"), *folder.glob("step-*.old")):
        shutil.rmtree(path)


def checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdigit()]


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def write_flushed(path: Path, text: str) -> None:
    """Text that is on the disk when this returns."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_flushed(path: Path, text: str) -> None:
    """The same for a file that others may read meanwhile: old or new, never half."""
    aside = path.with_name(path.name + ".tmp")
    write_flushed(aside, text)
    aside.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make renames in it durable. Windows cannot open a folder, and does not need to."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(aside: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: State) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for part in PARTS:
        file = aside / f"{part}.safetensors"
        save_file({name: _plain(tensor) for name, tensor in tensors[part].items()}, file)
        _flush(file)
    write_flushed(aside / STATE, json.dumps(_fields(state), indent=1))
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)}
        for file in sorted(aside.iterdir())
    }
    write_flushed(aside / MANIFEST, json.dumps({"manifest_version": 1, "files": files}, indent=1))
    flush_folder(aside)


def _fields(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in State.__slots__}


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _forget(path: Path) -> None:
    """Take a checkpoint away; first its name, so that nobody sees it half-gone."""
    if path.exists():
        gone = path.with_name(path.name + ".old")
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
        shutil.rmtree(gone)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def is_full(error: OSError | SafetensorError) -> bool:
    """Whether there was no room: safetensors says so only in words."""
    return getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in str(error)


def _not_saved(folder: Path, step: int, error: OSError | SafetensorError) -> KavaError:
    kept, _ = newest(folder)
    safe = "no checkpoint is there yet" if kept is None else f"{kept.path} is safe"
    return fail(
        f"the checkpoint of step {step} could not be written: "
        f"{'the disk is full' if is_full(error) else error}; {safe}",
        Exit.ENVIRONMENT,
        code="KV0803",
        key="paths.output",
        hint="make room or choose another paths.output, then `kavaspec run LOCK --resume`",
    )
