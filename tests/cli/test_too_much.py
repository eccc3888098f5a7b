"""Numbers, depths and aliases beyond all measure: one message, a documented code, and no waiting."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import parse_lock

ROOT = Path(__file__).parents[2]
HEX, DIGITS, DEEP = "0x" + "f" * 5000, "9" * 5000, "[" * 3000 + "]" * 3000
ALIASES = "[&a [1, 1], &b [*a, *a], &c [*b, *b], &d [*c, *c], [*d, *d]]"
ITSELF = "&a [*a]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    here = tmp_path / "examples/qwen2.5"
    monkeypatch.chdir(here)
    monkeypatch.setenv("NO_COLOR", "1")
    return here


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main([*words])
    told = capsys.readouterr()
    text = told.out + told.err
    assert "This is a bug" not in text, text
    assert len(text) < 60_000, "nobody reads a number of 5000 digits"
    return code, text


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_spec_with_a_number_that_has_no_end(folder: Path, capsys: pytest.CaptureFixture[str]):
    edit(folder / "kava.toml", "[train]\n", f"[train]\nseed = {DIGITS}\n")
    line = (folder / "kava.toml").read_text(encoding="utf-8").split("\n").index(f"seed = {DIGITS}")
    code, text = answer(capsys, "check")
    assert code == 2
    assert text.startswith(
        "error[KV0101]: a number of 5000 digits: whole numbers have at most 64 bits\n"
        f"  --> kava.toml:{line + 1}:8\n"
    )


@pytest.mark.parametrize("command", ["check", "lock --dry-run"])
@pytest.mark.parametrize(
    "line",
    [
        f"seed = {HEX}",
        f"micro_batch = {{ auto = true, max = {HEX} }}",
        f"micro_batch = {{ auto = true, max = {2**63} }}",
        f"learning_rate = {HEX}",
        f"seed = {DEEP}",
        f'lora.targets = ["{DIGITS}", {HEX}]',
    ],
    ids=["seed", "limit", "limit-just-above", "fraction", "deep", "list"],
)
def test_a_spec_with_too_much(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, command: str
):
    text = (folder / "kava.toml").read_text(encoding="utf-8")
    name = line.split(" =", maxsplit=1)[0]
    kept = "\n".join(it for it in text.split("\n") if not it.startswith(f"{name} ="))
    (folder / "kava.toml").write_text(
        kept.replace("[train]\n", f"[train]\n{line}\n", 1), encoding="utf-8"
    )
    code, told = answer(capsys, *command.split())
    assert (code, told.startswith("error[KV01")) == (2, True), told[:300]


@pytest.mark.parametrize("number", [HEX, DIGITS, str(2**63)], ids=["hex", "digits", "just-above"])
@pytest.mark.parametrize(
    "words",
    [
        ["lock", "--dry-run", "--set", "train.seed={}"],
        ["lock", "--dry-run", "--set", "train.micro_batch={{auto=true,max={}}}"],
        ["why", "train.micro_batch", "--if", "train.seed={}", "--target", "a100"],
        ["why", "train.micro_batch", "--not", "{}", "--target", "a100"],
        ["why", "train.micro_batch", "--if", "fact.gpu.memory_bytes={}", "--target", "a100"],
    ],
    ids=lambda words: words[-3] if isinstance(words, list) else None,
)
def test_a_command_line_with_too_much(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], number: str
):
    code, text = answer(capsys, *(word.format(number) for word in words))
    assert code == (0 if "--not" in words else 2), text[
        :500
    ]  # why not? is a question with an answer


@pytest.mark.parametrize("value", [HEX, DIGITS, DEEP, ITSELF, ALIASES, str(2**63)])
def test_a_lock_with_too_much_is_broken(
    folder: Path, capsys: pytest.CaptureFixture[str], value: str
):
    edit(
        folder / "kava.lock",
        "  train.seed:\n    value: 0\n",
        f"  train.seed:\n    value: {value}\n",
    )
    for words in (["check"], ["run", "kava.lock"], ["diff", "kava.lock", "kava.lock"]):
        code, text = answer(capsys, *words)
        assert (code, text.startswith("error[KV060")) == (6, True), text[:300]


@pytest.mark.parametrize("value", [HEX, DIGITS, DEEP, ITSELF, ALIASES, str(2**63)])
@pytest.mark.parametrize("fact", ["fact.gpu.memory_bytes", "fact.memory.batch_table"])
def test_a_fact_file_with_too_much(
    folder: Path, capsys: pytest.CaptureFixture[str], fact: str, value: str
):
    file = folder.parent / "facts/a100-slurm.yaml"
    lines = file.read_text(encoding="utf-8").split("\n")
    here = next((n for n, it in enumerate(lines) if it.strip() == f"{fact}:"), None)
    if here is None:
        here = lines.index("facts:") + 1
        lines[here:here] = ["", f"  {fact}:", "    value: 1", "    how: measured"]
        here += 1
    where = next(n for n in range(here, len(lines)) if lines[n].strip().startswith("value:"))
    lines[where] = f"    value: {value}"
    file.write_text("\n".join(lines), encoding="utf-8")
    code, text = answer(capsys, "lock", "--dry-run")
    assert (code, text.startswith("error[KV020")) == (2, True), text[:300]


def test_a_number_of_64_bits_is_not_too_much(folder: Path):
    text = (folder / "kava.lock").read_text(encoding="utf-8")
    assert parse_lock(text, "kava.lock")


def test_a_repair_is_never_sought_beyond_64_bits(folder: Path, capsys: pytest.CaptureFixture[str]):
    edit(
        folder / "kava.toml", "global_batch = 32", f"global_batch = 32\naccumulation = {2**63 - 1}"
    )
    code, text = answer(capsys, "check")
    assert code == 7
    product = f"micro_batch 1 x accumulation {2**63 - 1} x world 1 = {2**63 - 1}"
    assert f"{product}, but train.global_batch is 32 (target rtx4070)" in text
    assert "^ train.accumulation = 32\n" in text


def test_more_rows_at_once_than_any_batch_has_are_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    edit(folder / "kava.toml", "global_batch = 32", f"global_batch = 32\nmicro_batch = {2**63 - 1}")
    code, text = answer(capsys, "check")
    assert code == 7
    assert "^ train.micro_batch = 1\n" in text


def test_a_value_that_would_grow_beyond_64_bits_cannot_be_decided(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    edit(folder / "kava.toml", "[train]\n", f"[loader]\nworkers = {2**63 - 1}\n\n[train]\n")
    code, text = answer(capsys, "check")
    assert code == 7
    assert "scheduler.cpus cannot be decided: it would be more than 64 bits hold" in text
