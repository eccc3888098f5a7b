"""A new format of the lock changes how it is written, never what it says: proved before it is replaced."""

from __future__ import annotations

from dataclasses import replace

from kavaspec.errors import Exit, fail
from kavaspec.lock.file import lock_text, parse_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.model import LOCK_VERSION, Lock


def prove_same_ids(old: Lock, path: str) -> None:
    """Write a lock of an older format in the present one, read it back, and compare both ids of every target.

    Raises:
        KavaError: exit 6 when an id would change: the old file stays.
    """
    new = parse_lock(lock_text(replace(old, version=LOCK_VERSION)), path)
    changed = [
        name for name in old.targets if name not in new.targets or ids(old, name) != ids(new, name)
    ]
    if changed or old.targets.keys() != new.targets.keys():
        names = ", ".join(changed) or "a target"
        raise fail(
            f"{path} has format {old.version}, and writing it in format {LOCK_VERSION} would change "
            f"the ids of {names}",
            Exit.BROKEN,
            code="KV0609",
            hint="this is a bug in kavaspec, please report it; nothing was changed",
        )
