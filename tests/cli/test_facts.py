"""`kavaspec facts`: of this machine, of a model, of the models and data of a spec."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.facts.file import read_facts
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids

ROOT = Path(__file__).parents[2]
PAIR = ROOT / "examples/qwen2.5"

pytestmark = pytest.mark.slow  # a child process imports torch


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The original pair, with everything that its spec names."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    folder = tmp_path / "examples/qwen2.5"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    return folder


def test_a_model_tells_its_cache(pair: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["facts", "--json", "--model", "./models/qwen2.5-1.5b-instruct"]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert facts["model.kv_layout"]["value"] == "28x2x128"
    assert not [name for name in facts if not name.startswith("model.")]


def test_a_lock_needs_neither_weights_nor_network(pair: Path, capsys: pytest.CaptureFixture[str]):
    """Facts about models and data, saved where the files are, give the same lock where they are not."""
    before = (pair / "kava.lock").read_bytes()
    assert main(["facts", "--spec", "kava.toml", "--save", "pair"]) == 0
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "wrote facts/pair.yaml",
        'name it at the top of kava.toml:  facts = "facts/pair.yaml"',
    ]
    spec = (pair / "kava.toml").read_text(encoding="utf-8")
    (pair / "kava.toml").write_text('facts = "facts/pair.yaml"\n' + spec, encoding="utf-8")
    shutil.rmtree(pair / "models")
    assert main(["lock"]) == 0
    assert (pair / "kava.lock").read_bytes() == before
    assert main(["check"]) == 0


def test_where_the_models_are_not_a_step_cannot_be_tried_and_the_lock_says_so(
    pair: Path, capsys: pytest.CaptureFixture[str]
):
    """Not even their configs are here: the experiment is the same, the micro-batch is by the table."""
    before = read_lock(pair / "kava.lock")
    assert main(["facts", "--spec", "kava.toml", "--save", "pair"]) == 0
    spec = (pair / "kava.toml").read_text(encoding="utf-8")
    (pair / "kava.toml").write_text('facts = "facts/pair.yaml"\n' + spec, encoding="utf-8")
    shutil.rmtree(pair / "models")
    (pair / "kava.lock").unlink()
    capsys.readouterr()
    assert main(["lock"]) == 0
    said = "· what a step takes cannot be estimated: the teacher is not here"
    assert said in capsys.readouterr().err.splitlines()
    after = read_lock(pair / "kava.lock")
    assert ids(after, "a100").kx == ids(before, "a100").kx
    assert after.values("a100")["train.micro_batch"] == 8
    assert not [name for name in after.facts_of("a100") if name.startswith("fact.trial.")]
    assert main(["check"]) == 0
    assert main(["lock"]) == 0
    assert read_lock(pair / "kava.lock") == after


def test_facts_about_another_model_are_refused(pair: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["facts", "--spec", "kava.toml", "--save", "pair"]) == 0
    spec = (pair / "kava.toml").read_text(encoding="utf-8")
    spec = 'facts = ["facts/pair.yaml"]\n' + spec.replace("qwen2.5-0.5b-instruct", "another")
    (pair / "kava.toml").write_text(spec, encoding="utf-8")
    capsys.readouterr()
    assert main(["lock"]) == 2
    assert capsys.readouterr().err.endswith(
        "error[KV0226]: facts/pair.yaml: fact.student.architecture was seen for "
        'model.student.source = "./models/qwen2.5-0.5b-instruct", and kava.toml says '
        "./models/another\n"
        "  --> kava.toml:1:1\n"
        '   1 | facts = ["facts/pair.yaml"]\n'
        "     | ^^^^^ make the file anew where the models and data are: "
        "kavaspec facts --spec kava.toml\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'facts = "../facts/a100-slurm.yaml"',
            "../facts/a100-slurm.yaml holds no facts about models or data",
        ),
        (
            "facts = 3",
            "facts is the number 3; expected the path of a fact file, or a list of paths",
        ),
    ],
    ids=["a-machine", "a-number"],
)
def test_what_is_no_such_file_is_refused(
    line: str, message: str, pair: Path, capsys: pytest.CaptureFixture[str]
):
    spec = (pair / "kava.toml").read_text(encoding="utf-8")
    (pair / "kava.toml").write_text(f"{line}\n{spec}", encoding="utf-8")
    assert main(["lock"]) == 2
    assert f"]: {message}\n  --> kava.toml:1:" in capsys.readouterr().err


def test_a_target_takes_no_facts_about_models(pair: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["facts", "--spec", "kava.toml", "--save", "pair"]) == 0
    spec = (pair / "kava.toml").read_text(encoding="utf-8")
    spec += '\n[targets.other]\n\nfacts = "facts/pair.yaml"\n'
    (pair / "kava.toml").write_text(spec, encoding="utf-8")
    assert main(["lock"]) == 2
    error = capsys.readouterr().err
    assert (
        "facts/pair.yaml: fact.student.architecture is about a model or the data, "
        "which all targets share\n"
    ) in error
    assert 'name the file at the top of kava.toml: facts = "facts/pair.yaml"' in error


def test_a_saved_file_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "ada-lovelace")
    monkeypatch.setenv("HOSTNAME", "analytical-engine")
    monkeypatch.setenv("SCRATCH", "/scratch/ada-lovelace")
    assert main(["facts", "--save", "mine"]) == 0
    text = (tmp_path / "facts/mine.yaml").read_text(encoding="utf-8")
    assert "ada-lovelace" not in text
    assert "analytical-engine" not in text
    assert "fact.cpu.cores" in read_facts(tmp_path / "facts/mine.yaml")


def test_model_and_spec_are_two_questions(capsys: pytest.CaptureFixture[str]):
    assert main(["facts", "--model", "builtin:tiny-teacher", "--save", "x"]) == 2
    assert capsys.readouterr().err == (
        "error[KV0008]: --model cannot be combined with --save\n"
        "  to keep facts about models: kavaspec facts --spec kava.toml --save NAME\n"
    )
