"""Rows come from .jsonl, .parquet, folders and builtins, in order, or with a message that helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.errors import KavaError
from kavaspec.sources.rows import places_of, read_rows


def write(path: Path, count: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(count)))
    return path


def numbers(rows) -> list:
    return [row["n"] for row in rows]


def refusal(source: str, path: Path | None, split: str) -> tuple[int, str, str | None]:
    with pytest.raises(KavaError) as caught:
        read_rows(source, path, split)
    [problem] = caught.value.problems
    return problem.exit, problem.message, problem.hint


def test_a_folder_holds_a_file_for_each_split(tmp_path):
    write(tmp_path / "train.jsonl", 4)
    write(tmp_path / "test.jsonl", 2)
    assert numbers(read_rows("./data", tmp_path, "train")) == [0, 1, 2, 3]
    assert numbers(read_rows("./data", tmp_path, "test")) == [0, 1]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train[:2]", [0, 1]),
        ("train[2:]", [2, 3, 4]),
        ("train[1:3]", [1, 2]),
        ("train[-2:]", [3, 4]),
        ("train[:-3]", [0, 1]),
        ("train[:99]", [0, 1, 2, 3, 4]),
    ],
)
def test_a_split_may_be_a_part_of_one(tmp_path, split, expected):
    write(tmp_path / "train.jsonl", 5)
    assert numbers(read_rows("./data", tmp_path, split)) == expected


@pytest.mark.parametrize("split", ["train", "gsm"])
def test_a_single_file_is_called_train_and_by_its_stem(tmp_path, split):
    assert numbers(read_rows("gsm.jsonl", write(tmp_path / "gsm.jsonl", 3), split)) == [0, 1, 2]


def test_parquet_shards_are_read_in_order(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for shard, part in enumerate([[0, 1], [2, 3]]):
        table = pyarrow.table({"n": part, "text": ["é"] * 2})
        parquet.write_table(table, tmp_path / f"train-0000{shard}-of-00002.parquet")
    rows = read_rows("./data", tmp_path, "train")
    assert numbers(rows) == [0, 1, 2, 3]
    assert rows[0]["text"] == "é"


def test_a_file_that_only_looks_like_parquet_is_named(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 not really")
    exit_code, message, _ = refusal("./data", tmp_path, "train")
    assert exit_code == 8
    assert message.startswith(f"{tmp_path / 'train.parquet'} is not a parquet file: ")


def test_line_separators_inside_a_row_do_not_end_it(tmp_path):
    text = "a\u2028b\x85c"
    (tmp_path / "train.jsonl").write_text(
        json.dumps({"n": text}, ensure_ascii=False) + "\n\n", encoding="utf-8"
    )
    assert read_rows("./data", tmp_path, "train") == [{"n": text}]


def test_windows_line_ends_are_fine(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(b'{"n": 1}\r\n{"n": 2}\r\n')
    assert numbers(read_rows("./data", tmp_path, "train")) == [1, 2]


def test_a_missing_split_lists_those_that_are_there(tmp_path):
    write(tmp_path / "train.jsonl", 1)
    write(tmp_path / "validation-00000-of-00001.parquet", 1)
    assert refusal("./data", tmp_path, "test") == (
        7,
        f"{tmp_path} has no split test: it has train, validation",
        "name one of its splits in data.split and data.eval_split",
    )


def test_a_single_file_has_no_other_split(tmp_path):
    file = write(tmp_path / "gsm.jsonl", 1)
    assert refusal("gsm.jsonl", file, "test") == (
        7,
        f"{file} is one file, so it has one split, train; there is no test",
        (
            'hold some of its rows out: data.split = "train[:-100]" and '
            'data.eval_split = "train[-100:]"; or name a folder with train.jsonl and test.jsonl'
        ),
    )


def test_a_csv_file_is_told_what_is_read(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("question,answer\n", encoding="utf-8")
    told = (
        8,
        f"{file} is a .csv file; data is read from .jsonl and .parquet files, or a folder of them",
        (
            'write each row as one line of JSON: python -c "import csv, json; [print(json.dumps(row)) '
            "for row in csv.DictReader(open('rows.csv'))]\" > rows.jsonl"
        ),
    )
    assert refusal("rows.csv", file, "train") == told
    file.rename(tmp_path / "train.csv")
    assert refusal("./data", tmp_path, "train")[1] == told[1].replace("rows.csv", "train.csv")


def test_a_folder_without_data_says_so(tmp_path):
    assert refusal("./data", tmp_path, "train") == (
        7,
        f"{tmp_path} has no split train: it holds no .jsonl and no .parquet file",
        "put train.jsonl or train.parquet into it, or correct data.source",
    )


def test_a_missing_folder_says_where_to_look(tmp_path):
    assert refusal("./data", tmp_path / "gone", "train") == (
        8,
        f"{tmp_path / 'gone'} does not exist",
        "check data.source and paths.data, or run `kavaspec fetch` where there is network",
    )


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"n": 1', "is not JSON: expecting ',' delimiter at column 8"),
        ("[1, 2]", "is a JSON array, expected an object of columns"),
        ('"text"', "is a JSON string, expected an object of columns"),
        ("3", "is a JSON number, expected an object of columns"),
        ("null", "is a JSON null, expected an object of columns"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path, line, what):
    (tmp_path / "train.jsonl").write_text('{"n": 0}\n\n' + line + "\n")
    assert refusal("./data", tmp_path, "train") == (
        8,
        f"{tmp_path / 'train.jsonl'}:3 {what}",
        'every line is one row: {"question": "...", "answer": "..."}',
    )


def test_text_that_is_not_utf_8_is_named_too(tmp_path):
    (tmp_path / "train.jsonl").write_bytes(b'{"n": "\xff\xfe"}\n')
    exit_code, message, _ = refusal("./data", tmp_path, "train")
    assert exit_code == 8
    assert message == (
        f"{tmp_path / 'train.jsonl'}:1 is not UTF-8 text: invalid start byte at byte 7"
    )


@pytest.mark.parametrize("split", ["train", "train[5:]"])
def test_no_rows_is_an_error(tmp_path, split):
    count = 0 if split == "train" else 3
    write(tmp_path / "train.jsonl", count)
    assert refusal("./data", tmp_path, split) == (
        7,
        f"./data: {split} has no rows",
        "train has 3 rows; choose another part"
        if count
        else "write rows into it, or name another split",
    )


@pytest.mark.parametrize("split", ["train[", "train[1]", "tr ain", "../train", "train[a:b]", ""])
def test_what_is_not_a_split_is_refused(tmp_path, split):
    assert refusal("./data", tmp_path, split) == (
        2,
        f"{split!r} is not a split",
        "write a name (`train`) or a part of one (`train[:1000]`)",
    )


def test_the_builtin_has_two_splits_and_is_always_the_same():
    train = read_rows("builtin:arithmetic", None, "train[:5]")
    assert train == read_rows("builtin:arithmetic", None, "train[:5]")
    assert train != read_rows("builtin:arithmetic", None, "test[:5]")
    assert all(isinstance(value, str) for row in train for value in row.values())


def test_another_builtin_or_split_does_not_exist():
    assert refusal("builtin:poems", None, "train")[:2] == (
        2,
        "builtin:poems is not a builtin data set",
    )
    assert refusal("builtin:arithmetic", None, "validation")[:2] == (
        7,
        "builtin:arithmetic has no split validation: it has train, test",
    )
    assert refusal("builtin:arithmetic", None, "trian[:5]") == (
        7,
        "builtin:arithmetic has no split trian: it has train, test",
        "did you mean train?",
    )


# ---- where rows stand


def stands(source: str, path: Path | None, split: str) -> list[str]:
    return [f"{place.file.name}{place.mark}" for place in places_of(source, path, split)]


def test_a_row_of_jsonl_stands_on_its_line_blank_ones_counted(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"n": 0}\n\n{"n": 1}\n{"n": 2}\n\n')
    assert stands("./data", tmp_path, "train") == [
        "train.jsonl:1",
        "train.jsonl:3",
        "train.jsonl:4",
    ]
    assert stands("./data", tmp_path, "train[-1:]") == ["train.jsonl:4"]


def test_a_row_of_parquet_is_counted_from_1_in_its_file(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for shard in (0, 1):
        name = f"train-0000{shard}-of-00002.parquet"
        parquet.write_table(pyarrow.table({"n": [1, 2]}), tmp_path / name)
    assert stands("./data", tmp_path, "train[1:3]") == [
        "train-00000-of-00002.parquet row 2",
        "train-00001-of-00002.parquet row 1",
    ]


def test_a_row_of_a_builtin_has_a_number():
    assert stands("builtin:arithmetic", None, "test[:2]") == [
        "builtin:arithmetic row 1",
        "builtin:arithmetic row 2",
    ]
