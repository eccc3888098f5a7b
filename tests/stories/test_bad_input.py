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
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=256,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(path)


def lock(
    folder: Path,
    *,
    data: str = "./data",
    more: str = "",
    teacher: str = "",
    student: str = "./student",
    judged: str = "",
) -> Answer:
    kind = "kv" if teacher else "ce"
    head = f'[model.teacher]\nsource = "{teacher}"\n' if teacher else ""
    (folder / "kava.toml").write_text(
        f'{head}[model.student]\nsource = "{student}"\n[data]\nsource = "{data}"\n{more}\n'
        f'[objective]\nkind = "{kind}"\n[train]\nsteps = 2\n[eval]\nrows = 64\n{judged}',
        encoding="utf-8",
    )
    answer = kavaspec(folder, "lock")
    if answer.code:
        assert not (folder / "kava.lock").exists()
    return answer


def test_the_folder_is_good(folder: Path):
    answer = lock(folder)
    assert answer.code == 0, answer.err


def said(folder: Path, answer: Answer) -> str:
    """The messages, without what is said while it works and without this machine's folder."""
    lines = [line for line in answer.err.splitlines(keepends=True) if not line.startswith("·")]
    return "".join(lines).replace(str(folder), "FOLDER")


MODEL = '  --> kava.toml:2:1\n   2 | source = "./student"\n     | ^^^^^^ {hint}\n'
DATA = '  --> kava.toml:4:1\n   4 | source = "{source}"\n     | ^^^^^^ {hint}\n'
AGAIN = "download or copy the model again"


def test_a_folder_without_config(folder: Path):
    (folder / "student" / "config.json").unlink()
    answer = lock(folder)
    there = "generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json"
    assert (answer.code, said(folder, answer)) == (
        8,
        f"error[KV0209]: FOLDER/student is not a model: it has no config.json (it has {there})\n"
        + MODEL.format(
            hint="name the folder that holds config.json, the weights and the tokenizer"
        ),
    )


def test_a_config_that_is_not_json(folder: Path):
    (folder / "student" / "config.json").write_text("{", encoding="utf-8")
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        8,
        "error[KV0210]: FOLDER/student/config.json is damaged: it is not JSON: expecting property "
        "name enclosed in double quotes at line 1, column 2\n" + MODEL.format(hint=AGAIN),
    )


def test_weights_that_are_cut_short(folder: Path):
    weights = folder / "student" / "model.safetensors"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-1])
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        8,
        "error[KV0210]: FOLDER/student/model.safetensors is damaged: "
        f"model.norm.weight ends at byte {size} of {size - 1}\n" + MODEL.format(hint=AGAIN),
    )


def test_a_gguf_file_that_is_none(folder: Path):
    (folder / "student.gguf").write_bytes(b"GGUF")
    answer = lock(folder, student="./student.gguf")
    assert answer.code == 8
    assert answer.err.count("student.gguf") == 2  # in the message, and in the line of kava.toml


def test_different_tokenizers(folder: Path):
    model(folder / "teacher", words="9876543210+= #xyz")
    answer = lock(folder, teacher="./teacher")
    assert answer.code == 7
    assert "error[KV0742]: teacher (./teacher) and student have different tokenizers" in answer.err


def test_a_missing_column_is_one_message(folder: Path):
    answer = lock(folder, more='prompt = "{problem}"')
    assert (answer.code, said(folder, answer)) == (
        7,
        (
            "error[KV0712]: data.prompt names the column 'problem', which the data does not have; "
            "it has answer, question\n"
            "  --> kava.toml:5:1\n"
            '   5 | prompt = "{problem}"\n'
            "     | ^^^^^^ write one of these in braces\n"
        ),
    )


def test_a_template_without_a_column_is_a_warning(folder: Path):
    answer = lock(folder, more='prompt = "question"')
    assert (answer.code, said(folder, answer)) == (
        0,
        (
            "warning[KV0714]: data.prompt names no column: every row begins with the same text\n"
            "  --> kava.toml:5:1\n"
            '   5 | prompt = "question"\n'
            "     | ^^^^^^ write a column in braces: {answer}, {question}\n"
            "\n"
        ),
    )


def test_an_empty_data_set(folder: Path):
    (folder / "data" / "train.jsonl").write_text("", encoding="utf-8")
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        7,
        "error[KV0730]: ./data: train has no rows\n"
        + DATA.format(source="./data", hint="write rows into it, or name another split"),
    )


@pytest.mark.parametrize(
    ("line", "split", "hint"),
    [
        ('split = "trian"', "trian", "did you mean train?"),
        ('eval_split = "tset[:5]"', "tset", "did you mean test?"),
        (
            'eval_split = "validation"',
            "validation",
            "name one of its splits in data.split and data.eval_split",
        ),
    ],
)
def test_a_split_that_is_not_there(folder: Path, line: str, split: str, hint: str):
    answer = lock(folder, more=line)
    key = line.partition(" ")[0]
    assert (answer.code, said(folder, answer)) == (
        7,
        (
            f"error[KV0221]: FOLDER/data has no split {split}: it has test, train\n"
            f"  --> kava.toml:5:1\n   5 | {line}\n     | {'^' * len(key)} {hint}\n"
        ),
    )


