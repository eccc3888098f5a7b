"""What is estimated without content is what a real step takes, to the byte."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig

from kavaspec.trials import INDIFFERENT, INPUTS
from kavaspec_runtime import narrow, rowwise
from kavaspec_runtime.build import build
from kavaspec_runtime.eight_bit import make_tables
from kavaspec_runtime.estimate import (
    GRANULES,
    Estimate,
    Tried,
    curves,
    estimate,
    longest,
    one_by_one,
    watched,
)
from kavaspec_runtime.liveness import Liveness
from kavaspec_runtime.settings import Settings

pytestmark = pytest.mark.slow

TRIED = Tried(micro_batch=4, length=48, accumulates=True, checkpointing=False)


def settings_of(world, **changed) -> Settings:
    return Settings.of(world.lock(**changed), "here")


def estimated(world, tried: Tried = TRIED, **changed) -> Estimate:
    [found] = estimate(settings_of(world, **changed), world.here, [tried])
    return found


def tracked(world, tried: Tried = TRIED, **changed) -> Estimate:
    """The same step with content: models that were read, watched by the same tracker."""
    changed["train__gradient_checkpointing"] = tried.checkpointing
    built = build(settings_of(world, **changed), world.here, lambda _: None)
    batch = longest(tried)
    make_tables()
    with Liveness(GRANULES["cpu"]) as liveness:
        [found] = watched(liveness, replace(built.trainer, scaler=None), [batch])
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"train__precision": "bfloat16"},
        {"train__precision": "float16"},
        {"train__precision": "bfloat16", "train__param_dtype": "bfloat16"},
        {"train__optimizer_state_dtype": "int8"},
        {"train__optimizer_state_dtype": "bfloat16", "train__param_dtype": "bfloat16"},
        {"train__attention": "eager"},
        {"train__clip": None},
        {"train__lora__rank": 4, "train__lora__dropout": 0.1},
        {"objective__kind": "ce"},
        {"objective__ce_weight": 0.0},
        {"objective__kv__normalise": "none"},
        {"objective__kv__mask": "none"},
        {"objective__kv__loss": "mercator"},
        {"objective__kv__loss": "mse", "objective__kv__projector__side": "teacher",
         "objective__kv__projector__in_dim": [16, 16], "objective__kv__projector__out_dim": [8, 8]},
        {"objective__kv__aggregate": "concat", "objective__kv__teacher_dim": 32,
         "objective__kv__student_dim": 16, "objective__kv__projector__in_dim": 16,
         "objective__kv__projector__out_dim": 32, "objective__kv__projector__hidden_dim": 8,
         "objective__kv__projector__kind": "mlp", "objective__kv__projector__dropout": 0.1},
        {"objective__kv__tensors": ["value"]},
        {"model__student__init": "teacher_layers", "model__student__layers": [0, 3],
         "objective__kv__student_dim": [16, 16], "objective__kv__projector__in_dim": [16, 16]},
        {"model__student__init": "random"},
    ],
    ids=lambda changed: ", ".join(f"{k}={v}" for k, v in [*changed.items()][:2]) or "default",
)  # fmt: skip
def test_it_is_what_the_real_step_takes(world, monkeypatch, changed):
    monkeypatch.setattr(narrow, "SMALLEST_IN_8_BITS", 64)
    assert estimated(world, **changed) == tracked(world, **changed)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize(("micro_batch", "length"), [(1, 5), (2, 48), (8, 48), (8, 17)])
def test_so_it_is_for_every_step_that_may_be_tried(
    world, micro_batch, length, accumulates, checkpointing
):
    tried = Tried(
        micro_batch=micro_batch, length=length, accumulates=accumulates, checkpointing=checkpointing
    )
    assert estimated(world, tried) == tracked(world, tried)


def test_its_parts_add_up_and_are_what_one_can_count(world):
    found = estimated(world, train__precision="bfloat16")
    built = build(settings_of(world, train__precision="bfloat16"), world.here, lambda _: None)
    student, projector = (
        getattr(built.trainer.models, name).parameters() for name in ("student", "projector")
    )
    sizes = [[stored(4 * weight.numel()) for weight in weights] for weights in (student, projector)]
    rotary = 2 * stored(4 * 4)  # frequencies as they are and as they were
    assert sum(found.parts.values()) == found.bytes
    assert found.parts["student"] == sum(sizes[0]) + rotary
    assert found.parts["projector"] == sum(sizes[1])
    counters = stored(4) * sum(map(len, sizes))
    assert found.parts["moments"] == 2 * (sum(sizes[0]) + sum(sizes[1])) + counters


def stored(size: int) -> int:
    return -(-size // GRANULES["cpu"]) * GRANULES["cpu"]


def test_adapters_leave_gradients_and_moments_small(world):
    whole, adapted = estimated(world), estimated(world, train__lora__rank=2)
    assert adapted.parts["moments"] < whole.parts["moments"] / 2


def test_checkpointing_trades_activations_for_time(world):
    plain = estimated(world, replace(TRIED, micro_batch=8))
    again = estimated(world, replace(TRIED, micro_batch=8, checkpointing=True))
    assert again.bytes < plain.bytes


def test_loops_of_many_rounds_are_watched_for_two(world, monkeypatch):
    """Blocks of a few rows, pieces of a few hundred weights: many rounds in each loop."""
    monkeypatch.setattr(narrow, "SMALLEST_IN_8_BITS", 64)
    monkeypatch.setattr(narrow, "PIECE", 512)
    monkeypatch.setitem(rowwise.BLOCK_BYTES, "cpu", 4 * 258 * 3)
    tried = replace(TRIED, micro_batch=8)
    changed = {"train__optimizer_state_dtype": "int8", "train__precision": "bfloat16"}
    assert estimated(world, tried, **changed) == tracked(world, tried, **changed)


def test_more_rows_and_longer_ones_never_take_less(world):
    sizes = [estimated(world, replace(TRIED, micro_batch=rows)).bytes for rows in (1, 2, 4, 8)]
    assert sizes == sorted(sizes)
    lengths = [estimated(world, replace(TRIED, length=length)).bytes for length in (6, 12, 24, 48)]
    assert lengths == sorted(lengths)


def test_many_steps_are_estimated_as_one_by_one(world):
    tried = [
        replace(TRIED, micro_batch=rows, checkpointing=checkpointing)
        for rows in (4, 1, 8)
        for checkpointing in (True, False)
    ]
    together = estimate(settings_of(world), world.here, tried)
    for found, one in zip(together, tried, strict=True):
        assert found.bytes == pytest.approx(estimated(world, one).bytes, abs=1024)


@pytest.mark.parametrize(
    "changed", [{}, {"train__precision": "bfloat16"}, {"objective__kind": "ce"}]
)
def test_a_curve_is_those_peaks_with_gradients_of_other_rows(world, changed):
    settings = settings_of(world, **changed)
    length = settings.whole("data.max_length")
    for checkpointing, peaks in zip(
        (False, True), curves(settings, world.here, (1, 4, 8)), strict=True
    ):
        for rows, size in peaks.items():
            tried = Tried(
                micro_batch=rows, length=length, accumulates=True, checkpointing=checkpointing
            )
            assert size == pytest.approx(estimated(world, tried, **changed).bytes, abs=2048)


def test_a_step_is_built_from_what_a_trial_is_made_with_and_what_takes_no_memory(
    world, monkeypatch
):
    read, value = set(), Settings._value
    monkeypatch.setattr(Settings, "_value", lambda self, key: read.add(key) or value(self, key))
    for changed in (
        {},
        {"objective__kind": "ce"},
        {"train__lora__rank": 2},
        {"model__student__init": "teacher_layers", "model__student__layers": [0, 3],
         "objective__kv__student_dim": [16, 16], "objective__kv__projector__in_dim": [16, 16]},
    ):  # fmt: skip
        settings = settings_of(world, **changed)
        read.clear() if not changed else None
        curves(settings, world.here, (1,))
    fixed = {"train.compile", "train.gradient_checkpointing"}
    by_name = {"model.student.digest", "model.teacher.digest"}
    assert read - fixed | by_name == INPUTS | INDIFFERENT


@pytest.mark.parametrize(
    "changed",
    [
        {"train__learning_rate": 0.5, "train__seed": 9, "train__clip": 0.1, "train__beta1": 0.5},
        {"train__schedule": "constant", "train__warmup_steps": 3, "train__weight_decay": 0.0},
        {"objective__kv__alpha": 3.0, "objective__ce_weight": 0.25, "objective__kv__weight": 9.0},
    ],
    ids=str,
)
def test_what_takes_no_memory_takes_none(world, changed):
    assert estimated(world, **changed) == estimated(world)


def test_a_gpu_rounds_up_to_512_bytes_and_works_in_larger_blocks(world):
    here, there = estimated(world), estimated(world, train__device="cuda")
    assert here.bytes < there.bytes
    assert all(size % 512 == 0 for size in there.parts.values())


def test_an_update_that_is_not_fused_takes_room_for_a_weight():
    sizes = []
    for fused in (True, False):
        weight = torch.nn.Parameter(torch.zeros(1000))
        optimizer = torch.optim.AdamW([weight], fused=True)
        weight.grad = torch.ones(1000)
        optimizer.step()
        if not fused:
            one_by_one(optimizer)
        with Liveness(1) as liveness:
            optimizer.step()
        sizes.append(liveness.peak_bytes)
    assert sizes[1] >= sizes[0] + 4 * 1000


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_a_quantised_teacher_takes_less(world, quantization):
    """Its linear layers, two bytes a weight otherwise; what is no linear layer stays."""
    changed = {"train__precision": "bfloat16"}
    plain = estimated(world, **changed).parts["teacher"]
    packed = estimated(world, **changed, model__teacher__quantization=quantization).parts["teacher"]
    saved = 0
    for layer in tracked_teacher(world).modules():
        if isinstance(layer, torch.nn.Linear) and len(layer.weight) != 258:  # not the vocabulary
            count = layer.weight.numel()
            codes, factors = (count, len(layer.weight)) if quantization == "int8" else (count // 2, count // 64)  # fmt: skip
            saved += stored(2 * count) - stored(codes) - stored(4 * factors)
    assert plain - packed == saved


def tracked_teacher(world):
    return build(settings_of(world), world.here, lambda _: None).trainer.models.teacher


def test_configs_are_enough_and_a_large_model_takes_no_memory(world, tmp_path):
    """An 8B teacher and a 1B student, in a process that stays small."""
    shape = {"vocab_size": 128_256, "num_key_value_heads": 8, "rope_theta": 5e5}
    big = LlamaConfig(hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32, **shape)  # fmt: skip
    small = LlamaConfig(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, tie_word_embeddings=True, **shape)  # fmt: skip
    big.save_pretrained(tmp_path / "teacher")
    small.save_pretrained(tmp_path / "student")
    files = SimpleNamespace(teacher=tmp_path / "teacher", student=tmp_path / "student")
    changed = {
        "train__precision": "bfloat16",
        "objective__kv__layers": list(range(16)),
        "objective__kv__layer_map": list(range(1, 32, 2)),
        "objective__kv__teacher_dim": [1024] * 16,
        "objective__kv__student_dim": [512] * 16,
        "objective__kv__projector__in_dim": [512] * 16,
        "objective__kv__projector__out_dim": [1024] * 16,
        "objective__kv__projector__hidden_dim": [64] * 16,
    }
    before = psutil.Process().memory_info().rss
    tried = replace(TRIED, micro_batch=2, length=512)
    [found] = estimate(settings_of(world, **changed), files, [tried])
    assert psutil.Process().memory_info().rss - before < 2**30
    assert found.parts["teacher"] == pytest.approx(2 * 8.03e9, rel=0.1)
    assert found.parts["student"] == pytest.approx(4 * 1.236e9, rel=0.01)
    assert found.parts["moments"] == pytest.approx(8 * 1.236e9, rel=0.02)


def test_sliding_windows_are_estimated_too(world, tmp_path):
    """An architecture that neither test model has: one layer with a window, one without."""
    config = Gemma3TextConfig(
        vocab_size=258, hidden_size=32, intermediate_size=64, num_hidden_layers=2, head_dim=8,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    shutil.copytree(world.here.student, tmp_path / "gemma")
    Gemma3ForCausalLM(config).save_pretrained(tmp_path / "gemma")
    gemma = replace(world, here=replace(world.here, student=tmp_path / "gemma"))
    assert estimated(gemma) == tracked(gemma)
