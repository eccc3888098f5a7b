"""Where events go: `events.jsonl`, appended line by line, whoever reads along.

One write for each line to a file opened for appending, so that two writers cannot mix their lines
and a reader never waits. A resumed run goes on with the next number. A network file system that
forgets the open file (ESTALE) is asked for it once more; a slow one makes the run wait, and loses no
line.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kavaspec.events import Event, Heartbeat, Step, to_line

HEARTBEAT_S = 10.0
LOOK_S = 1.0


class Sink:
    """Callable with one event. Opens its file at the first one, so that a refused run leaves none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._seq = 0
        self._step = 0
        self._last_s = 0.0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._beat = threading.Thread(target=self._beats, name="heartbeat", daemon=True)

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._write(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the heartbeat and close the file."""
        self._closed.set()
        if self._beat.is_alive():
            self._beat.join()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, event: Event) -> None:
        file = self._open() if self._file is None else self._file
        self._step = event.step if isinstance(event, Step) else self._step
        try:
            _append(file, to_line(event, seq=self._seq, t=time.time()).encode())
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            with suppress(OSError):  # closing it may say ESTALE once more
                os.close(file)
            self._file = None
            file = self._open()
            _append(file, to_line(event, seq=self._seq, t=time.time()).encode())
        self._seq += 1
        self._last_s = time.monotonic()

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._file = file = os.open(self._path, flags, 0o644)
        kept = self._path.read_bytes()
        self._seq = kept.count(b"\n")
        if kept and not kept.endswith(b"\n"):  # the last writer was killed within a line
            os.write(file, b"\n")
            self._seq += 1
        if self._beat.ident is None:
            self._beat.start()
        return file

    def _beats(self) -> None:
        while not self._closed.wait(LOOK_S):
            try:
                self._beat_once()
            except OSError:  # a full disk: the trainer's own next line will say so
                return

    def _beat_once(self) -> None:
        with self._lock:
            if time.monotonic() - self._last_s >= HEARTBEAT_S:
                self._write(Heartbeat(step=self._step))


def _append(file: int, line: bytes) -> None:
    """All of it: a file system that is nearly full may take a part first."""
    written = os.write(file, line)
    while written < len(line):
        written += os.write(file, line[written:])
