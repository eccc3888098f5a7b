"""Keys and values are taken as attention reads them, all of them, with their gradients."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from kavaspec_runtime.capture import (
    keep_cache_while_checkpointing,
    logits_at,
    teach,
    trunk,
    vectors,
)
from kavaspec_runtime.data import Batch, Row, pad

COMMON = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 1,
}


def llama():
    return LlamaForCausalLM(LlamaConfig(**COMMON))


def qwen3():
    return Qwen3ForCausalLM(Qwen3Config(**COMMON))


def sliding():
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**COMMON, sliding_window=4, layer_types=layers))


def batch_of(*lengths: int, seed: int = 0) -> Batch:
    torch.manual_seed(seed)
    rows = [
        Row(ids=tuple(torch.randint(2, 64, (n,)).tolist()), first_label=2, prompt=(), completion="")
        for n in lengths
    ]
    return pad(rows, tuple(range(len(rows))), pad_id=1, pad_to=None)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_heads_lie_vectors_and_only_counted_tokens_are_there():
    k_BHTD = torch.randn(2, 3, 5, 7)
    counted_BT = torch.tensor([[True] * 5, [True, True, False, True, False]])
    flat = vectors(k_BHTD, counted_BT)
    assert flat.shape == (8, 21)
    for n, b, h, t, d in [(0, 0, 0, 0, 0), (4, 0, 2, 4, 6), (6, 1, 1, 1, 2), (7, 1, 2, 3, 6)]:
        assert flat[n, h * 7 + d] == k_BHTD[b, h, t, d]


@pytest.mark.parametrize("make", [llama, qwen3], ids=["llama", "qwen3"])
def test_what_is_taken_is_what_transformers_caches(make):
    model, batch = make().eval(), batch_of(9, 9)
    cache = DynamicCache()
    model(input_ids=batch.ids_BT, past_key_values=cache, use_cache=True)
    seen = trunk(model, batch, mask_padding=False)
    kept = seen.kept
    assert len(kept.keys_BHTD) == len(kept.values_BHTD) == 3
    for layer, keys, values in zip(cache.layers, kept.keys_BHTD, kept.values_BHTD, strict=True):
        assert torch.equal(keys, layer.keys)
        assert torch.equal(values, layer.values)


def test_sliding_layers_keep_every_token():
    model, batch = sliding().eval(), batch_of(12, 12)
    whole = model(input_ids=batch.ids_BT, use_cache=True)
    assert whole.past_key_values.layers[0].keys.shape[2] == 3  # what transformers would leave
    seen = trunk(model, batch, mask_padding=False)
    assert [keys.shape for keys in seen.kept.keys_BHTD] == [(2, 2, 12, 8)] * 3
    logits = model.get_output_embeddings()(seen.hidden_BTC)
    assert torch.allclose(logits, whole.logits, atol=1e-5)


def test_padding_changes_nothing_that_is_counted():
    model = llama().eval()
    alone, beside = batch_of(7), batch_of(7, 12)
    assert torch.equal(alone.ids_BT[0], beside.ids_BT[0, :7])
    one, two = (trunk(model, batch, mask_padding=False) for batch in (alone, beside))
    for a, b in zip(one.kept.keys_BHTD, two.kept.keys_BHTD, strict=True):
        assert torch.allclose(a[0], b[0, :, :7], atol=1e-6)
    assert torch.allclose(
        logits_at(model, one.hidden_BTC, alone.label_BT),
        logits_at(model, two.hidden_BTC, beside.label_BT)[:5],
        atol=1e-5,
    )


def test_logits_are_those_of_the_whole_model_at_the_labels_only():
    model, batch = llama().eval(), batch_of(6, 9)
    whole = model(input_ids=batch.ids_BT, attention_mask=batch.mask_BT.long()).logits
    ours = logits_at(model, trunk(model, batch, mask_padding=False).hidden_BTC, batch.label_BT)
    assert ours.shape == (4 + 7, 64)
    assert torch.allclose(ours, whole[:, :-1][batch.label_BT[:, 1:]], atol=1e-6)


def gradients(model, batch, *, mask_padding: bool = False) -> dict[str, torch.Tensor]:
    model.train()
    seen = trunk(model, batch, mask_padding=mask_padding)
    kept, real = seen.kept, batch.mask_BT
    loss = sum(vectors(k, real).square().sum() for k in kept.keys_BHTD)
    loss = loss + sum(vectors(v, real).sin().sum() for v in kept.values_BHTD)
    (loss + logits_at(model, seen.hidden_BTC, batch.label_BT).logsumexp(-1).sum()).backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize("make", [llama, qwen3, sliding], ids=["llama", "qwen3", "sliding"])
def test_every_gradient_is_the_same_with_gradient_checkpointing(make):
    model, batch = make(), batch_of(9, 5)
    plain = gradients(model, batch)
    model.zero_grad()
    keep_cache_while_checkpointing(model)
    checkpointed = gradients(model, batch)
    assert plain.keys() == checkpointed.keys()
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


def test_a_teacher_leaves_no_graph(made):
    teacher = AutoModelForCausalLM.from_pretrained(made / "teacher")
    kept = teach(teacher, batch_of(4), torch.device("cpu"), depth=2, mask_padding=False)
    assert not any(tensor.requires_grad for tensor in (*kept.keys_BHTD, *kept.values_BHTD))


@pytest.mark.parametrize("make", [llama, qwen3, sliding], ids=["llama", "qwen3", "sliding"])
@pytest.mark.parametrize("mask_padding", [False, True])
def test_a_teacher_stops_at_the_last_keys_that_are_read_and_these_are_the_same(make, mask_padding):
    teacher, batch = make().eval(), batch_of(9, 12)
    whole = trunk(teacher, batch, mask_padding=mask_padding).kept
    attended = []
    for layer in teacher.base_model.layers:
        layer.self_attn.o_proj.register_forward_hook(lambda *_: attended.append(1))
    kept = teach(teacher, batch, torch.device("cpu"), depth=2, mask_padding=mask_padding)
    assert len(attended) == 1, "the second layer's attention is not computed"
    assert len(kept.keys_BHTD) == len(kept.values_BHTD) == 2
    for ours, theirs in zip(
        (*kept.keys_BHTD, *kept.values_BHTD),
        (*whole.keys_BHTD[:2], *whole.values_BHTD[:2]),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("make", [llama, qwen3, sliding], ids=["llama", "qwen3", "sliding"])
def test_no_token_sees_padding_with_or_without_a_mask(make):
    """Every gradient of what is counted is the same: padding lies to the right of all tokens."""
    model, batch = make().double(), batch_of(9, 5)
    without = gradients(model, batch)
    model.zero_grad()
    with_mask = gradients(model, batch, mask_padding=True)
    for name, one in without.items():
        assert (one - with_mask[name]).norm() <= 1e-12 * one.norm(), name
