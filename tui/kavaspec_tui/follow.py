"""Reads `events.jsonl` while it is written, from this machine or over a network file system.

Every poll opens the file again: a file that stays open may show old content on NFS, and would hide
that the file was replaced. The offset always stands at the start of a line, so a torn last line is
read again when it is whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from kavaspec.events import Line, Unknown, Unreadable, from_line
from kavaspec_tui.stretch import Stretch, stretch_of

CHUNK_BYTES = 1 << 18
"""Read at once; also the longest line that is believed."""
NO_STEP = re.compile(rb'"ev":"(?!step")')
"""Where a line that is no step probably is. Only a hint, so that the steps between are read at once."""
HEAD_BYTES = 256
"""Start of the file that tells whether it is still the same one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What one poll brought."""

    pieces: tuple[Line | Stretch, ...] = ()
    """In the order of the file."""
    restarted: bool = False
    """The file is another one than before: forget everything that it said."""
    more: bool = False
    """There was more to read than one poll takes."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line as an event of its own."""
        parts = ((one,) if isinstance(one, Line) else one.lines() for one in self.pieces)
        return tuple(chain.from_iterable(parts))


class Follower:
    """Remembers how far a file was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.size = 0
        """Bytes of the file at the last poll."""
        self.invalid = 0
        """Lines that are not events: torn by a crash, edited, or too long."""
        self.unknown = 0
        """Events of a kind that this version does not know."""
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._skipping = False

    def poll(self) -> News:
        """New whole lines, at most one chunk of them. A missing file has no news."""
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except FileNotFoundError:
            return News()
        except OSError:  # a network file system may be away for a while; the status will say so
            return News()

    def _read(self, file: BinaryIO) -> News:
        found = os.fstat(file.fileno())
        restarted = self._is_another(file, (found.st_dev, found.st_ino), found.st_size)
        if restarted:
            self._forget()
        self._identity, self.size = (found.st_dev, found.st_ino), found.st_size
        if found.st_size == self.offset:
            return News(restarted=restarted)
        if len(self._head) < HEAD_BYTES:
            self._head = self._start_of(file, HEAD_BYTES)
        file.seek(self.offset)
        chunk = file.read(CHUNK_BYTES)
        pieces = tuple(self._pieces(chunk))
        return News(pieces=pieces, restarted=restarted, more=len(chunk) == CHUNK_BYTES)

    def _is_another(self, file: BinaryIO, identity: tuple[int, int], size: int) -> bool:
        if self._identity is None:
            return False
        if identity != self._identity or size < self.offset:
            return True
        return size != self.size and self._start_of(file, len(self._head)) != self._head

    def _start_of(self, file: BinaryIO, n_bytes: int) -> bytes:
        file.seek(0)
        return file.read(n_bytes)

    def _forget(self) -> None:
        self.offset = self.invalid = self.unknown = 0
        self._head, self._skipping = b"", False

    def _pieces(self, chunk: bytes) -> Iterator[Line | Stretch]:
        """What the whole lines of a chunk say; steps in a row together."""
        end = chunk.rfind(b"\n") + 1
        if end == 0 and len(chunk) == CHUNK_BYTES:  # one endless line: pass over it
            self.invalid += not self._skipping
            self._skipping = True
            self.offset += len(chunk)
            return
        self.offset += end
        start = chunk.find(b"\n", 0, end) + 1 if self._skipping else 0
        self._skipping = self._skipping and end == 0
        for other in NO_STEP.finditer(chunk, start, end):
            if other.start() < start:  # two of them in one line
                continue
            begin = chunk.rfind(b"\n", start, other.start()) + 1 or start
            yield from self._steps(chunk[start:begin])
            start = chunk.find(b"\n", other.start(), end) + 1
            yield from self._one_by_one(chunk[begin:start])
        yield from self._steps(chunk[start:end])

    def _steps(self, text: bytes) -> Iterator[Line | Stretch]:
        stretch = stretch_of(text)
        return self._one_by_one(text) if stretch is None else iter((stretch,))

    def _one_by_one(self, text: bytes) -> Iterator[Line]:
        lines = map(self._line, text.split(b"\n"))
        return (line for line in lines if line is not None)

    def _line(self, text: bytes) -> Line | None:
        if not text.strip():
            return None
        found = from_line(text)
        if isinstance(found, Line):
            return found
        self.unknown += isinstance(found, Unknown)
        self.invalid += isinstance(found, Unreadable)
        return None
