"""A command line that cannot be read says what is wrong with it, under a code like every other mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("lok", "kavaspec: there is no command lok", "did you mean lock? `kavaspec --help` lists the commands"),
        ("quux", "kavaspec: there is no command quux", "`kavaspec --help` lists the commands"),
        ("--verbose", "kavaspec: there is no option --verbose", "did you mean --version? `kavaspec --help` lists the commands"),
        ("lock --traget a", "kavaspec lock: there is no option --traget", "did you mean --set or --target? `kavaspec lock --help` lists what it takes"),
        ("lock --quux", "kavaspec lock: there is no option --quux", "`kavaspec lock --help` lists what it takes"),
        ("lock -o", "kavaspec lock: -o needs a value", "`kavaspec lock --help` lists what it takes"),
        ("lock a b", "kavaspec lock: too many arguments: b", "`kavaspec lock --help` lists what it takes"),
        ("run", "kavaspec run: the argument lock is missing", "`kavaspec run --help` lists what it takes"),
        ("run x.lock --smoke ten", "kavaspec run: --smoke: expected a whole number", "`kavaspec run --help` lists what it takes"),
        ("check --format xml", "kavaspec check: --format: `xml` is not one of `text`, `json`, `github`, `sarif`", "`kavaspec check --help` lists what it takes"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_where_to_look(
    words: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"error[KV0014]: {message}\n  {hint}\n")


def test_programs_read_it_too(capsys: pytest.CaptureFixture[str]):
    assert main(["check", "--json", "--quux"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["exit"]) == ("kavaspec.problems/1", 2)
    assert [it["code"] for it in told["problems"]] == ["KV0014"]


def test_without_a_word_there_is_the_help(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("Usage: kavaspec [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize(
    ("there", "asked", "hint"),
    [
        ((), "kava.lock", "make it from a spec, and there is no kava.toml yet: kavaspec init, then kavaspec lock kava.toml"),
        ((), "a.lock", "make it from a spec, and there is no a.toml yet: kavaspec init a.toml, then kavaspec lock a.toml"),
        (("kava.toml",), "kava.lock", "make it: kavaspec lock kava.toml"),
        (("kava.toml", "kava.lock"), "kvaa.lock", "did you mean kava.lock?"),
    ],
)  # fmt: skip
def test_a_lock_that_is_not_there_is_made_or_is_another(
    there: tuple[str, ...], asked: str, hint: str, capsys: pytest.CaptureFixture[str]
):
    for name in there:
        Path(name).touch()
    assert main(["check", asked]) == 8
    assert capsys.readouterr().err == f"error[KV0001]: there is no {asked}\n  {hint}\n"
