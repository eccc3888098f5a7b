"""kavaspec init: a spec to start from, with its schema for editors where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.init import START
from kavaspec.cli.schema import schema_text
from kavaspec.spec.load import load_spec


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


LINE = "#:schema ./kava.schema.json\n\n"


def test_it_writes_a_spec_that_can_be_read_and_its_schema(
    empty: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["init"]) == 0
    assert sorted(path.name for path in empty.iterdir()) == ["kava.schema.json", "kava.toml"]
    assert (empty / "kava.toml").read_text(encoding="utf-8") == LINE + START
    assert (empty / "kava.schema.json").read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text())["title"] == "kava.toml"
    assert load_spec(empty / "kava.toml", set={}).experiment
    assert capsys.readouterr().out == (
        "wrote kava.toml and kava.schema.json, with which editors complete it; "
        "next: kavaspec lock kava.toml\n"
    )


def test_one_file_where_no_schema_is_wanted(empty: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", "--no-schema"]) == 0
    assert [path.name for path in empty.iterdir()] == ["kava.toml"]
    assert (empty / "kava.toml").read_text(encoding="utf-8") == START
    assert capsys.readouterr().out == "wrote kava.toml; next: kavaspec lock kava.toml\n"


@pytest.mark.parametrize("option", [[], ["--no-schema"]], ids=["plain", "no-schema"])
def test_a_schema_that_lies_beside_is_named_and_left_as_it_is(empty: Path, option: list[str]):
    (empty / "kava.schema.json").write_text("{}", encoding="utf-8")
    assert main(["init", *option]) == 0
    assert (empty / "kava.toml").read_text(encoding="utf-8") == LINE + START
    assert (empty / "kava.schema.json").read_text(encoding="utf-8") == "{}"


def test_asked_for_it_replaces_what_an_older_kavaspec_wrote(empty: Path):
    (empty / "kava.schema.json").write_text("{}", encoding="utf-8")
    assert main(["init", "--schema", "mine.toml"]) == 0
    assert (empty / "mine.toml").read_text(encoding="utf-8") == LINE + START
    assert (empty / "kava.schema.json").read_text(encoding="utf-8") == schema_text()


def test_a_write_that_fails_leaves_no_spec_in_the_way(
    empty: Path, capsys: pytest.CaptureFixture[str]
):
    (empty / "kava.schema.json").mkdir()
    assert main(["init", "--schema"]) == 8
    assert [path.name for path in empty.iterdir()] == ["kava.schema.json"]
    assert "error[KV0003]: cannot write kava.toml: Is a directory\n" in capsys.readouterr().err


def test_a_spec_is_never_written_over(empty: Path, capsys: pytest.CaptureFixture[str]):
    (empty / "kava.toml").write_text("mine", encoding="utf-8")
    assert main(["init", "--schema"]) == 2
    assert (empty / "kava.toml").read_text(encoding="utf-8") == "mine"
    assert not (empty / "kava.schema.json").exists()
    assert capsys.readouterr().err == (
        "error[KV0004]: there is already a kava.toml\n  nothing was changed\n"
    )


def test_a_folder_that_is_not_there(empty: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", "away/kava.toml"]) == 8
    assert capsys.readouterr().err == (
        "error[KV0003]: cannot write away/kava.toml: No such file or directory\n"
        "  make its folder first, or name another\n"
    )
