"""A rehearsal: one optimizer step at the longest shape on the loaded models, undone bit for bit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kavaspec.errors import Exit
from kavaspec.events import Rehearsal
from kavaspec_runtime.build import Built, Plan
from kavaspec_runtime.data import GlobalBatch, full_rows
from kavaspec_runtime.device import synchronize
from kavaspec_runtime.memory import forget_peak, no_memory, peak_bytes
from kavaspec_runtime.step import NoMemoryError, Trainer, take_step


def rehearse(built: Built, plan: Plan, device: torch.device) -> Rehearsal:
    """Does a step of the locked micro-batch fit? Afterwards everything is as it was.

    Raises:
        KavaError: 4 when memory runs out.
    """
    started_s = time.monotonic()
    forget_peak(device)
    with undone(built.trainer):
        fits = _fits(built.trainer, full_rows(plan.micro_batch, plan.max_length))
        peak = peak_bytes(device)
    if not fits:
        where = f"in the rehearsal ({plan.max_length} tokens a row)"
        raise no_memory(where, plan.micro_batch, device, Exit.DRIFT)
    return Rehearsal(
        micro_batch=plan.micro_batch,
        length=plan.max_length,
        peak_bytes=peak,
        seconds=time.monotonic() - started_s,
    )


@contextmanager
def undone(trainer: Trainer) -> Iterator[None]:
    """Before the first step: what is done inside leaves the same bits as if it had not been.

    The copies lie in main memory, so that an accelerator's peak is that of the step alone. Random
    numbers need no care: each is seeded where it is drawn.
    """
    optimizer, scaler = trainer.optimizer, trainer.scaler
    assert not optimizer.state, "only an optimizer that has not stepped can be put back so"
    kept = [(tensor, tensor.detach().to("cpu", copy=True)) for tensor in _changeable(trainer)]
    rates = [group["lr"] for group in optimizer.param_groups]
    scale = None if scaler is None else scaler.state_dict()
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, copy in kept:
                tensor.copy_(copy)
        optimizer.zero_grad(set_to_none=True)
        optimizer.state.clear()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        if scaler is not None and scale is not None:
            scaler.load_state_dict(scale)


def _changeable(trainer: Trainer) -> list[torch.Tensor]:
    """Weights that learn, and the buffers of student and projector; the teacher is frozen."""
    modules = (trainer.models.student, trainer.models.projector)
    return [*trainer.weights, *(buffer for module in modules for buffer in module.buffers())]


def _fits(trainer: Trainer, batch: GlobalBatch) -> bool:
    try:
        take_step(trainer, 0, batch)
        synchronize(trainer.models.device)
    except NoMemoryError:
        return False  # outside of `except` its traceback no longer holds the tensors alive
    return True
