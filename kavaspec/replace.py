"""Write a file in one step: a reader sees the old text or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` where `path` leads: a link stays a link, and the bits of its mode stay.

    It is written beside, under a name that nobody else has, synced and renamed. What is no plain
    file (/dev/null, a pipe) is written to.

    Raises:
        OSError: when it cannot be written; what was there is untouched, and nothing is left beside.
    """
    there = _mode(path)
    if there is not None and not stat.S_ISREG(there):
        path.write_bytes(content)  # a folder raises here
        return
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    beside = target.with_name(f".kava-{secrets.token_hex(8)}.tmp")
    file = beside.open("xb")  # not ours to remove where it is there already
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if there is not None:
            beside.chmod(stat.S_IMODE(there))
        beside.replace(target)
    except BaseException:  # Ctrl-C too leaves nothing behind
        beside.unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int | None:
    """None where there is nothing, or a link that leads to nothing yet."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
