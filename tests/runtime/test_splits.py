"""However a global batch is shared out, the gradient is the same: processes, micro-batches, accumulation.

Each process of a world computes its share of the rows in micro-batches and adds up; a sum over the
processes follows. What is divided by are the totals of the global batch, so that no mean of means
gives a short row the weight of a long one.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kavaspec_runtime.build import build
from kavaspec_runtime.data import Row, pad, totals
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import Trainer

pytestmark = pytest.mark.slow

ROWS = 12
SPLITS = [
    (micro_batch, world)
    for world in (1, 2, 3, 4, 6, 12)
    for micro_batch in range(1, ROWS // world + 1)
    if (ROWS // world) % micro_batch == 0
]
"""All ways to multiply out to twelve rows."""

CONCAT = {
    "objective__kv__aggregate": "concat",
    "objective__kv__teacher_dim": 32,
    "objective__kv__student_dim": 16,
    "objective__kv__projector__in_dim": 16,
    "objective__kv__projector__out_dim": 32,
    "objective__kv__projector__hidden_dim": 8,
}
POOLED = {
    "objective__kv__projector__in_dim": 8,
    "objective__kv__projector__out_dim": 16,
    "objective__kv__projector__hidden_dim": 4,
    "objective__kv__teacher_dim": 16,
    "objective__kv__student_dim": 8,
}
LEARNED = {
    "cross-entropy alone": {"objective__kind": "ce"},
    "keys alone": {"objective__ce_weight": 0.0, "objective__kv__value_weight": 0.0},
    "values alone": {"objective__ce_weight": 0.0, "objective__kv__key_weight": 0.0},
    "cosine": {},
    "mse": {"objective__kv__loss": "mse"},
    "smooth_l1": {"objective__kv__loss": "smooth_l1"},
    "mercator": {"objective__kv__loss": "mercator"},
    "concat": CONCAT,
    "mean": {**POOLED, "objective__kv__aggregate": "mean"},
    "weighted": {**POOLED, "objective__kv__aggregate": "weighted"},
    "padding counts": {"objective__kv__mask": "none"},
    "checkpointing": {"train__gradient_checkpointing": True},
    "adapters": {"train__lora__rank": 4},
}

ROW = st.tuples(st.integers(2, 48), st.integers(1, 48), st.integers(0, 255))
"""Length, first label, and what the tokens are."""


def test_every_split_is_there():
    assert len(SPLITS) == 18
    assert all(ROWS % (micro_batch * world) == 0 for micro_batch, world in SPLITS)


@pytest.fixture(params=LEARNED)
def trainer(world, request) -> Trainer:
    lock = world.lock(**LEARNED[request.param])
    return build(Settings.of(lock, "here"), world.here, tell=lambda _: None).trainer


def test_every_split_of_a_ragged_batch_has_the_same_gradient(trainer):
    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(drawn=st.lists(ROW, min_size=ROWS, max_size=ROWS))
    def holds(drawn: list[tuple[int, int, int]]) -> None:
        rows = [row_of(*one) for one in drawn]
        expected = gradient(trainer, rows, micro_batch=ROWS, world=1)
        for micro_batch, world in SPLITS:
            found = gradient(trainer, rows, micro_batch=micro_batch, world=world)
            away = (found - expected).norm() / expected.norm()
            assert away <= 1e-6, f"{micro_batch} rows at once, {world} processes: {away:.2e} away"

    holds()


def row_of(length: int, first: int, kind: int) -> Row:
    return Row(
        ids=tuple((kind + place * 7) % 256 for place in range(length)),
        first_label=min(first, length - 1),
        prompt=(),
        completion="",
    )


def gradient(
    trainer: Trainer, rows: Sequence[Row], *, micro_batch: int, world: int
) -> torch.Tensor:
    """Of all that learns, summed over micro-batches in each process, then over processes."""
    share = len(rows) // world
    return sum(
        of_process(trainer, rows, range(first, first + share), micro_batch)
        for first in range(0, len(rows), share)
    )


def of_process(
    trainer: Trainer, rows: Sequence[Row], mine: range, micro_batch: int
) -> torch.Tensor:
    objective, models = trainer.objective, trainer.models
    padded = 48 if objective.counts_padding else None
    models.train()
    for weight in trainer.weights:
        weight.grad = None
    for first in range(mine.start, mine.stop, micro_batch):
        numbers = tuple(range(first, first + micro_batch))
        batch = pad([rows[number] for number in numbers], numbers, pad_id=1, pad_to=padded)
        objective.terms(models, batch, totals(rows, padded)).loss.backward()
    return torch.cat(
        [
            (torch.zeros_like(weight) if weight.grad is None else weight.grad).flatten().double()
            for weight in trainer.weights
        ]
    )
