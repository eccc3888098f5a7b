"""Weights & Biases, offline: `wandb sync RUN/wandb/offline-run-*` sends it when there is a network.

`WANDB_MODE=online` sends it at once; the library reads that, and the project, from the environment.
Every attempt of one run has the same id there.
"""

from __future__ import annotations

from typing import Any

from kavaspec.events import End, Eval, Event, Run, Step
from kavaspec.lock.model import Here, Lock
from kavaspec.plain import thaw
from kavaspec_runtime.trackers import identity


def open_tracker(lock: Lock, here: Here) -> WandB:
    """Starts nothing before the run has begun."""
    return WandB(lock, here)


class WandB:
    """The locked values as configuration, and metrics by step."""

    def __init__(self, lock: Lock, here: Here) -> None:
        self._lock, self._here = lock, here
        self._run: Any = None

    def tell(self, event: Event) -> None:
        match event:
            case Run():
                self._begin(event)
            case Step():
                self._log("train", event.metrics, event.step)
            case Eval():
                self._log("eval", event.metrics, event.step)
            case End():
                for name, value in event.result.items():
                    self._run.summary[f"result/{name}"] = value
                self._run.summary["status"] = event.status

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()

    def _begin(self, run: Run) -> None:
        import wandb

        values = thaw(self._lock.values(self._here.target))
        ids = {"kx": run.kx, "kn": run.kn, "target": run.target}
        self._run = wandb.init(
            id=identity(self._here),
            resume="allow",
            name=run.name,
            group=run.kx,
            dir=str(self._here.run_folder),
            config={"lock": values, **ids},
            settings=wandb.Settings(
                console="off",  # the console is the user's
                silent=True,
                disable_code=True,
                disable_git=True,
                x_disable_machine_info=True,
            ),
        )

    def _log(self, group: str, values: Any, step: int) -> None:
        self._run.log({f"{group}/{name}": value for name, value in values.items()}, step=step)
