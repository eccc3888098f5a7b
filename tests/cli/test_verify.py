"""`kavaspec verify`: what a person reads, what a script reads, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.sizes import spelled
from tests.verify import altered

Screen = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def runs(project: Path) -> Path:
    for name in ("steady", "resumed", "flipped"):
        altered.copy(name, project)
    return project


def test_a_finished_run_in_one_page(capsys: Screen):
    assert main(["verify", "resumed"]) == 0
    receipt = json.loads(Path("resumed/receipt.json").read_text(encoding="utf-8"))
    peak = spelled(receipt["memory"]["measured_peak_bytes"], "bytes")
    assert (
        capsys.readouterr().out
        == f"""\
resumed: target here, finished, 12 of 12 steps, 2 attempts

ok  kava.lock     its seals fit, and every decision follows from its own facts
ok  ids           experiment kx1:90c087c5, numerics kn1:6c5d2816 in the lock and in run.json, receipt.json, events.jsonl
ok  digest.jsonl  steps 1 to 12, each once and in order; every seal fits
ok  events.jsonl  loss and gradient norm of every step are those of digest.jsonl
ok  resume        attempt 2 went on from checkpoints/step-7, proof: bitwise
ok  checkpoints   every file of step-12 is what its manifest says
ok  receipt.json  its seal fits; steps, attempts and results are those of events.jsonl
ok  exported      5 files of student/ and projector.safetensors: what the receipt names
ok  versions      kavaspec 0.1.0, python 3.11.7, torch 2.13.0+cpu, transformers 5.23.0, safetensors 0.8.0, tokenizers 0.23.3; as locked where the lock names them
?   memory        peak {peak}; nothing was predicted
?   training      times and memory are as told, and a seal is no signature; that these steps give these weights is shown by a second run: `kavaspec verify resumed OTHER`

this run is what its lock says
"""
    )


def test_what_does_not_fit_is_marked_and_told_with_the_way_out(capsys: Screen):
    Path("steady/projector.safetensors").write_bytes(b"other")
    assert main(["verify", "steady"]) == 12
    out = capsys.readouterr().out
    assert (
        "NO  projector.safetensors  it is not the file that the run wrote: its SHA-256 differs\n"
        in out
    )
    assert out.endswith("""\

this run is not what its lock and receipt say: projector.safetensors

error[KV0821]: steady: projector.safetensors: it is not the file that the run wrote: its SHA-256 differs
  this is not what was written when it ran: take steady from a copy, or run its lock again with `kavaspec run LOCK --run NAME`
""")


def test_an_unfinished_run_is_said_to_be_one(capsys: Screen):
    altered.unfinished(Path("steady"), 7)
    assert main(["verify", "steady"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "steady: target here, no end was written (killed, or it goes on), 7 of 12 steps\n"
    )
    assert out.endswith(
        "as far as it went (no end was written (killed, or it goes on), 7 of 12 steps), "
        "this run is what its lock says\n"
    )


def test_two_runs_that_agree(capsys: Screen):
    assert main(["verify", "steady", "resumed"]) == 0
    assert (
        capsys.readouterr().out
        == """\
a  steady: target here, finished, 12 of 12 steps
b  resumed: target here, finished, 12 of 12 steps, 2 attempts

ok  record of a  it is what its lock and receipt say
ok  record of b  it is what its lock and receipt say
ok  experiment   kx1:90c087c5
ok  numerics     kn1:6c5d2816
ok  device       cpu (1 threads)
ok  versions     kavaspec 0.1.0, python 3.11.7, torch 2.13.0+cpu, transformers 5.23.0, safetensors 0.8.0, tokenizers 0.23.3
ok  steps        12 of 12 steps that both have agree to the bit; promised: bitwise

they agree bit for bit, in all 12 steps that both have
"""
    )


def test_two_runs_that_part(capsys: Screen):
    assert main(["verify", "steady", "flipped"]) == 12
    out = capsys.readouterr().out
    assert (
        out[out.index("NO  steps") :]
        == """\
NO  steps        6 of 12 steps that both have agree to the bit; promised: bitwise

