"""The kv objective: what is compared, at which widths, and how it is counted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from kavaspec.errors import KavaError
from kavaspec_runtime.build import build
from kavaspec_runtime.capture import vectors
from kavaspec_runtime.data import Row, pad, totals
from kavaspec_runtime.objectives.kv import KeyValue, aggregate, layer_weights
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
AVERAGED = CONCAT | {
    "objective__kv__teacher_dim": 16,
    "objective__kv__student_dim": 8,
    "objective__kv__projector__in_dim": 8,
    "objective__kv__projector__out_dim": 16,
}
SEED = CONCAT | {
    "objective__ce_weight": 0.0,
    "objective__kv__value_weight": 0.0,
    "objective__kv__loss": "mercator",
    "objective__kv__normalise": "none",
    "objective__kv__mask": "none",
    "objective__kv__projector__kind": "mlp",
    "objective__kv__projector__side": "teacher",
    "objective__kv__projector__in_dim": 64,
    "objective__kv__projector__hidden_dim": 64,
    "objective__kv__projector__out_dim": 16,
    "objective__kv__projector__dropout": 0.1,
}


def built(world, **changed):
    return build(Settings.of(world.lock(**changed), "here"), world.here, tell=lambda text: None)


def row(*ids: int) -> Row:
    return Row(ids=ids, first_label=1, prompt=(), completion="")


# ---- layers into vectors


def test_concat_puts_layers_side_by_side():
    a, b = torch.randn(5, 256), torch.randn(5, 256)
    assert torch.equal(aggregate("concat", [a, b], 0.5, 1.0), torch.cat([a, b], -1))
    assert aggregate("concat", [torch.empty(1, 2 * 128)] * 28, 0.5, 1.0).shape == (1, 7168)
    assert aggregate("concat", [torch.empty(1, 2 * 64)] * 24, 0.5, 1.0).shape == (1, 3072)


def test_mean_and_weighted_keep_one_layers_width():
    a, b, c = torch.randn(3, 5, 4)
    assert torch.allclose(aggregate("mean", [a, b, c], 0.5, 1.0), (a + b + c) / 3)
    expected = (0.5 * a + 0.75 * b + 1.0 * c) / 2.25
    assert torch.allclose(aggregate("weighted", [a, b, c], 0.5, 1.0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "first", "last"), [(28, 0.0238095, 0.0476190), (24, 0.0277778, 0.0555556)]
)
def test_the_originals_layer_weights(layers, first, last):
    weights = layer_weights(layers, 0.5, 1.0)
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights[0].item() == pytest.approx(first, abs=1e-7)
    assert weights[-1].item() == pytest.approx(last, abs=1e-7)


@pytest.mark.parametrize(
    "changed",
    [
        CONCAT,
        AVERAGED | {"objective__kv__aggregate": "mean"},
        AVERAGED | {"objective__kv__aggregate": "weighted"},
    ],
    ids=["concat", "mean", "weighted"],
)
def test_every_aggregate_learns(world, changed):
    _, events = world.run(
        train__steps=12,
        train__warmup_steps=0,
        checkpoint__every=20,
        eval__exact_match_rows=0,
        **changed,
    )
    steps = [event.metrics for event in events if event.ev == "step"]
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["cosine"] > steps[0]["cosine"]


# ---- shapes against the lock


def test_a_concat_of_other_widths_is_refused_with_both(world):
    with pytest.raises(KavaError) as caught:
        built(world, **(CONCAT | {"objective__kv__student_dim": 3072}))
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (4, "objective.kv.student_dim")
    assert problem.message == "the student's KV width is [16] as loaded, [3072] in the lock"
    assert problem.hint == (
        "this is not the student that was locked; check model.student.source, or lock again"
    )


# ---- the original


def test_the_originals_value_map_exists_and_is_never_trained(world):
    parts = built(world, **SEED)
    before = {
        name: weight.clone() for name, weight in trainable(parts.trainer.models.projector).items()
    }
    from kavaspec_runtime.step import take_step

    take_step(parts.trainer, 0, parts.feed.global_batch(0))
    moved = {
        name.split(".")[1]
        for name, weight in trainable(parts.trainer.models.projector).items()
        if not torch.equal(weight, before[name])
    }
    assert moved == {"key"}


def test_without_a_mask_padding_counts_and_every_row_has_the_greatest_length(world):
    parts = built(world, **SEED)
    batch = parts.feed.global_batch(0)
    assert {micro.ids_BT.shape for micro in batch.micro} == {(4, 48)}
    assert batch.totals.places == 8 * 48


def test_the_originals_loss_is_a_mean_over_all_places(world):
    parts = built(world, **SEED)
    models, objective = parts.trainer.models, parts.trainer.objective
    models.eval()
    batch = parts.feed.global_batch(0)
    with torch.no_grad():
        ours = sum(
            objective.terms(models, micro, batch.totals).loss.item() for micro in batch.micro
        )
        sides = [
            objective.compared(models, replace(m, mask_BT=m.mask_BT), models.student_sees(m))
            for m in batch.micro
        ]
        assert len(sides[0]) == 1
        by_place = []
        for micro in batch.micro:
            everywhere = torch.ones_like(micro.mask_BT)
            [two] = objective._pairs(
                models, micro, models.student_sees(micro), everywhere, ("key",)
            )
            gap = two.student_NF.norm(dim=-1).log() - two.teacher_NF.norm(dim=-1).log()
            cos = torch.cosine_similarity(two.student_NF, two.teacher_NF, dim=-1)
            by_place.append(1 - cos + 0.01 * gap.square())
    assert ours == pytest.approx(torch.cat(by_place).mean().item(), rel=1e-5)


# ---- counting


@pytest.mark.parametrize("loss", ["cosine", "mse", "smooth_l1", "mercator"])
def test_gradients_are_those_of_the_whole_batch_however_it_is_cut(world, loss):
    """Rows of very different lengths: a mean of means would be off by far more than 1e-6."""
    parts = built(world, objective__kv__loss=loss)
    models, objective = parts.trainer.models, parts.trainer.objective
    models.eval()
    rows = [row(*range(2, 2 + length)) for length in (3, 40, 5, 31, 4, 17, 2, 9)]
    whole = gradients(models, objective, rows, 8)
    for size in (4, 2, 1):
        cut = gradients(models, objective, rows, size)
        scale = max(grad.abs().max() for grad in whole.values())
        for name, grad in whole.items():
            assert (cut[name] - grad).abs().max() <= 1e-6 * scale, name


def gradients(models, objective, rows, size) -> dict[str, torch.Tensor]:
    models.student.zero_grad()
    models.projector.zero_grad()
    sums = totals(rows, None)
    for start in range(0, len(rows), size):
        micro = pad(rows[start : start + size], tuple(range(size)), pad_id=1, pad_to=None)
        objective.terms(models, micro, sums).loss.backward()
    weights = {**trainable(models.student), **trainable(models.projector)}
    return {
        name: weight.grad.clone() for name, weight in weights.items() if weight.grad is not None
    }


def test_what_stands_in_the_padding_does_not_matter(world):
    parts = built(world)
    models, objective = parts.trainer.models, parts.trainer.objective
    models.eval()
    rows = [row(5, 6, 7), row(5, 6, 7, 8, 9, 10)]
    with torch.no_grad():
        losses = [
            objective.terms(
                models, pad(rows, (0, 1), pad_id=pad_id, pad_to=length), totals(rows, None)
            ).loss.item()
            for pad_id, length in [(1, None), (99, None), (1, 20), (200, 33)]
        ]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-6)


def test_a_micro_batch_without_labels_adds_nothing_and_a_global_batch_without_is_no_zero(world):
    """`Feed` refuses the second; nobody is told that its cross-entropy is 0."""
    parts = built(world)
    models, objective = parts.trainer.models, parts.trainer.objective
    cut = Row(ids=(4, 5, 6), first_label=9, prompt=(), completion="")
    whole = Row(ids=(4, 5, 6), first_label=1, prompt=(4,), completion="")
    batch = pad([cut], (0,), pad_id=1, pad_to=None)
    found = [
        objective.terms(models, batch, totals(rows, None)).metrics["ce"].item()
        for rows in ([cut, whole], [cut])
    ]
    assert found[0] == 0.0
    assert math.isnan(found[1])


def test_scales_are_the_teachers_deviation_and_do_not_depend_on_the_micro_batch(world):
    scales = [
        built(
            world, train__micro_batch=size, train__accumulation=8 // size
        ).trainer.objective.scales
        for size in (8, 2)
    ]
    assert scales[0] == scales[1]
    assert set(scales[0]) == {("key", 0), ("key", 1), ("value", 0), ("value", 1)}
    parts = built(world)
    taught = parts.trainer.models.teacher_sees(parts.feed.batch(parts.feed.order.rows(0)))
    mask = parts.feed.batch(parts.feed.order.rows(0)).mask_BT
    assert scales[0]["key", 1] == pytest.approx(
        vectors(taught.keys_BHTD[3], mask).std().item(), rel=1e-4
    )


def test_the_teacher_computes_no_layer_that_nobody_reads(world):
    parts = built(world, objective__kv__layer_map=[0, 1])
    assert len(parts.trainer.models.teacher.model.layers) == 2


def test_a_cosine_of_the_student_side_has_a_fixed_target(world):
    """Only student and its projector get gradients; the teacher is data."""
    parts = built(world)
    assert isinstance(parts.trainer.objective, KeyValue)
    assert not any(weight.requires_grad for weight in parts.trainer.models.teacher.parameters())
