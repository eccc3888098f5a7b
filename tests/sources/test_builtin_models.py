"""The builtin models fit each other and their data, and their tokenizer is what its script makes."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from kavaspec.sources.arithmetic import rows

ROOT = Path(__file__).resolve().parents[2]
BUILTIN = ROOT / "kavaspec" / "builtin"
TEACHER, STUDENT = BUILTIN / "tiny-teacher", BUILTIN / "tiny-student"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(TEACHER)


@pytest.fixture(scope="module")
def texts():
    return [f"{row['question']}\n{row['answer']}" for row in rows("test")]


def config(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def width(folder):
    shape = config(folder)
    return shape["num_key_value_heads"] * shape["head_dim"]


@pytest.mark.slow
def test_the_committed_tokenizer_is_what_its_script_makes_from_the_data():
    script = runpy.run_path(str(ROOT / "scripts" / "make_tokenizer.py"))
    for path, text in script["files"]().items():
        assert path.read_text(encoding="utf-8") == text, path


def test_teacher_and_student_read_the_same_tokens():
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (TEACHER / name).read_bytes() == (STUDENT / name).read_bytes()


def test_the_tokenizer_gives_back_what_it_was_given(tokenizer, texts):
    for text in [*texts, "Grüße, 漢字\t3\n  x"]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_transformers_cuts_text_as_the_tokenizer_file_does(tokenizer, texts):
    """transformers 5 puts Qwen2's own rules in place of those of the file; they must agree."""
    from tokenizers import Tokenizer

    file = Tokenizer.from_file(str(TEACHER / "tokenizer.json"))
    for text in texts:
        assert tokenizer(text)["input_ids"] == file.encode(text).ids


def test_digits_stay_single(tokenizer):
    assert tokenizer.tokenize("12+345=357") == ["1", "2", "+", "3", "4", "5", "=", "3", "5", "7"]


def test_the_words_of_the_problems_are_one_token_each(tokenizer):
    assert tokenizer.tokenize("Mia has 7 apples.\n####") == [
        *("Mia", "Ġhas", "Ġ", "7", "Ġapples", ".Ċ", "####"),
    ]


def test_prompt_and_completion_cut_apart_are_the_whole_text_cut(tokenizer):
    for row in rows("test"):
        prompt, completion = f"{row['question']}\n", row["answer"]
        apart = tokenizer(prompt)["input_ids"] + tokenizer(completion)["input_ids"]
        assert apart == tokenizer(prompt + completion)["input_ids"]


def test_text_ends_and_is_padded_with_tokens_of_their_own(tokenizer):
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|endoftext|>", 0)
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == ("<|pad|>", 1)
    for folder in (TEACHER, STUDENT):
        assert (config(folder)["eos_token_id"], config(folder)["pad_token_id"]) == (0, 1)


def test_every_problem_fits_in_72_tokens(tokenizer, texts):
    assert max(len(tokenizer(text)["input_ids"]) + 1 for text in texts) <= 72


@pytest.mark.parametrize("folder", [TEACHER, STUDENT], ids=lambda folder: folder.name)
def test_every_token_has_an_embedding(tokenizer, folder):
    assert AutoConfig.from_pretrained(folder).vocab_size >= len(tokenizer)


def test_the_student_is_smaller_and_its_cache_has_another_width():
    assert config(STUDENT)["num_hidden_layers"] < config(TEACHER)["num_hidden_layers"]
    assert width(STUDENT) != width(TEACHER)


def test_the_teacher_has_weights_of_a_few_megabytes_and_the_student_none():
    weights = TEACHER / "model.safetensors"
    assert weights.stat().st_size < 5_000_000
    assert not list(STUDENT.glob("*.safetensors"))
    with safe_open(weights, framework="numpy") as file:
        names = set(file.keys())
    layers = range(config(TEACHER)["num_hidden_layers"])
    assert {f"model.layers.{layer}.self_attn.k_proj.weight" for layer in layers} <= names
