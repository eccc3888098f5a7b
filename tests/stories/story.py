"""A person at a terminal: commands in a folder, what they print, and their exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHORT = {
    "train.steps": "6",
    "train.warmup_steps": "0",
    "checkpoint.every": "2",
    "eval.rows": "16",
    "eval.exact_match_rows": "0",
    "data.split": "train[:400]",
    "data.eval_split": "test[:64]",
}
"""The embedded default, cut down to seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAVA_")}
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "runtime", "tui"))
    return {**kept, "NO_COLOR": "1", "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


def kavaspec(folder: Path, *words: str, **env: str) -> Answer:
    """Run one command to its end."""
    ran = subprocess.run(
        [sys.executable, "-m", "kavaspec", *words],
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return Answer(code=ran.returncode, out=ran.stdout, err=ran.stderr)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start one command and leave it running."""
    return subprocess.Popen(
        [sys.executable, "-m", "kavaspec", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def settings(**changes: str) -> list[str]:
    """`--set` words of the short default, with changes."""
    chosen = {**SHORT, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]


def wait_for(path: Path, text: str, *, count: int = 1, timeout_s: float = 120.0) -> None:
    """Until a file holds a text so many times."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if path.exists() and path.read_text(encoding="utf-8").count(text) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never held {text!r}")


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
