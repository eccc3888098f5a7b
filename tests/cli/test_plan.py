"""`kavaspec plan`: a line for each number of devices; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples/qwen2.5")
    monkeypatch.setenv("NO_COLOR", "1")


def test_what_can_be_has_a_line_and_neighbours_that_cannot_share_one(
    pair: None, capsys: pytest.CaptureFixture[str]
):
    assert main(["plan", "--target", "a100", "--world", "1..8"]) == 0
    assert capsys.readouterr().out == (
        "32 rows a step on target a100: experiment kx1:59b69422 (provisional) each time\n"
        "world  micro_batch  accumulation  memory of each process\n"
        "1      32           1             44.56 GiB of 76.00 GiB\n"
        "2      16           1             29.18 GiB of 76.00 GiB\n"
        "3      -            -             32 rows cannot be shared by 3; the nearest: 2 or 4\n"
        "4      8            1             21.48 GiB of 76.00 GiB\n"
        "5..7   -            -             none of them; the nearest: 4 or 8\n"
        "8      4            1             17.64 GiB of 76.00 GiB\n"
        "this version trains with train.world = 1; memory is that of a replica\n"
    )


def test_in_json(pair: None, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "--target", "cpu", "--world", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["target"]) == ("kavaspec.plan/1", "cpu")
    assert told["splits"] == [
        {
            "world": 3,
            "micro_batch": None,
            "accumulation": None,
            "process_bytes": None,
            "why_not": "32 rows cannot be shared by 3",
            "instead": [2, 4],
        }
    ]


@pytest.mark.parametrize("text", ["0", "3..1", "a", "1..", "1..5000", "-1"])
def test_what_is_no_range_is_refused(text: str, pair: None, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "--target", "a100", f"--world={text}"]) == 2
    assert capsys.readouterr().err == (
        f"error[KV0014]: --world {text}: expected a number from 1 to 4096, or a range such as 1..64\n"
        "  kavaspec plan --world 1..64\n"
    )


def test_of_several_targets_one_is_named(pair: None, capsys: pytest.CaptureFixture[str]):
    assert main(["plan"]) == 2
    assert "the lock has several targets: a100, cpu, m2max, rtx4070" in capsys.readouterr().err
