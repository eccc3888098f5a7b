"""kavaspec fix: every certain repair at once, nothing else touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main

SLIPS = """\
# my experiment
data.source = "builtin:arithmetic"   # keep me

[model.techer]
source = "builtin:tiny-teacher"

[train]
micro_bach = "8"
compile = True
clip   =   None  # no limit
precision = "BF16"
learning_rate = "3e-4"
"""
MENDED = """\
# my experiment
data.source = "builtin:arithmetic"   # keep me

[model.teacher]
source = "builtin:tiny-teacher"

[train]
micro_batch = 8
compile = true
clip   =   { unset = true }  # no limit
precision = "bfloat16"
learning_rate = 3e-4
"""


@pytest.fixture
def spec(project: Path) -> Path:
    path = project / "kava.toml"
    path.write_text(SLIPS, encoding="utf-8", newline="")
    return path


def test_all_repairs_are_made_and_told(spec: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["fix"]) == 0
    assert spec.read_bytes().decode() == MENDED
    assert capsys.readouterr().out == (
        "kava.toml:9:11   True -> true\n"
        "kava.toml:10:12  None -> { unset = true }\n"
        "kava.toml:4:8    techer -> teacher\n"
        "kava.toml:8:1    micro_bach -> micro_batch\n"
        'kava.toml:11:13  "BF16" -> "bfloat16"\n'
        'kava.toml:12:17  "3e-4" -> 3e-4\n'
        'kava.toml:8:15   "8" -> 8\n'
    )


def test_a_second_time_there_is_nothing_to_fix(spec: Path, capsys: pytest.CaptureFixture[str]):
    main(["fix"])
    capsys.readouterr()
    assert main(["fix"]) == 0
    assert capsys.readouterr().out == "kava.toml: nothing to fix\n"
    assert spec.read_bytes().decode() == MENDED


def test_line_ends_and_the_mark_of_an_editor_stay(spec: Path):
    spec.write_bytes(b"\xef\xbb\xbf" + SLIPS.replace("\n", "\r\n").encode())
    assert main(["fix"]) == 0
    assert spec.read_bytes() == b"\xef\xbb\xbf" + MENDED.replace("\n", "\r\n").encode()


def test_dry_run_shows_and_writes_nothing(spec: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["fix", "--dry-run"]) == 0
    assert "micro_bach -> micro_batch" in capsys.readouterr().out
    assert spec.read_bytes().decode() == SLIPS


def test_what_is_not_certain_is_left_and_told(spec: Path, capsys: pytest.CaptureFixture[str]):
    text = MENDED + "betta = 0.9\nsteps = 0\nsede = 1\n"
    spec.write_text(text, encoding="utf-8")
    assert main(["fix"]) == 2
    assert spec.read_text(encoding="utf-8") == text.replace("sede", "seed")
    said = capsys.readouterr()
    assert said.out == "kava.toml:15:1  sede -> seed\n"
    assert said.err == (
        "error[KV0104]: train.betta is not a key\n"
        "  --> kava.toml:13:1\n"
        "   13 | betta = 0.9\n"
        "      | ^^^^^ did you mean train.beta2 or train.beta1?\n"
        "\n"
        'error[KV0106]: train.steps is the number 0; expected an integer >= 1 or "auto"\n'
        "  --> kava.toml:14:9\n"
        "   14 | steps = 0\n"
        "      |         ^\n"
    )


def test_a_key_that_is_there_already_is_not_written_twice(spec: Path):
    text = MENDED + "micro_bach = 4\n"
    spec.write_text(text, encoding="utf-8")
    assert main(["fix"]) == 2
    assert spec.read_text(encoding="utf-8") == text


def test_two_slips_for_one_key_do_not_make_it_twice(spec: Path):
    spec.write_text(
        MENDED.replace("micro_batch", "micro_bach") + "micro_btch = 4\n", encoding="utf-8"
    )
    assert main(["fix"]) == 2
    assert spec.read_text(encoding="utf-8") == MENDED + "micro_btch = 4\n"


def test_the_message_names_the_command(spec: Path, capsys: pytest.CaptureFixture[str]):
    spec.write_text(MENDED.replace("micro_batch", "micro_bach"), encoding="utf-8")
    assert main(["lock"]) == 2
    assert capsys.readouterr().err == (
        "error[KV0104]: train.micro_bach is not a key\n"
        "  --> kava.toml:8:1\n"
        "   8 | micro_bach = 8\n"
        "     | ^^^^^^^^^^ did you mean train.micro_batch?\n"
        "  fix: kavaspec fix\n"
    )
    spec.rename("other.toml")
    main(["lock", "other.toml"])
    assert capsys.readouterr().err.endswith("  fix: kavaspec fix other.toml\n")


def test_json_carries_code_place_and_repair(spec: Path, capsys: pytest.CaptureFixture[str]):
    spec.write_text(MENDED.replace("micro_batch", "micro_bach"), encoding="utf-8")
    assert main(["lock", "--json"]) == 2
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["code"], problem["key"]) == ("KV0104", "train.micro_bach")
    assert problem["fix"]["text"] == "micro_batch"
    assert (problem["fix"]["where"]["line"], problem["fix"]["where"]["column"]) == (8, 1)
    assert main(["fix", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["written"], told["left"]) == ("kavaspec.fix/1", True, [])
    assert [(it["old"], it["new"]) for it in told["edits"]] == [("micro_bach", "micro_batch")]


def test_a_file_that_cannot_be_written_is_left_as_it_was(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["fix"]) == 8
    assert spec.read_text(encoding="utf-8") == SLIPS
    assert capsys.readouterr().err == (
        "error[KV0003]: cannot write kava.toml: No space left on device\n  nothing was changed\n"
    )
    assert [path.name for path in spec.parent.iterdir()] == ["kava.toml"]


def test_a_link_stays_a_link(spec: Path):
    spec.rename(spec.with_name("real.toml"))
    spec.symlink_to("real.toml")
    assert main(["fix"]) == 0
    assert spec.is_symlink()
    assert spec.with_name("real.toml").read_text(encoding="utf-8") == MENDED
