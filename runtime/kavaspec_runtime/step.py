"""One optimizer step: every micro-batch forward and backward, then clip, check and update.

    loss of the step = sum over micro-batches of (sums over tokens) / (totals of the global batch)

so that the gradient is that of the whole global batch, whatever `micro_batch` and `accumulation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kavaspec_runtime.data import Batch, GlobalBatch
from kavaspec_runtime.memory import is_out_of_memory
from kavaspec_runtime.objectives.objective import Models, Objective, Terms
from kavaspec_runtime.optimizer import Schedule, set_learning_rate
from kavaspec_runtime.randomness import seed_forward

RANK = 0
"""This process among `train.world`, which is 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainer:
    """Everything that a step works with."""

    models: Models
    objective: Objective
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    weights: Sequence[nn.Parameter]
    """Of student and projector, those that learn."""
    schedule: Schedule
    clip: float | None
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a step leaves to be said."""

    loss: float
    grad_norm: float
    """Before clipping."""
    learning_rate: float
    metrics: Mapping[str, float]


class NoMemoryError(Exception):
    """Memory ran out during a step. `redoable`: no weight was touched, so it can be done again."""

    def __init__(self, *, redoable: bool) -> None:
        self.redoable = redoable
        super().__init__("memory ran out")


class NotFiniteError(Exception):
    """A loss or gradient is NaN or infinite. Nothing was updated."""

    def __init__(self, what: str, value: float, rows: Sequence[int]) -> None:
        self.what, self.value, self.rows = what, value, tuple(rows)
        super().__init__(f"the {what} is {value}")


def take_step(trainer: Trainer, step: int, batch: GlobalBatch) -> Done:
    """Do step `step` (counting from 0).

    Raises:
        NotFiniteError: before anything is updated.
        NoMemoryError: when memory runs out; before anything is updated if it is redoable.
    """
    share = trainer.schedule.share(step)
    set_learning_rate(trainer.optimizer, share)
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.models.train()
    with running_out(redoable=True):
        terms = [forward_backward(trainer, step, micro, batch) for micro in range(len(batch.micro))]
        losses = [term.loss.item() for term in terms]
    _all_finite(losses, batch.micro)
    with running_out(redoable=False):
        grad_norm = update(trainer, batch)
    return Done(
        loss=math.fsum(losses),
        grad_norm=grad_norm,
        learning_rate=trainer.optimizer.param_groups[0]["lr"],
        metrics=_sums(terms),
    )


@contextmanager
def running_out(*, redoable: bool) -> Iterator[None]:
    """Name what every device calls differently.

    Raises:
        NoMemoryError: when memory runs out inside.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise NoMemoryError(redoable=redoable) from error


def forward_backward(trainer: Trainer, step: int, micro: int, batch: GlobalBatch) -> Terms:
    """Add what one micro-batch says to the gradients; its share of the loss."""
    seed_forward(trainer.seed, step=step, micro=micro, rank=RANK)
    rows = batch.micro[micro].to(trainer.models.device)
    with trainer.models.computing():
        terms = trainer.objective.terms(trainer.models, rows, batch.totals)
    loss = terms.loss if trainer.scaler is None else trainer.scaler.scale(terms.loss)
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
    return Terms(loss=terms.loss.detach(), metrics=terms.metrics)  # frees the graph


def update(trainer: Trainer, batch: GlobalBatch) -> float:
    """Clip, check, update; the norm of the gradient before clipping."""
    if trainer.scaler is not None:
        trainer.scaler.unscale_(trainer.optimizer)
    gradients = [weight.grad for weight in trainer.weights if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients, norm_type=2.0, error_if_nonfinite=False)
    if trainer.clip is not None:
        torch.nn.utils.clip_grads_with_norm_(trainer.weights, trainer.clip, norm)
    if trainer.scaler is not None:  # an overflow is its business: it leaves the step out
        trainer.scaler.step(trainer.optimizer)
        trainer.scaler.update()
    elif not torch.isfinite(norm):
        raise NotFiniteError("gradient", norm.item(), batch.rows)
    else:
        trainer.optimizer.step()
    return norm.item()


def _all_finite(losses: Sequence[float], micro: Sequence[Batch]) -> None:
    for loss, batch in zip(losses, micro, strict=True):
        if not math.isfinite(loss):
            raise NotFiniteError("loss", loss, batch.rows)


def _sums(terms: Sequence[Terms]) -> dict[str, float]:
    names = terms[0].metrics.keys()
    sums: dict[str, Tensor] = {
        name: torch.stack([t.metrics[name] for t in terms]).sum() for name in names
    }
    return {name: value.item() for name, value in sums.items()}
