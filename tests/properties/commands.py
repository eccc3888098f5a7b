"""Commands in a throw-away folder, in this process: how they end, what they say and what they change."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from kavaspec.cli import main
from kavaspec.errors import Exit
from kavaspec.facts.child import TorchChild

ROOT = Path(__file__).parents[2]

READING = frozenset({Exit.OK, Exit.USAGE, Exit.UNLOCKED, Exit.BROKEN, Exit.ENVIRONMENT})
"""Of a command that reads a lock. 5: it was given a spec."""

ENDS: Mapping[str, frozenset[Exit]] = {
    "lock": frozenset({Exit.OK, Exit.USAGE, Exit.BROKEN, Exit.UNSATISFIABLE, Exit.ENVIRONMENT}),
    "check": READING | {Exit.STALE, Exit.UNSATISFIABLE},
    "why": READING | {Exit.STALE, Exit.UNSATISFIABLE},
    "plan": READING | {Exit.STALE, Exit.UNSATISFIABLE},
    "calibrate": READING,
    "diff": READING | {Exit.DIFF_PLACEMENT, Exit.DIFF_NUMERICS, Exit.DIFF_EXPERIMENT},
    "tui": READING,
    "run": READING | {Exit.STALE, Exit.DRIFT, Exit.UNSATISFIABLE},
    "fix": frozenset({Exit.OK, Exit.USAGE, Exit.ENVIRONMENT}),
    "pin": frozenset({Exit.OK, Exit.USAGE, Exit.BROKEN, Exit.ENVIRONMENT}),
    "facts": frozenset({Exit.OK, Exit.USAGE, Exit.BROKEN, Exit.UNSATISFIABLE, Exit.ENVIRONMENT}),
    "schema": frozenset({Exit.OK, Exit.USAGE}),
    "init": frozenset({Exit.OK, Exit.USAGE, Exit.ENVIRONMENT}),
}
"""How each command may end, whatever it is given. 1 is the end of a failed run, and of nothing else."""

TRIED: Counter[str] = Counter()
"""How often each command ended in which way; `scripts/fuzz` prints it."""

Files = Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What one command did."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    before: Files
    after: Files

    @property
    def changed(self) -> set[str]:
        """Files that are there, not there, or other than before."""
        names = {*self.before, *self.after}
        return {name for name in names if self.before.get(name) != self.after.get(name)}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes; folders end in a slash."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name if path.is_file() else f"{name}/"] = path.read_bytes() if path.is_file() else b""
    return found


def lay_out(folder: Path, wanted: Files) -> None:
    """Make the folder hold exactly these files."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name, content in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextlib.contextmanager
def a_machine_without_torch(folder: Path) -> Iterator[None]:
    """No torch, no settings of the person, no training; and the folder is where we are."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"}
    with (
        contextlib.chdir(folder),
        patch.dict(os.environ, env, clear=True),
        patch.object(TorchChild, "missing", lambda _: "torch"),
        patch("kavaspec.cli.run._train", lambda *_, **__: 0),
    ):
        yield


def run(words: Sequence[str], folder: Path) -> Ended:
    """Run one command in the folder that we are in, and hold it to what every command promises."""
    before = files(folder)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    ended = Ended(
        words=tuple(words),
        code=code,
        out=out.getvalue(),
        err=err.getvalue(),
        before=before,
        after=files(folder),
    )
    TRIED[f"{words[0]} {code}"] += 1
    assert "Traceback" not in ended.out + ended.err, ended.err
    assert "This is a bug" not in ended.err, f"{words}: {_report(ended.err)}"
    assert code in ENDS[words[0]], f"{words} ended with {code}: {ended.out}{ended.err}"
    if code in {Exit.USAGE, Exit.BROKEN, Exit.UNSATISFIABLE, Exit.ENVIRONMENT, Exit.DRIFT}:
        assert ended.err.strip() or ended.out.strip(), f"{words} ended with {code} and said nothing"
    return ended


def _report(said: str) -> str:
    """The traceback that a mistake of ours left in a file; the file is taken away."""
    found = re.search(r"with this file: (.+)", said)
    if found is None:
        return said
    path = Path(found[1])
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return said + text
