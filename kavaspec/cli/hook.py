"""What pre-commit runs: `check` for every pair of spec and lock that a commit touches.

    python -m kavaspec.cli.hook experiments/a/kava.toml experiments/b/kava.lock uv.lock

A pair is NAME.toml and NAME.lock in one folder. Other TOML files and other tools' locks are left
alone, and a lock without its spec is only read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from kavaspec.errors import Exit

_MARK = re.compile(rb"(?m)^lock_version:")


def main(paths: Sequence[str]) -> int:
    """The exit code of the first pair that is not as it should be; 0 when all are."""
    from kavaspec.cli import main as kavaspec

    locks = locks_of(paths)
    codes = [kavaspec(["check", str(lock)]) for lock in locks if _has_spec(lock)]
    # a lock that is kept without its spec, as an example or a result: is it whole?
    codes += [kavaspec(["diff", str(lock), str(lock)]) for lock in locks if not _has_spec(lock)]
    return next((code for code in codes if code), Exit.OK)


def locks_of(paths: Iterable[str]) -> list[Path]:
    """The kavaspec locks that these files are, or belong to, each once."""
    beside = {Path(path).with_suffix(".lock") for path in paths}
    return sorted(lock for lock in beside if _is_ours(lock))


def _is_ours(lock: Path) -> bool:
    """Whether a file is a lock of kavaspec, broken or not; uv, poetry and others say it otherwise."""
    try:
        return _MARK.search(lock.read_bytes()) is not None
    except OSError:
        return False


def _has_spec(lock: Path) -> bool:
    return lock.with_suffix(".toml").exists()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
