"""kavaspec why CODE: what the code of a message means, without any lock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.codes import CODES


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["why", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("word", ["KV0301", "kv0301"])
def test_what_it_means_and_what_to_do(capsys: pytest.CaptureFixture[str], word: str):
    known = CODES["KV0301"]
    code, text = run(capsys, word)
    assert code == 0
    assert " ".join(text.split()) == (
        f"KV0301: {known.title} ends with exit 3 means {known.meaning} do {known.do}"
    )


def test_every_code_has_an_answer(capsys: pytest.CaptureFixture[str]):
    for known in CODES.values():
        code, text = run(capsys, known.code)
        assert code == 0
        assert text.startswith(f"{known.code}: {known.title}\n")
        assert ("a warning" in text) == (known.exit is None)
        assert "](" not in text, "a link is for the page"


def test_for_programs(capsys: pytest.CaptureFixture[str]):
    code, text = run(capsys, "KV0301", "--json")
    told = json.loads(text)
    assert code == 0
    assert (told["code"]["code"], told["code"]["exit"]) == ("KV0301", 3)


def test_one_that_does_not_exist(capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "KV0999") == (
        2,
        "error[KV0013]: there is no code KV0999\n  did you mean KV0809?\n",
    )


@pytest.mark.parametrize("more", [["--not", "x"], ["--if", "train.seed=1"], ["--uses"]])
def test_a_code_is_no_value(capsys: pytest.CaptureFixture[str], more: list[str]):
    assert run(capsys, "KV0301", *more) == (
        2,
        "error[KV0013]: KV0301 is the code of a message\n  name it alone: kavaspec why KV0301\n",
    )
