"""One attempt of a run in a process of its own, that is sent a signal at some moment, by itself.

Processes are forked from a server that has imported torch once, so that fifty of them take a minute.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

from kavaspec.lock.model import Here, Lock
from kavaspec.stop import Stop


@dataclass(frozen=True, kw_only=True)
class Harm:
    """Which signal, after how many events, and how long after that."""

    name: str
    events: int
    delay_s: float

    def wait_and_strike(self, said: threading.Semaphore) -> None:
        for _ in range(self.events):
            said.acquire()
        time.sleep(self.delay_s)
        os.kill(os.getpid(), getattr(signal, self.name))


def work(lock: Lock, here: Here, harm: Harm | None) -> None:
    """What `kavaspec run` does after preflight; ends with its exit code."""
    from kavaspec_runtime.run import run
    from kavaspec_runtime.sink import Sink

    stop = Stop(
        stop_file=here.run_folder / "stop", end=None, wall_s=time.time, passed_s=time.monotonic
    )
    said = threading.Semaphore(0)
    if harm is not None:
        threading.Thread(target=harm.wait_and_strike, args=(said,), daemon=True).start()
    with stop.listening(), Sink(here.run_folder / "events.jsonl") as sink:

        def emit(event) -> None:
            sink(event)
            said.release()

        end = run(lock, here, emit, stop.reason)
    sys.exit({"finished": 0, "interrupted": 85, "failed": 1}[end.status])


def attempt(lock: Lock, here: Here, harm: Harm | None) -> int:
    """The exit code; below 0 the number of the signal that ended it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kavaspec_runtime.run", "transformers.models.qwen2"])
    process = context.Process(target=work, args=(lock, here, harm))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
