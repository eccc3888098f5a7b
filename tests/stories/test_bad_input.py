"""What people get wrong about models and data: one clear message each, and nothing is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from story import Answer, kavaspec

pytestmark = pytest.mark.slow

ROWS = [{"question": f"{n} + 1 =", "answer": f"{n + 1} #### {n + 1}"} for n in range(64)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model made by transformers, a data file, and a spec that fits them."""
    model(tmp_path / "student", words="0123456789+= #abc")
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8"
    )
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        (tmp_path / "data" / f"{split}.jsonl").write_bytes((tmp_path / "train.jsonl").read_bytes())
    return tmp_path


def model(path: Path, *, words: str) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    vocabulary = {word: number for number, word in enumerate(["<eos>", *words])}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<eos>")),
        eos_token="<eos>",
        pad_token="<eos>",
    )
    fast.save_pretrained(path)
    config = Qwen2Config(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(path)


def lock(folder: Path, *, data: str = "./data", more: str = "", teacher: str = "") -> Answer:
    kind = "kv" if teacher else "ce"
    head = f'[model.teacher]\nsource = "{teacher}"\n' if teacher else ""
    (folder / "kava.toml").write_text(
        f'{head}[model.student]\nsource = "./student"\n[data]\nsource = "{data}"\n{more}\n'
        f'[objective]\nkind = "{kind}"\n[train]\nsteps = 2\n',
        encoding="utf-8",
    )
    answer = kavaspec(folder, "lock")
    if answer.code:
        assert not (folder / "kava.lock").exists()
    return answer


def test_the_folder_is_good(folder: Path):
    answer = lock(folder)
    assert answer.code == 0, answer.err


def test_an_unreadable_model_folder(folder: Path):
    (folder / "student" / "config.json").write_text("{", encoding="utf-8")
    answer = lock(folder)
    assert answer.code == 8
    assert "config.json" in answer.err


def test_weights_that_are_cut_short(folder: Path):
    weights = folder / "student" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    answer = lock(folder)
    assert answer.code == 8
    assert "model.safetensors" in answer.err


def test_different_tokenizers(folder: Path):
    model(folder / "teacher", words="9876543210+= #xyz")
    answer = lock(folder, teacher="./teacher")
    assert answer.code == 7
    assert "tokenizer" in answer.err


def test_a_missing_column(folder: Path):
    answer = lock(folder, more='prompt = "{problem}"')
    assert answer.code == 2
    assert "problem" in answer.err
    assert "answer, question" in answer.err


def test_an_empty_data_set(folder: Path):
    (folder / "data" / "train.jsonl").write_text("", encoding="utf-8")
    answer = lock(folder)
    assert answer.code == 7
    assert "train" in answer.err


def test_a_split_that_is_not_there(folder: Path):
    answer = lock(folder, more='eval_split = "validation"')
    assert answer.code == 8
    assert "validation" in answer.err


def test_a_row_that_is_not_json(folder: Path):
    with (folder / "data" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("{oops\n")
    answer = lock(folder)
    assert answer.code == 7
    assert "train.jsonl:65" in answer.err


def test_data_that_changed_after_the_lock_is_noticed_before_the_first_step(folder: Path):
    assert lock(folder).code == 0
    with (folder / "data" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"question": "x", "answer": "y"}) + "\n")
    answer = kavaspec(folder, "run", "kava.lock")
    assert answer.code == 4
    assert "data" in answer.err


def test_weights_that_changed_after_the_lock_fail_preflight(folder: Path):
    assert lock(folder).code == 0
    model(folder / "student", words="0123456789+= #abc")
    answer = kavaspec(folder, "run", "kava.lock")
    assert answer.code == 4
    assert "model.student.digest: the lock wants sha256:" in answer.err
