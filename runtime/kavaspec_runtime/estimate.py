"""What a training step takes, before there is a device: the real step on tensors without content.

    models from their configs alone  ->  a small step, for the moments  ->  the longest step, watched

It is the step of `step.py` with the models of `build.py`, for one micro-batch of rows of the greatest
length, every token a label. With accumulation, a small micro-batch comes before it, so that gradients
are there already. The trace is that of a CPU; what another device adds is told apart from it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kavaspec_runtime import load
from kavaspec_runtime.alike import traced_for
from kavaspec_runtime.build import (
    ModelFiles,
    backend_of,
    longest_row,
    models_of,
    objective_of,
    trainer_of,
)
from kavaspec_runtime.capture import keep_cache_while_checkpointing
from kavaspec_runtime.data import GlobalBatch, four_tokens, full_rows
from kavaspec_runtime.eight_bit import make_tables
from kavaspec_runtime.liveness import Liveness, told_apart
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import Trainer, forward_backward, take_step, update
from kavaspec_runtime.weightless import real, weightless

FEW_TOKENS = 4
"""Of the only row of the step that makes what stays."""

GRANULES = {"cpu": 64, "cuda": 512, "mps": 256}
"""What each allocator rounds up to, in bytes."""

FUSED = ("cpu", "cuda")
"""Where AdamW is one kernel (`optimizer.adamw`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The peak of one step."""

    bytes: int
    parts: Mapping[str, int]
    """Of it, by what it is for; together `bytes`. The names are those of `Liveness`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """Which step: what a search may change about it."""

    micro_batch: int
    length: int
    """Of every row, in tokens."""
    accumulates: bool
    """Whether the step has other micro-batches beside this one."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass."""


def estimate(settings: Settings, files: ModelFiles, tried: Sequence[Tried]) -> Sequence[Estimate]:
    """The peak of each of these steps; what the lock says about them does not count.

    Raises:
        KavaError: as `build` does, for configs that cannot be read.
    """
    make_tables()
    found: dict[Tried, Estimate] = {}
    for checkpointing in sorted({one.checkpointing for one in tried}):
        alike = [one for one in tried if one.checkpointing == checkpointing]
        these = replace(
            settings,
            values={**settings.values, "train.gradient_checkpointing": checkpointing},
        )
        found |= zip(alike, _traced(these, files, alike), strict=True)
    return [found[one] for one in tried]


def curves(
    settings: Settings, files: ModelFiles, rows: Sequence[int]
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Bytes of the peak for each of so many rows at once, of the greatest length, with gradients of
    other rows there already: where activations are kept, and where they are computed again.

    The update is the same however many rows there were, so it is traced once.

    Raises:
        KavaError: as `build` does, for configs that cannot be read.
    """
    make_tables()
    length = longest_row(settings)
    batches = {count: full_rows(count, length) for count in rows}
    settings = replace(settings, values={**settings.values, "train.gradient_checkpointing": False})
    with _tracing(settings, files) as (liveness, trainer):
        first = _started(trainer)
        forward_backward(trainer, 1, 0, first)
        kept = {count: _peak(liveness, trainer, batch) for count, batch in batches.items()}
        keep_cache_while_checkpointing(trainer.models.student)
        again = {count: _peak(liveness, trainer, batch) for count, batch in batches.items()}
        liveness.forget_peak()
        update(trainer, first)
        most = liveness.peak_bytes
    return _at_least(kept, most), _at_least(again, most)


def _peak(liveness: Liveness, trainer: Trainer, batch: GlobalBatch) -> int:
    gc.collect()  # what only refers to itself is not there to be counted
    liveness.forget_peak()
    forward_backward(trainer, 1, 0, batch)
    return liveness.peak_bytes


def _at_least(peaks: Mapping[int, int], least: int) -> Mapping[int, int]:
    return {count: max(peak, least) for count, peak in peaks.items()}


def _traced(settings: Settings, files: ModelFiles, tried: Sequence[Tried]) -> list[Estimate]:
    """For steps of one trainer."""
    batches = [longest(one) for one in tried]
    with _tracing(settings, files) as (liveness, trainer):
        return watched(liveness, trainer, batches)


@contextmanager
def _tracing(settings: Settings, files: ModelFiles) -> Iterator[tuple[Liveness, Trainer]]:
    """A trainer without content, and who watches it."""
    settings = replace(settings, values={**settings.values, "train.compile": False})
    objective, backend = objective_of(settings).supposed(), backend_of(settings)
    with ExitStack() as inside:
        inside.enter_context(traced_for(backend))
        inside.enter_context(weightless())
        liveness = inside.enter_context(Liveness(GRANULES[backend]))
        models = models_of(settings, files, objective, torch.device("cpu"), without_weights)
        # a scaler asks for content, and keeps two numbers
        trainer = replace(trainer_of(settings, models, objective), scaler=None)
        if backend not in FUSED:
            one_by_one(trainer.optimizer)
        yield liveness, trainer


def watched(liveness: Liveness, trainer: Trainer, batches: Sequence[GlobalBatch]) -> list[Estimate]:
    """The peak of a step on each batch, after a small one that has made what stays."""
    found = []
    with told_apart(liveness, trainer):
        _started(trainer)
        for batch in batches:
            gc.collect()  # what only refers to itself is not there to be counted
            liveness.forget_peak()
            take_step(trainer, 1, batch)
            parts = {part: size for part, size in sorted(liveness.peak.items()) if size}
            found.append(Estimate(bytes=liveness.peak_bytes, parts=parts))
    return found


def _started(trainer: Trainer) -> GlobalBatch:
    """Take a small step, which makes the moments; its batch."""
    with real():
        first = full_rows(1, FEW_TOKENS)
    take_step(trainer, 0, first)
    return first


def one_by_one(optimizer: torch.optim.Optimizer) -> None:
    """Update weight after weight, as a device without a fused kernel does."""
    for group in optimizer.param_groups:
        group["fused"] = False


def longest(tried: Tried) -> GlobalBatch:
    """One micro-batch of such rows, after a small one where there are several in a step."""
    batch = full_rows(tried.micro_batch, tried.length)
    return replace(batch, micro=(four_tokens(), *batch.micro)) if tried.accumulates else batch


def without_weights(
    path: Path,
    *,
    role: str,  # noqa: ARG001  # as `load.pretrained`
    dtype: torch.dtype,
    device: torch.device,
    attention: str,
    quantization: str,
) -> Any:
    """In place of `load.pretrained`: the model that the config describes."""
    model = load.moved(load.cast(load.from_config(load.config_of(path), attention), dtype), device)
    if quantization != "none":
        pack(model, quantization)
    return model


def pack(model: Any, quantization: str) -> None:
    """Every linear layer but the vocabulary head, as bitsandbytes would hold it."""
    head = model.get_output_embeddings()
    found = [(name, it) for name, it in model.named_modules() if isinstance(it, nn.Linear)]
    for name, linear in found:
        if linear is not head:
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Packed(linear, quantization))


class Packed(nn.Module):
    """A linear layer in few bits: codes and factors, unpacked for every product."""

    def __init__(self, linear: nn.Linear, quantization: str) -> None:
        super().__init__()
        self.shape = linear.weight.shape
        self.bias = linear.bias
        count = linear.weight.numel()
        codes, factors = (
            (count // 2, count // 64) if quantization == "nf4" else (count, len(linear.weight))
        )
        self.register_buffer("codes", torch.zeros(codes, dtype=torch.uint8))
        self.register_buffer("factors", torch.zeros(factors))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, x.new_zeros(self.shape), self.bias)
