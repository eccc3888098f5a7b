"""`kavaspec calibrate`: finished runs become a fact of the machine; every other run is named, with why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.facts.file import stated_facts
from tests.verify import altered
from tests.verify.altered import Change

FACTS = """facts_version: 1
note: Of one machine.

facts:

  # what the data sheet says
  fact.memory.total_bytes:
    value: 64GiB
    how: declared
    probe: datasheet@1

  fact.gpu.name:
    value: {name}
    how: declared
    probe: datasheet@1
"""
MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts/cluster.yaml").write_text(FACTS.format(name="null"))
    return tmp_path


def run(name: str, tensors: int = 1000, process: int = 1500, change: Change | None = None) -> None:
    """A finished run by what it says of its memory in MiB, with one change."""
    folder = altered.copy("steady", Path("runs"), name)
    altered.remembered(folder, tensors * MIB, process * MIB)
    if change is not None:
        altered.receipt(folder, change)


def test_what_runs_measured_is_written_where_the_machine_is_described(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    run("large", 2000, 2500)
    run("small", 1000, 1400)
    assert main(["calibrate", "runs", "--save", "cluster"]) == 0
    said = capsys.readouterr()
    assert said.out == (
        "cpu, by 2 runs: 10 % of the tensors in gaps, 300 MiB in libraries\n"
        "without a measurement: 25 % of the tensors in gaps, 768 MiB in libraries\n"
        "run         tensors   process   predicted now  before\n"
        "runs/large  1.95 GiB  2.44 GiB  +0.0 %         +30.7 %\n"
        "runs/small  0.98 GiB  1.37 GiB  +0.0 %         +44.1 %\n"
    )
    assert said.err == (
        "wrote fact.trial.overhead into facts/cluster.yaml\n"
        "the next `kavaspec lock` decides with it\n"
    )
    assert Path("facts/cluster.yaml").read_text() == FACTS.format(name="null") + (
        "\n"
        "  fact.trial.overhead:\n"
        "    value: {device_bytes: 314572800, allocator_percent: 10}\n"
        "    how: measured\n"
        "    probe: calibrate@1\n"
        "    evidence: '2 runs on cpu: large, small'\n"
    )


def test_calibrating_again_changes_that_one_fact(folder: Path):
    run("first", 1000, 1500)
    assert main(["calibrate", "runs/first", "--save", "cluster"]) == 0
    before = Path("facts/cluster.yaml").read_text()
    after = before + "\n  fact.cpu.cores:\n    value: 4\n    how: declared\n    probe: me@1\n"
    Path("facts/cluster.yaml").write_text(after)
    run("second", 1000, 1600)
    assert main(["calibrate", "runs", "--save", "cluster"]) == 0
    expected = after.replace("262144000", "367001600").replace("1 run on cpu: first", "2 runs on cpu: first, second")  # fmt: skip
    assert Path("facts/cluster.yaml").read_text() == expected
    assert set(stated_facts(Path("facts/cluster.yaml"))) == {
        "fact.memory.total_bytes",
        "fact.gpu.name",
        "fact.trial.overhead",
        "fact.cpu.cores",
    }


def test_without_save_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]):
    run("one")
    assert main(["calibrate", "runs/one", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["overhead"] == {"device_bytes": 250 * MIB, "allocator_percent": 25}
    assert told["runs"] == [
        {
            "run": "runs/one",
            "device": "cpu",
            "card": None,
            "tensors_bytes": 1000 * MIB,
            "process_bytes": 1500 * MIB,
        }
    ]
    assert Path("facts/cluster.yaml").read_text() == FACTS.format(name="null")


def memory(name: str, value: object) -> Change:
    return lambda receipt: receipt["memory"].__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (memory("process_peak_bytes", None), "an older kavaspec wrote its receipt, without what the process took"),
        (memory("tensors_bytes", None), "its lock does not say what a step takes"),
        (memory("rehearsed_peak_bytes", None), "it was not rehearsed, so no step of full length was measured"),
        (lambda it: it.update(deviations=[{"step": 3}]), "it did not run as locked: its receipt names deviations"),
        (lambda it: it.update(attempts=2), "it was resumed, and only its last attempt was measured"),
        (lambda it: it["files"].update({"kava.lock": "0" * 64}), "its kava.lock is not the one that it ran"),
    ],
    ids=["older", "nobody-tried", "not-rehearsed", "deviated", "resumed", "another-lock"],
)  # fmt: skip
def test_a_run_that_says_nothing_is_left_out(
    change: Change, because: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    run("good")
    run("other", 1000, 9000, change)
    assert main(["calibrate", "runs"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("cpu, by 1 run: 25 % of the tensors in gaps, 250 MiB in libraries\n")
    assert out.endswith(f"left out: runs/other: {because}\n")

    assert main(["calibrate", "runs/other"]) == 2
    assert capsys.readouterr().err == (
        f"error[KV0016]: runs/other calibrates nothing: {because}\n"
        "  name a run that finished in one go, of a lock that was made by this kavaspec\n"
    )


def test_a_receipt_written_by_hand_is_none(folder: Path, capsys: pytest.CaptureFixture[str]):
    run("one")
    path = Path("runs/one/receipt.json")
    path.write_text(path.read_text().replace(str(1500 * MIB), str(1100 * MIB)))
    assert main(["calibrate", "runs"]) == 2
    assert "runs/one calibrates nothing: its receipt is not as it was written" in capsys.readouterr().err  # fmt: skip


def test_a_run_that_goes_on_is_none_yet(folder: Path, capsys: pytest.CaptureFixture[str]):
    run("one")
    Path("runs/one/receipt.json").unlink()
    assert main(["calibrate", "runs"]) == 2
    assert "runs/one calibrates nothing: it is not finished" in capsys.readouterr().err


def test_the_file_of_another_device_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    run("one")
    text = FACTS.format(name="NVIDIA H200")
    Path("facts/cluster.yaml").write_text(text)
    assert main(["calibrate", "runs", "--save", "cluster"]) == 2
    assert capsys.readouterr().err == (
        "error[KV0016]: facts/cluster.yaml is of NVIDIA H200, and these runs were on cpu\n"
        "  name the fact file of the machine that they ran on\n"
    )
    assert Path("facts/cluster.yaml").read_text() == text


def test_a_fact_file_that_is_not_there_is_made_on_its_machine_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    run("one")
    assert main(["calibrate", "runs", "--save", "gone"]) == 8
    assert capsys.readouterr().err == (
        "error[KV0201]: facts/gone.yaml does not exist\n"
        "  make it on that machine: kavaspec facts --save gone\n"
    )


def test_observing_the_machine_again_keeps_what_runs_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    run("one")
    assert main(["calibrate", "runs", "--save", "cluster"]) == 0
    measured = stated_facts(Path("facts/cluster.yaml"))["fact.trial.overhead"]
    assert main(["facts", "--save", "cluster"]) == 0
    assert "kept what runs measured: fact.trial.overhead\n" in capsys.readouterr().err
    assert stated_facts(Path("facts/cluster.yaml"))["fact.trial.overhead"] == measured
