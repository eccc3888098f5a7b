"""TensorBoard: `tensorboard --logdir RUN/tensorboard`."""

from __future__ import annotations

from typing import Any

from kavaspec.events import End, Eval, Event, Run, Step
from kavaspec.lock.model import Here, Lock


def open_tracker(lock: Lock, here: Here) -> TensorBoard:
    """Writes nothing before the run has begun."""
    del lock  # its text comes with `here`, as it is kept in the run folder
    return TensorBoard(here)


class TensorBoard:
    """Scalars by step; a resumed run takes back the steps that it does again."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._writer: Any = None

    def tell(self, event: Event) -> None:
        match event:
            case Run():
                self._begin(event)
            case Step():
                self._scalars("train", event.metrics, event.step)
            case Eval():
                self._scalars("eval", event.metrics, event.step)
            case End():
                self._scalars("result", event.result, event.step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _begin(self, run: Run) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        again = run.first_step + 1 if run.attempt > 1 else None
        folder = str(self._here.run_folder / "tensorboard")
        self._writer = SummaryWriter(folder, purge_step=again)
        told = f"{run.kx}  \n{run.kn}  \ntarget {run.target}, attempt {run.attempt}, {run.device}"
        self._writer.add_text("kavaspec/run", told, run.first_step)
        text = "".join(f"    {line}\n" for line in self._here.lock_text.splitlines())
        self._writer.add_text("kavaspec/lock", text, run.first_step)

    def _scalars(self, group: str, values: Any, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)
