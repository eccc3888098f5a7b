"""Models from disk: whole, random, or some layers of the teacher; never from a pickle."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from kavaspec.errors import KavaError
from kavaspec_runtime import load
from kavaspec_runtime.build import build
from kavaspec_runtime.settings import Settings

CPU = torch.device("cpu")


def pretrained(path, *, quantization="none", dtype=torch.float32):
    return load.pretrained(
        path, role="teacher", dtype=dtype, device=CPU, attention="sdpa", quantization=quantization
    )


def test_a_folder_is_loaded_in_the_dtype_asked_for(made):
    model = pretrained(made / "teacher", dtype=torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_a_missing_model_says_where_and_what_was_expected(tmp_path):
    with pytest.raises(KavaError) as caught:
        pretrained(tmp_path / "nowhere")
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (8, "model.teacher.source")
    assert problem.message.startswith(f"the teacher cannot be loaded from {tmp_path / 'nowhere'}: ")
    assert problem.hint == (
        "it has to be a folder with config.json and .safetensors files, or a .gguf file"
    )


def test_a_pickle_is_never_opened(made, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(made / "teacher")
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(KavaError, match="the teacher cannot be loaded from"):
        pretrained(tmp_path)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_quantization_without_bitsandbytes_says_what_to_install(made, monkeypatch, quantization):
    monkeypatch.setattr(load, "find_spec", lambda name: None)
    with pytest.raises(KavaError) as caught:
        pretrained(made / "teacher", quantization=quantization)
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (8, "model.teacher.quantization")
    assert problem.message == (
        f'model.teacher.quantization = "{quantization}" needs bitsandbytes, which is not installed'
    )
    assert problem.hint == ('pip install bitsandbytes, or set model.teacher.quantization = "none"')


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ("nf4", {"load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4"}),
        ("int8", {"load_in_4bit": False, "load_in_8bit": True}),
    ],
)
def test_transformers_is_told_how_to_quantize_and_where(monkeypatch, quantization, expected):
    monkeypatch.setattr(load, "find_spec", lambda name: object())
    monkeypatch.setattr("transformers.BitsAndBytesConfig", lambda **told: told)
    told = load.quantized(quantization, torch.bfloat16, torch.device("cuda", 1))
    assert told["device_map"] == {"": torch.device("cuda", 1)}
    assert told["quantization_config"].items() >= {k: v for k, v in expected.items() if v}.items()


def test_random_weights_come_from_the_seed_and_from_nothing_else(made):
    def drawn(seed: int):
        return load.random(
            made / "student", seed=seed, dtype=torch.float32, device=CPU, attention="sdpa"
        ).state_dict()

    torch.manual_seed(5)
    first = drawn(1)
    follows = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), follows)  # the generator of others is left alone
    torch.manual_seed(99)
    assert all(torch.equal(first[name], weight) for name, weight in drawn(1).items())
    assert any(not torch.equal(first[name], weight) for name, weight in drawn(2).items())


def test_random_weights_are_not_those_of_the_folder(world):
    parts = build(
        Settings.of(world.lock(model__student__init="random"), "here"),
        world.here,
        tell=lambda text: None,
    )
    folder = AutoModelForCausalLM.from_pretrained(world.here.student)
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(
        parts.trainer.models.student.get_parameter(name), folder.get_parameter(name)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_student_of_teacher_layers_has_those_layers_and_shares_nothing(made, dtype):
    teacher = pretrained(made / "teacher", dtype=dtype)
    student = load.with_layers(teacher, [0, 3], "sdpa")
    assert (student.config.num_hidden_layers, student.dtype) == (2, dtype)
    assert student.config.layer_types == ["full_attention"] * 2
    assert student.model.rotary_emb.inv_freq.dtype == torch.float32
    for new, old in enumerate([0, 3]):
        for name, weight in teacher.model.layers[old].named_parameters():
            kept = student.model.layers[new].get_parameter(name)
            assert torch.equal(kept, weight)
            assert kept.data_ptr() != weight.data_ptr()
    assert [layer.self_attn.layer_idx for layer in student.model.layers] == [0, 1]


def test_a_teacher_and_a_student_of_its_layers_come_from_one_file(world):
    changed = {
        "model__student__init": "teacher_layers",
        "model__student__layers": [1, 2],
        "objective__kv__student_dim": [16, 16],
        "objective__kv__projector__in_dim": [16, 16],
    }
    end, _ = world.run(here={"student": None}, train__steps=2, **changed)
    assert end.status == "finished"
    kept = AutoModelForCausalLM.from_pretrained(world.root / "run" / "student")
    assert kept.config.num_hidden_layers == 2


def test_layers_after_the_last_one_that_is_read_are_left_out(made):
    teacher = pretrained(made / "teacher").eval()
    ids = torch.arange(2, 9)[None]
    whole = teacher.model(ids, use_cache=True).past_key_values.layers[1].keys
    cut = load.without_layers_after(teacher, 2)
    cache = cut.model(ids, use_cache=True).past_key_values
    assert len(cut.model.layers) == 2
    assert torch.equal(cache.layers[1].keys, whole)


def test_a_folder_without_a_tokenizer_says_what_to_copy(made, tmp_path):
    AutoModelForCausalLM.from_pretrained(made / "teacher").save_pretrained(tmp_path)
    with pytest.raises(KavaError) as caught:
        load.tokenizer_of(tmp_path)
    [problem] = caught.value.problems
    assert problem.exit == 8
    assert problem.message.startswith(f"{tmp_path} has no tokenizer that can be read: ")
    assert problem.hint == "copy tokenizer.json and tokenizer_config.json beside the weights"


def test_a_model_that_was_not_found_is_named(world):
    with pytest.raises(KavaError) as caught:
        world.run(here={"teacher": None})
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (8, "model.teacher.source")
    assert problem.message == "the teacher was not found on this machine"
