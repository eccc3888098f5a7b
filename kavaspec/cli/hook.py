"""What pre-commit runs: `check` for every pair of spec and lock that a commit touches.

    python -m kavaspec.cli.hook experiments/a/kava.toml experiments/b/kava.lock facts/a100.yaml uv.lock

A pair is NAME.toml and NAME.lock in one folder. A fact file belongs to every pair whose spec names
it. Other TOML and YAML files and other tools' locks are left alone, and a lock without its spec is
only read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kavaspec.errors import Exit

_MARK = re.compile(rb"(?m)^lock_version:")
_FACTS = re.compile(rb"(?m)^facts_version:")
YAML = (".yaml", ".yml")


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
    files = [Path(path) for path in paths]
    beside = {path.with_suffix(".lock") for path in files if path.suffix not in YAML}
    facts = {path.resolve() for path in files if path.suffix in YAML and _holds_facts(path)}
    if facts:
        beside |= {lock for lock in Path().rglob("*.lock") if facts & set(_fact_files(lock))}
    return sorted(lock for lock in beside if _is_ours(lock))


def _holds_facts(path: Path) -> bool:
    """Whether a YAML file is a fact file, broken or not, or was one: it may be gone."""
    try:
        return _FACTS.search(path.read_bytes()) is not None
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _fact_files(lock: Path) -> Iterator[Path]:
    """The fact files that the spec of a lock names."""
    import tomli

    if not _has_spec(lock) or not _is_ours(lock):
        return
    try:
        said = tomli.loads(lock.with_suffix(".toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # its own pair is checked, and says what is wrong
    targets = said.get("targets")
    tables = (
        [it for it in targets.values() if isinstance(it, dict)] if isinstance(targets, dict) else []
    )
    named = said.get("facts", [])
    every = [*(named if isinstance(named, list) else [named]), *(it.get("facts") for it in tables)]
    yield from ((lock.parent / path).resolve() for path in every if isinstance(path, str))


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
