"""Output that nobody reads any more: `kavaspec check | head` works and ends as if it were read."""

from __future__ import annotations

import os
from typing import TextIO


def say(stream: TextIO, text: str) -> None:
    """Write at once. Once the reader has gone, the rest goes nowhere and the command goes on."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)


def let_go(*streams: TextIO) -> None:
    """Write out what is still held back; Python's own attempt at the end would complain."""
    for stream in streams:
        say(stream, "")


def _to_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
