"""What a message says to do, done: the same problem is not there any more."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.init import START
from kavaspec.spec.fix import problems_of

ROOT = Path(__file__).parents[2]
FACTS = (ROOT / "examples/facts/cpu-avx512bf16.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def spec(folder: Path, old: str, new: str) -> None:
    assert old in START
    (folder / "kava.toml").write_text(START.replace(old, new, 1), encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main([*words])
    lines = [line for line in capsys.readouterr().err.splitlines(True) if line[:1] != "·"]
    return code, "".join(lines).replace(str(Path.cwd()), "FOLDER")


def test_a_spec_that_is_not_there_is_written_by_what_the_message_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert said(capsys, "lock", "mine.toml") == (
        8,
        "error[KV0001]: there is no mine.toml\n  write one: kavaspec init mine.toml\n",
    )
    assert main(["init", "mine.toml"]) == 0
    assert problems_of((folder / "mine.toml").read_text(encoding="utf-8"), "mine.toml") == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "way", "then"),
    [
        ("facts/cluster.yaml", "kavaspec facts --save cluster", ""),
        ("nope.toml", "kavaspec facts --save nope", 'facts = "facts/nope.yaml"'),
        ("facts/my node.yml", "kavaspec facts --save my-node", 'facts = "facts/my-node.yaml"'),
    ],
)
def test_a_fact_file_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], named: str, way: str, then: str
):
    line = f'[targets.cpu]\nfacts = "{named}"'
    spec(folder, "[eval]", f"{line}\n\n[eval]")
    more = f", and write {then}" if then else ""
    number = (START[: START.index("[eval]")] + line).count("\n") + 1
    assert said(capsys, "lock", "--dry-run") == (
        8,
        (
            f"error[KV0201]: {named} does not exist\n"
            f"  --> kava.toml:{number}:1\n"
            f'   {number} | facts = "{named}"\n'
            f"   {' ' * len(str(number))} | ^^^^^ make it on that machine: {way}{more}\n"
        ),
    )
    saved = folder / "facts" / f"{shlex.split(way)[-1]}.yaml"
    saved.parent.mkdir()
    saved.write_text(FACTS, encoding="utf-8")  # what that command does on that machine
    text = (folder / "kava.toml").read_text(encoding="utf-8")
    (folder / "kava.toml").write_text(
        text.replace(f'facts = "{named}"', then or line.split("\n")[1])
    )
    assert said(capsys, "lock", "--dry-run")[0] == 0


def test_a_fact_file_that_is_nearly_there(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "facts").mkdir()
    (folder / "facts/cluster.yaml").write_text(FACTS, encoding="utf-8")
    spec(folder, "[eval]", '[targets.cpu]\nfacts = "clutser.yaml"\n\n[eval]')
    assert "^^^^^ did you mean facts/cluster.yaml?\n" in said(capsys, "lock", "--dry-run")[1]


def test_facts_about_models_that_are_not_there(folder: Path, capsys: pytest.CaptureFixture[str]):
    spec(folder, 'name = "kava"', 'facts = "models.yaml"')
    assert said(capsys, "lock", "--dry-run") == (
        8,
        (
            "error[KV0201]: models.yaml does not exist\n"
            "  --> kava.toml:4:1\n"
            '   4 | facts = "models.yaml"\n'
            "     | ^^^^^ make it where the models and data are: kavaspec facts --spec kava.toml "
            '--save models, and write facts = "facts/models.yaml"\n'
        ),
    )


def test_data_that_is_nearly_there(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "rows.jsonl").touch()
    spec(folder, '"builtin:arithmetic" ', '"./rosw.jsonl" ')
    code, text = said(capsys, "lock", "--dry-run")
    assert code == 8
    assert text.endswith(" did you mean ./rows.jsonl? Else put it at one of these places\n")


def test_every_missing_part_of_a_spec_is_what_the_message_shows(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """Put together, the examples are a spec."""
    (folder / "kava.toml").write_text("# nothing yet\n", encoding="utf-8")
    code, text = said(capsys, "lock", "--dry-run")
    assert code == 2
    lines = re.findall(r"^    (\[.*\]|source = .*)$", text, re.MULTILINE)
    assert lines == [
        "[data]",
        'source = "builtin:arithmetic"',
        "[model.teacher]",
        'source = "builtin:tiny-teacher"',
    ]
    assert problems_of("\n".join(lines), "kava.toml") == ()
