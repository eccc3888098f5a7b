"""Adapters start as nothing, learn alone, and disappear into the weights."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from kavaspec.errors import KavaError
from kavaspec_runtime.lora import Lora, LoraLinear, adapt, merge
from kavaspec_runtime.optimizer import trainable


def lora(rank=2, targets=("q_proj", "v_proj")) -> Lora:
    return Lora(rank=rank, alpha=4.0, dropout=0.0, targets=targets)


@pytest.fixture
def student(made):
    return AutoModelForCausalLM.from_pretrained(made / "student").eval()


IDS = torch.arange(2, 12)[None]


def test_a_new_adapter_changes_nothing(student):
    before = student(IDS).logits
    adapt(student, lora())
    assert torch.equal(student(IDS).logits, before)


def test_only_adapters_learn(student):
    adapt(student, lora())
    learned = trainable(student)
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in learned} == {"a", "b"}
    assert len(learned) == 2 * 2 * 2


def test_merging_keeps_what_was_learned(student):
    adapt(student, lora())
    torch.manual_seed(0)
    for module in student.modules():
        if isinstance(module, LoraLinear):
            torch.nn.init.normal_(module.b.weight)
    learned = student(IDS).logits
    names = {name for name, _ in student.named_parameters() if ".a." in name or ".b." in name}
    merge(student)
    assert names
    assert not any(isinstance(module, LoraLinear) for module in student.modules())
    assert torch.allclose(student(IDS).logits, learned, atol=1e-5)


def test_rank_0_trains_all_weights(student):
    adapt(student, lora(rank=0))
    assert trainable(student).keys() == dict(student.named_parameters()).keys()


def test_a_target_that_the_student_does_not_have_is_named(student):
    with pytest.raises(KavaError) as caught:
        adapt(student, lora(targets=("q_proj", "c_attn")))
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (4, "train.lora.targets")
    assert problem.message == "the student has no linear layer named c_attn"
    assert problem.hint == (
        "it has down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj, up_proj, v_proj"
    )


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("q_proj", "k_proj", "v_proj", "o_proj"), 17_301_504),
        (
            ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
            70_385_664,
        ),
    ],
    ids=["attention", "all seven"],
)
def test_parameters_of_rank_128_on_qwen_0_5b(targets, expected):
    config = Qwen2Config(
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        vocab_size=151936,
    )
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
        adapt(model, Lora(rank=128, alpha=32.0, dropout=0.1, targets=targets))
    assert sum(weight.numel() for weight in trainable(model).values()) == expected
