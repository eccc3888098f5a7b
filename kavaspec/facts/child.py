"""The child process that may import torch, so that the compiler never does."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kavaspec.facts.probe import NoAnswer

MODULE = "kavaspec_runtime.probe"
NEEDED = ("torch", "transformers", "kavaspec_runtime")
INSTALL = "pip install 'kavaspec[runtime]'"
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONUTF8": "1",
    "PYTHONWARNINGS": "ignore",
}


class TorchChild:
    """Starts with the first question, serves all, ends with `close`. A context manager."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def missing(self) -> str | None:
        """The first package that it would need and that is not installed."""
        return next((name for name in NEEDED if importlib.util.find_spec(name) is None), None)

    def ask(self, question: Mapping[str, object], *, timeout_s: float) -> Mapping[str, object]:
        """The child's answer.

        Raises:
            NoAnswer: when torch is not installed, or the child crashed or took too long.
        """
        absent = self.missing()
        if absent is not None:
            raise NoAnswer(f"{absent} is not installed", hint=INSTALL)
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            self.close()
            raise NoAnswer(f"torch did not answer within {timeout_s:g} s") from None
        except OSError:  # it is gone; the reason is in what it printed
            line = None
        if line is None:
            raise NoAnswer(self._last_words())
        answer: Mapping[str, object] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the child; the next question would start another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, self._errors):
            if stream is not None:
                _close(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
                env=environment(self._env),
            )
            assert self._process.stdout is not None
            self._lines = queue.SimpleQueue()
            reader = threading.Thread(
                target=_read,
                args=(self._process.stdout, self._lines),
                daemon=True,
            )
            reader.start()
        return self._process

    def _last_words(self) -> str:
        """Why the child ended by itself."""
        assert self._process is not None
        assert self._errors is not None
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        return (
            f"the process that uses torch ended with {code}: {said[-1] if said else 'no message'}"
        )


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """The child's variables: the given ones, offline and quiet, with our packages importable."""
    folders = [*_our_folders(), *filter(None, [env.get("PYTHONPATH")])]
    system = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {**system, **env, **_SETTINGS, "PYTHONPATH": os.pathsep.join(folders)}


def _our_folders() -> list[str]:
    """Where our two packages lie, unless they are installed like any other."""
    folders = []
    for name in ("kavaspec", "kavaspec_runtime"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent.parent
            if folder.name not in ("site-packages", "dist-packages"):
                folders.append(str(folder))
    return folders


def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Pass lines on as they come; None at the end. A thread, because Windows cannot wait on pipes."""
    try:
        for line in stream:
            lines.put(line)
    except (OSError, ValueError):  # closed while reading: the child was ended on purpose
        pass
    lines.put(None)


def _close(stream: IO[str] | IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # the rest of a question that nobody read any more
        stream.close()
