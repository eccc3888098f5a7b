"""A resume proves itself: the next batch and the bits of its loss must come out as they were saved.

At every save, the loss of the next step's first micro-batch is computed on the saved weights,
without dropout. A resumed run computes it again before it trains. The same tokens and the same bits
mean: weights, data order, tokenizer and arithmetic are what they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kavaspec.errors import Exit, fail
from kavaspec_runtime.checkpoint import State
from kavaspec_runtime.data import Feed, ids_digest
from kavaspec_runtime.step import Trainer, running_out

CLOSE = 0.01
"""Relative difference of a loss that other kernels may make, where bits are not promised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What can be known about the step to come."""

    next_batch: str
    next_loss: str


@torch.no_grad()
def look_ahead(trainer: Trainer, feed: Feed, step: int) -> Proof:
    """The proof for step `step` (counting from 0), not yet done.

    Raises:
        NoMemoryError: when memory runs out.
    """
    models = trainer.models
    batch = feed.global_batch(step)
    models.eval()
    with running_out(redoable=False), models.computing():
        terms = trainer.objective.terms(models, batch.micro[0].to(models.device), batch.totals)
    return Proof(next_batch=ids_digest(batch), next_loss=float(terms.loss).hex())


def prove(saved: State, now: Proof, *, bits_promised: bool) -> str:
    """How well a resumed run matches: `bitwise`, or `data_exact` where no more is promised.

    Raises:
        KavaError: 8 when it does not match.
    """
    if saved.next_batch != now.next_batch:
        raise fail(
            f"the next batch after step {saved.step} is not the one that was saved: "
            f"{now.next_batch[:12]} here, {saved.next_batch[:12]} saved",
            Exit.ENVIRONMENT,
            code="KV0804",
            key="data.source",
            hint="data, tokenizer or their order changed; resume where the run was started",
        )
    if saved.next_loss == now.next_loss:
        return "bitwise"
    was, is_now = float.fromhex(saved.next_loss), float.fromhex(now.next_loss)
    if bits_promised or abs(was - is_now) > CLOSE * abs(was):
        raise fail(
            f"the loss after step {saved.step} is not the one that was saved: "
            f"{is_now!r} here, {was!r} saved",
            Exit.ENVIRONMENT,
            code="KV0805",
            key="train.reproducibility",
            hint="teacher, software, threads or device changed; resume where the run was started",
        )
    return "data_exact"
