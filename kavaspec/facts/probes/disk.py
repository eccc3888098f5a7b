"""Scratch folders that sites customarily have: which exist here, can be written, and have space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Probe, Seen, sign
from kavaspec.sources.locate import expand

NAMES = ("fact.disk.places", "fact.disk.free_gib")
PLACES = (
    "$SCRATCH",
    "$PSCRATCH",
    "$WORK",
    "$SCRATCHDIR",
    "$LOCAL_SCRATCH",
    "/scratch/$USER",
    "/work/$USER",
)


def observe(machine: Machine) -> Observation:
    here = Path.cwd()
    folders = {place: _folder(place, machine, here) for place in PLACES}
    usable = {place: path for place, path in folders.items() if path is not None}
    free = {place: _free_gib(path) for place, path in {**usable, ".": here}.items()}
    why = (
        "exist and can be written" if usable else "none of the usual ones exists and can be written"
    )
    return sign(
        PROBE.id,
        {
            "fact.disk.places": Seen(value=tuple(usable), evidence=why),
            "fact.disk.free_gib": Seen(value=free, evidence="free for this user"),
        },
    )


def _folder(place: str, machine: Machine, here: Path) -> Path | None:
    path = expand(place, machine.env, here)
    if path is None:
        return None
    if not place.startswith("$"):
        path = machine.root / path.relative_to(path.anchor)
    return path if path.is_dir() and os.access(path, os.W_OK | os.X_OK) else None


def _free_gib(path: Path) -> int:
    return shutil.disk_usage(path).free // 2**30


PROBE = Probe(name="disk", version=1, facts=NAMES, observe=observe)
