"""Where a run can be followed besides its own events: one small file for each tracker.

    kavaspec run kava.lock --track tensorboard --track wandb

A tracker is told every event that `events.jsonl` holds, and the lock's two ids. It decides nothing,
and one that fails is left out with a warning: training never stops for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from typing import Protocol, Self

from kavaspec.errors import Exit, did_you_mean, fail
from kavaspec.events import Event, Log
from kavaspec.lock.model import Here, Lock

PACKAGES: Mapping[str, str] = {"tensorboard": "tensorboard", "wandb": "wandb"}
"""Tracker -> the package that it needs, which is also the name of an extra."""


class Tracker(Protocol):
    """One place to follow a run."""

    def tell(self, event: Event) -> None:
        """Take in one event."""

    def close(self) -> None:
        """Write what is left. Called once."""


Open = Callable[[Lock, Here], Tracker]


def opener(name: str) -> Open:
    """How to open a tracker.

    Raises:
        KavaError: exit 2 when there is no such tracker; exit 8 when its package is not installed.
    """
    if name not in PACKAGES:
        near = did_you_mean(name, PACKAGES)
        raise fail(
            f"--track {name}: there is no such tracker",
            Exit.USAGE,
            code="KV0008",
            hint=f"did you mean {near}?" if near else f"there are {' and '.join(PACKAGES)}",
        )
    try:
        import_module(PACKAGES[name])
    except ImportError as error:
        raise fail(
            f"--track {name} needs the package {error.name}",
            Exit.ENVIRONMENT,
            code="KV0012",
            hint=f"pip install 'kavaspec[{name}]'",
        ) from None
    found: Open = import_module(f"{__name__}.{name}").open_tracker
    return found


class Trackers:
    """All trackers of one run; one that fails says so once, and is left out."""

    def __init__(
        self, openers: Mapping[str, Open], lock: Lock, here: Here, say: Callable[[Log], None]
    ) -> None:
        self._open: dict[str, Tracker] = {}
        self._say = say
        for name, open_tracker in openers.items():
            with self._alone(name):
                self._open[name] = open_tracker(lock, here)

    def tell(self, event: Event) -> None:
        for name, tracker in list(self._open.items()):
            with self._alone(name):
                tracker.tell(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, tracker in list(self._open.items()):
            with self._alone(name):
                tracker.close()

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Whatever goes wrong inside concerns one tracker, and not the run."""
        try:
            yield
        # a library of others, with a service and a disk of its own: it may raise anything
        except Exception as error:  # noqa: BLE001
            self._open.pop(name, None)
            words = (str(error).splitlines() or [""])[0]
            message = f"{name} follows this run no more: {type(error).__name__}: {words}"
            self._say(Log(level="warning", message=message))


def identity(here: Here) -> str:
    """The same for every attempt of one run, and for no other: both ids and the run folder's name."""
    return sha256(f"{here.kx} {here.kn} {here.run_folder.name}".encode()).hexdigest()[:16]
