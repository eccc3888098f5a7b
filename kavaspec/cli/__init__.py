"""The command line: `kavaspec lock`, `why`, `run`, `tui` and a few more; one file each."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

COMMANDS = (
    "init",
    "facts",
    "lock",
    "fix",
    "check",
    "why",
    "pin",
    "plan",
    "diff",
    "run",
    "verify",
    "calibrate",
    "tui",
    "schema",
)
"""In the order in which one meets them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every mistake becomes a message and an exit code, never a traceback."""
    from kavaspec.cli.app import run_app

    code = run_app(list(sys.argv[1:] if argv is None else argv))
    if argv is None:  # this process ends now: a late Ctrl-C has nothing left to stop
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code