they part at step 7
             a                   b
  batch      aeb18dcba95ab998    aeb18dcba95ab998    same
  loss       8.142292976379395   8.142309665679932   differs
  grad_norm  1.0098698139190674  1.0098696947097778  differs

  state before       not recorded: the weights differed before it, or its forward pass did
  likely cause       unexplained: experiment, numerics, device, versions and rows are the same, and no resume explains it. This should not be: it is a bug, or a fault of a machine
  losses apart       at most 2.0e-06 of their size, at step 7
  ce                 6.143061648498399 / 6.143071435873121
  cosine             -0.005713493563234806 / -0.005713822087273002
  cosine_centred     -0.005890006432309747 / -0.005890075583010912
  cosine_shuffled    -0.005535867443541065 / -0.00553594330267515
  relative_variance  0.9689926207065582 / 0.9689975678920746

they part, and bitwise was promised: the promise is broken

error[KV0822]: steady and flipped part at step 7, though bitwise was promised
  run the lock a third time: the two that agree are right. If none do, report it as a bug with the folders; if one machine is always the odd one, test its memory
"""
    )


def test_what_is_allowed_is_shown_and_ends_well(capsys: Screen):
    altered.events(
        Path("flipped"), lambda it: it.update(device="NVIDIA H200") if it["ev"] == "run" else None
    )
    assert main(["verify", "steady", "flipped"]) == 0
    out = capsys.readouterr().out
    assert "~   device       cpu (1 threads) / NVIDIA H200\n" in out
    assert (
        "~   steps        6 of 12 steps that both have agree to the bit; promised: data_exact "
        "(bits are promised for the same of each: device)\n" in out
    )
    assert out.endswith(
        "they part in bits, which data_exact allows: both read the same rows in the same order\n"
    )


def test_a_run_that_is_not_what_was_written_agrees_with_nothing(capsys: Screen):
    Path("resumed/projector.safetensors").unlink()
    assert main(["verify", "steady", "resumed"]) == 12
    assert (
        "NO  record of b  it is not what was written: projector.safetensors\n"
        in capsys.readouterr().out
    )


# ---- scripts


def test_json_of_one_run(capsys: Screen):
    assert main(["verify", "steady", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["exit"], told["agree"]) == ("kavaspec.verify/1", 0, True)
    assert (told["comparison"], told["problems"]) == (None, [])
    [run] = told["runs"]
    assert (run["folder"], run["state"], run["steps"], run["total"]) == (
        "steady",
        "finished",
        12,
        12,
    )
    assert run["findings"][0] == {
        "what": "kava.lock",
        "sure": "ok",
        "says": "its seals fit, and every decision follows from its own facts",
    }


def test_json_of_two_runs(capsys: Screen):
    assert main(["verify", "steady", "flipped", "--json"]) == 12
    told = json.loads(capsys.readouterr().out)
    assert (told["exit"], told["agree"]) == (12, False)
    found = told["comparison"]
    assert (found["promise"], found["kept"], found["agreed"], found["steps"]) == (
        "bitwise",
        False,
        6,
        12,
    )
    assert (found["parting"]["step"], found["parting"]["cause"]) == (7, "unexplained")
    assert [it["code"] for it in told["problems"]] == ["KV0822"]


# ---- what is no run


def test_a_folder_that_is_no_run_ends_with_8(capsys: Screen):
    assert main(["verify", "."]) == 8
    assert (
        capsys.readouterr().err
        == """\
error[KV0010]: . is not a run folder: it has no run.json
  there are: flipped, resumed, steady
"""
    )


def test_a_broken_lock_ends_with_6(capsys: Screen):
    path = Path("steady/kava.lock")
    path.write_text(path.read_text(encoding="utf-8").replace("value: 12", "value: 13", 1))
    assert main(["verify", "steady"]) == 6
    assert "error[KV0604]" in capsys.readouterr().err


def test_a_run_is_not_compared_with_itself(capsys: Screen):
    assert main(["verify", "steady", "./steady"]) == 2
    assert (
        capsys.readouterr().err
        == """\
error[KV0008]: steady and steady are one folder
  name another run of the same lock: `kavaspec run LOCK --run NAME` makes one
"""
    )


def test_colour_only_where_it_is_wanted(capsys: Screen, monkeypatch: pytest.MonkeyPatch):
    main(["verify", "steady"])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["verify", "steady"])
    assert "\x1b[32mok\x1b[0m  kava.lock" in capsys.readouterr().out