def test_one_file_and_nothing_held_out(folder: Path):
    answer = lock(folder, data="train.jsonl")
    assert (answer.code, said(folder, answer)) == (
        7,
        "error[KV0221]: FOLDER/train.jsonl is one file, so it has one split, train; "
        "there is no test\n"
        + DATA.format(
            source="train.jsonl",
            hint='hold some of its rows out: data.split = "train[:-100]" and '
            'data.eval_split = "train[-100:]"; or name a folder with train.jsonl and test.jsonl',
        ),
    )


def test_what_that_hint_says_works(folder: Path):
    more = 'split = "train[:-10]"\neval_split = "train[-10:]"'
    assert lock(folder, data="train.jsonl", more=more).code == 0


def test_a_row_that_is_not_json(folder: Path):
    with (folder / "data" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("{oops\n")
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        8,
        "error[KV0222]: FOLDER/data/train.jsonl:65 is not JSON: expecting property name enclosed "
        "in double quotes at column 2\n"
        + DATA.format(
            source="./data", hint='every line is one row: {"question": "...", "answer": "..."}'
        ),
    )


def test_a_csv_file(folder: Path):
    (folder / "rows.csv").write_text("question,answer\n1 + 1 =,2\n", encoding="utf-8")
    answer = lock(folder, data="rows.csv")
    assert answer.code == 8
    assert said(folder, answer).startswith(
        "error[KV0224]: FOLDER/rows.csv is a .csv file; data is read from .jsonl and .parquet "
        "files, or a folder of them\n  --> kava.toml:4:1\n"
    )


def test_a_parquet_file_that_is_none(folder: Path):
    for split in ("train", "test"):
        (folder / "data" / f"{split}.jsonl").unlink()
        (folder / "data" / f"{split}.parquet").write_bytes(b"PAR1 not really")
    answer = lock(folder)
    assert answer.code == 8
    assert said(folder, answer).startswith(
        "error[KV0220]: FOLDER/data/train.parquet is not a parquet file: "
    )


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


# ---- rows, one by one


def write(path: Path, rows: list[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("gap", [{"question": "1 + 1 ="}, {**ROWS[0], "answer": None}])
def test_one_row_without_a_value_is_named(folder: Path, gap: dict[str, object]):
    write(folder / "data" / "train.jsonl", [*ROWS[:16], gap, *ROWS[17:]])
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        7,
        "error[KV0228]: 1 of 128 rows has no value for the column 'answer': FOLDER/data/train.jsonl:17\n"
        + DATA.format(
            source="./data",
            hint="write 'answer' into each of these rows (null is no value), or take them out",
        ),
    )


def test_empty_completions_are_a_warning_with_their_places(folder: Path):
    rows = [{**row, "answer": ""} if n in (3, 8, 11, 30) else row for n, row in enumerate(ROWS)]
    write(folder / "data" / "train.jsonl", rows)
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        0,
        "warning[KV0764]: rows of ./data have an empty prompt or completion: train.jsonl:4, "
        "train.jsonl:9, train.jsonl:12, 1 more\n"
        + DATA.format(
            source="./data", hint="write what is missing into these rows, or take them out"
        )
        + "\n",
    )


def test_completions_that_are_all_empty_are_refused(folder: Path):
    write(folder / "data" / "train.jsonl", [{**row, "answer": ""} for row in ROWS])
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        7,
        (
            "error[KV0229]: every completion of train is empty: answer holds no text in any row\n"
            "  name the column that holds the text to learn\n"
        ),
    )


def test_an_answer_without_a_mark_is_named_before_the_run(folder: Path):
    write(folder / "data" / "test.jsonl", [*ROWS[:7], {**ROWS[7], "answer": "8"}, *ROWS[8:]])
    answer = lock(folder)
    assert (answer.code, said(folder, answer)) == (
        7,
        (
            "error[KV0761]: row 7 of the held-out rows (counted from 0) has no '####' in its "
            "completion, so its answer cannot be judged; 63 of 64 rows have it\n"
            "  eval.exact_match_rows = 7, or eval.answer_after = a text that stands in every completion\n"
        ),
    )


def test_a_mark_that_no_answer_has_is_told_where_it_is_written(folder: Path):
    answer = lock(folder, judged='answer_after = "Answer:"\n')
    assert (answer.code, said(folder, answer)) == (
        7,
        (
            "error[KV0761]: none of the 64 held-out completions holds 'Answer:', so no answer can be "
            "judged and exact match could only be 0\n"
            "  --> kava.toml:12:1\n"
            '   12 | answer_after = "Answer:"\n'
            "      | ^^^^^^^^^^^^ eval.answer_after = the text before the final answer, or "
            "eval.exact_match_rows = 0\n"
        ),
    )


def test_weights_without_a_tokenizer(folder: Path):
    (folder / "student" / "tokenizer.json").unlink()
    answer = lock(folder)
    hint = "copy tokenizer.json and tokenizer_config.json beside the weights"
    assert (answer.code, said(folder, answer)) == (
        8,
        "error[KV0214]: FOLDER/student has weights and no tokenizer: none of tokenizer.json, "
        "tokenizer.model, vocab.json, vocab.txt, spiece.model\n" + MODEL.format(hint=hint),
    )


def test_a_config_alone_gives_a_provisional_lock_and_no_run(folder: Path):
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (folder / "student" / name).unlink()
    assert lock(folder).code == 0
    ran = kavaspec(folder, "run", "kava.lock")
    assert (ran.code, "model.student.digest" in ran.err) == (5, True)
