"""Reads `events.jsonl` while it is written, from this machine or over a network file system.

Every poll opens the file again: a file that stays open may show old content on NFS, and would hide
that the file was replaced. The offset always stands at the start of a line, so a torn last line is
read again when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from kavaspec.events import Event, Line, Step, from_line

CHUNK_BYTES = 1 << 18
"""Read at once; also the longest line that is believed."""
LARGEST = 2**63
YEAR_3000 = 32_503_680_000.0
"""Counts and times beyond these are damage, not data."""
HEAD_BYTES = 256
"""Start of the file that tells whether it is still the same one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What one poll brought."""

    lines: tuple[Line, ...] = ()
    restarted: bool = False
    """The file is another one than before: forget everything that it said."""
    more: bool = False
    """There was more to read than one poll takes."""


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
        return News(lines=self._lines(chunk), restarted=restarted, more=len(chunk) == CHUNK_BYTES)

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

    def _lines(self, chunk: bytes) -> tuple[Line, ...]:
        end = chunk.rfind(b"\n") + 1
        if end == 0 and len(chunk) == CHUNK_BYTES:  # one endless line: pass over it
            self.invalid += not self._skipping
            self._skipping, end = True, len(chunk)
            self.offset += end
            return ()
        self.offset += end
        texts = chunk[:end].split(b"\n")[:-1]
        if texts and self._skipping:
            texts, self._skipping = texts[1:], False
        return tuple(line for text in texts if (line := self._line(text)) is not None)

    def _line(self, text: bytes) -> Line | None:
        if not text.strip():
            return None
        try:
            line = from_line(text.decode())
        except (ValueError, TypeError, OverflowError, RecursionError):
            self.invalid += 1
            return None
        if line is None:
            self.unknown += 1
        elif not (0.0 <= line.t < YEAR_3000 and is_sound(line.event)):
            self.invalid += 1
            return None
        return line


def is_sound(event: Event) -> bool:
    """Whether every field has the type that it was declared with, and a size that can be drawn."""
    if isinstance(event, Step):
        return _is_sound_step(event)
    return all(_fits(getattr(event, item.name), str(item.type)) for item in fields(event))


def _is_sound_step(event: Step) -> bool:
    """`is_sound` for the kind of which there are a million."""
    return (
        type(event.step) is int
        and type(event.tokens) is int
        and 0 <= event.step < LARGEST
        and 0 <= event.tokens < LARGEST
        and isinstance(event.metrics, dict)
        and all(map(_is_number, event.metrics.values()))
    )


def _fits(value: Any, declared: str) -> bool:
    if declared.startswith("Mapping"):
        return isinstance(value, Mapping) and all(map(_is_number, value.values()))
    if declared.startswith("tuple"):
        words = (word for one in value for word in (one.name, one.unit, one.better))
        return all(isinstance(word, str) for word in words)
    if declared.startswith(("Literal", "str")):
        return isinstance(value, str)
    if declared == "int":
        return type(value) is int and 0 <= value < LARGEST
    return declared != "float" or _is_number(value)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -LARGEST < value < LARGEST)
