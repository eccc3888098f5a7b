"""Speed never changes the mathematics: a step's loss and gradient against the plainest way to compute them.

The reference takes each row by itself, without padding: both models whole, all logits, the library's
own cache and losses. The runtime takes rows together, pads, leaves out what nobody needs, cuts into
micro-batches and has backward passes of its own.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import DynamicCache

from kavaspec_runtime.build import build
from kavaspec_runtime.objectives.kv import KeyValue
from kavaspec_runtime.optimizer import trainable
from kavaspec_runtime.settings import Settings

CONCAT = {
    "objective__kv__aggregate": "concat",
    "objective__kv__layer_map": [0, 1, 2, 3],
    "objective__kv__teacher_dim": 64,
    "objective__kv__student_dim": 16,
    "objective__kv__projector__in_dim": 16,
    "objective__kv__projector__out_dim": 64,
    "objective__kv__projector__hidden_dim": 4,
}


def reference(models, objective: KeyValue, rows) -> torch.Tensor:
    """ce / labels + sum over tensors of (1 - cosine) / (tokens x pairs), one row after the other."""
    ce, kv, labels, tokens = 0.0, 0.0, 0, 0
    for row in rows:
        ids = torch.tensor([row.ids])
        seen = models.student(ids, past_key_values=DynamicCache(), use_cache=True)
        with torch.no_grad():
            taught = models.teacher(ids, past_key_values=DynamicCache(), use_cache=True)
        first = row.first_label
        logits = seen.logits[0, first - 1 : -1].float()
        ce = ce + functional.cross_entropy(logits, ids[0, first:], reduction="sum")
        labels, tokens = labels + len(row.ids) - first, tokens + len(row.ids)
        for tensor in ("key", "value"):
            for pair, (s, t) in enumerate(sides(objective, tensor, seen, taught)):
                scale = 1.0 if objective.scales is None else objective.scales[tensor, pair]
                mapped = models.projector(s / scale, tensor, pair)
                kv = kv + (1 - functional.cosine_similarity(mapped, t / scale, dim=-1)).sum()
    return ce / labels + kv / (tokens * len(objective.student_dims))


def sides(objective: KeyValue, tensor: str, seen, taught):
    """Per pair, `[T, F]` of student and teacher."""

    def of(cache, layers):
        return [flat(getattr(cache.layers[it], f"{tensor}s")) for it in layers]

    students = of(seen.past_key_values, objective.student_layers)
    teachers = of(taught.past_key_values, objective.teacher_layers)
    if objective.aggregate == "concat":
        return [(torch.cat(students, -1), torch.cat(teachers, -1))]
    return list(zip(students, teachers, strict=True))


def flat(x_BHTD: torch.Tensor) -> torch.Tensor:
    return x_BHTD[0].transpose(0, 1).flatten(1)


@pytest.mark.parametrize("changed", [{}, CONCAT], ids=["layer by layer", "concat"])
@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_loss_and_gradient_of_a_step(world, changed, micro_batch):
    settings = Settings.of(
        world.lock(train__micro_batch=micro_batch, train__accumulation=4 // micro_batch, **changed),
        "here",
    )
    parts = build(settings, world.here, tell=lambda text: None)
    trainer = parts.trainer
    models, objective = trainer.models, trainer.objective
    assert isinstance(objective, KeyValue)
    learned = {**trainable(models.student), **trainable(models.projector)}
    batch = parts.feed.global_batch(0)

    models.train()
    whole = reference(models, objective, [parts.feed.rows[it] for it in batch.rows])
    expected = torch.autograd.grad(whole, list(learned.values()), allow_unused=True)
    ours = sum(objective.terms(models, micro, batch.totals).loss for micro in batch.micro)
    found = torch.autograd.grad(ours, list(learned.values()), allow_unused=True)

    assert ours.item() == pytest.approx(whole.item(), rel=1e-6)
    for name, a, b in zip(learned, expected, found, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            assert (a - b).norm() <= 1e-5 * a.norm() + 1e-8, name
