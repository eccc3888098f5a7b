"""Trackers: TensorBoard and W&B read back as their own tools read them; they change no bit and stop no run."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.run import TRACKING
from kavaspec.errors import KavaError
from kavaspec.events import Event
from kavaspec_runtime.run import run
from kavaspec_runtime.trackers import PACKAGES, Trackers, identity, opener
from tests.runtime.results import of

pytestmark = pytest.mark.slow

SHORT = {
    "train__steps": 6,
    "train__warmup_steps": 0,
    "checkpoint__every": 2,
    "eval__exact_match_rows": 0,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TRACKING.items():
        monkeypatch.setenv(name, value)


def tracked(
    world, folder: str, names, *, stop_at: int | None = None, openers=None, **here
) -> list[Event]:
    """A run as the command does it: every event goes to the list and to the trackers."""
    events: list[Event] = []
    lock, at = world.lock(**SHORT), world.at(folder, **here)
    openers = openers or {name: opener(name) for name in names}
    asked = 0

    def stop() -> str | None:
        nonlocal asked
        asked += 1
        return "asked to stop" if asked == stop_at else None

    with Trackers(openers, lock, at, events.append) as trackers:

        def emit(event: Event) -> None:
            events.append(event)
            trackers.tell(event)

        run(lock, at, emit, stop)
    return events


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """As `tensorboard --logdir` shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    read.Reload()
    return {
        tag: [(it.step, it.value) for it in read.Scalars(tag)] for tag in read.Tags()["scalars"]
    }


def texts(folder: Path) -> str:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0})
    read.Reload()
    return "\n".join(
        it.tensor_proto.string_val[0].decode()
        for tag in read.Tags()["tensors"]
        for it in read.Tensors(tag)
    )


def wandb_records(folder: Path) -> list[list]:
    """The records of every offline file of a run: 32 KiB blocks of crc, length, type and bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    files = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        data, at, parts, records = path.read_bytes(), 7, b"", []
        while at + 7 <= len(data):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            _, size, kind = struct.unpack("<IHB", data[at : at + 7])
            parts += data[at + 7 : at + 7 + size]
            at += 7 + size
            if kind in (1, 4):  # whole, or the last part
                records.append(Record.FromString(parts))
                parts = b""
        files.append(records)
    return files


def test_a_run_that_is_followed_is_the_run_that_is_not(world):
    tracked(world, "alone", [])
    events = tracked(world, "followed", list(PACKAGES))
    assert [event for event in of(events, "log") if event.level == "warning"] == []
    for name in ("digest.jsonl", "student/model.safetensors"):
        assert (world.root / "followed" / name).read_bytes() == (
            world.root / "alone" / name
        ).read_bytes()


def test_tensorboard_has_every_number_of_the_events(world):
    events = tracked(world, "run", ["tensorboard"])
    found = scalars(world.root / "run")
    for name in ("loss", "ce", "cosine"):
        expected = [(event.step, event.metrics[name]) for event in of(events, "step")]
        assert found[f"train/{name}"] == [(step, pytest.approx(it)) for step, it in expected]
    [last] = of(events, "eval")[-1:]
    assert found["eval/ce"][-1] == (last.step, pytest.approx(last.metrics["ce"]))
    [end] = of(events, "end")
    assert found["result/cosine"] == [(6, pytest.approx(end.result["cosine"]))]
    assert "kx1:aaaa" in texts(world.root / "run")
    assert "kn1:bbbb" in texts(world.root / "run")
    assert "# kava.lock" in texts(world.root / "run")


def test_steps_that_are_done_again_are_shown_once(world):
    """Stopped at a step, then resumed: one curve without a fold."""
    tracked(world, "run", ["tensorboard"], stop_at=3)
    tracked(world, "run", ["tensorboard"], resume=True)
    steps = [step for step, _ in scalars(world.root / "run")["train/loss"]]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_wandb_has_the_values_of_the_lock_and_its_ids(world):
    events = tracked(world, "run", ["wandb"])
    [records] = wandb_records(world.root / "run")
    [begun] = [record.run for record in records if record.HasField("run")]
    config = {it.key: json.loads(it.value_json) for it in begun.config.update}
    assert (config["kx"], config["kn"], config["target"]) == ("kx1:aaaa", "kn1:bbbb", "here")
    assert config["lock"]["train.steps"] == 6
    assert begun.run_group == "kx1:aaaa"
    assert begun.run_id == identity(world.at("run"))
    rows = [
        {"/".join(it.nested_key) or it.key: json.loads(it.value_json) for it in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert losses == [pytest.approx(event.metrics["loss"]) for event in of(events, "step")]


def test_every_attempt_is_the_same_wandb_run_and_another_run_is_not(world):
    tracked(world, "run", ["wandb"], stop_at=3)
    tracked(world, "run", ["wandb"], resume=True)
    ids = {
        record.run.run_id
        for records in wandb_records(world.root / "run")
        for record in records
        if record.HasField("run")
    }
    assert ids == {identity(world.at("run"))}
    assert identity(world.at("other")) not in ids


class Fails:
    def __init__(self, at: str) -> None:
        self.at = at

    def tell(self, event: Event) -> None:
        if event.ev == self.at:
            raise RuntimeError("no space left\nat all")

    def close(self) -> None:
        if self.at == "close":
            raise OSError("gone")


@pytest.mark.parametrize(
    ("at", "told"), [("step", "RuntimeError: no space left"), ("close", "OSError: gone")]
)
def test_one_that_fails_is_left_out_with_a_warning_and_the_run_goes_on(world, at, told):
    events = tracked(world, "run", [], openers={"mine": lambda lock, here: Fails(at)})
    assert of(events, "end")[0].status == "finished"
    warnings = [event.message for event in of(events, "log") if event.level == "warning"]
    assert warnings == [f"mine follows this run no more: {told}"]


def test_one_that_cannot_be_opened(world):
    def refuses(lock, here):
        raise ValueError("no key")

    events = tracked(world, "run", [], openers={"mine": refuses})
    assert events[0].message == "mine follows this run no more: ValueError: no key"
    assert of(events, "end")[0].status == "finished"


def test_ctrl_c_is_not_a_trackers_failure(world):
    def interrupted(lock, here):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked(world, "run", [], openers={"mine": interrupted})


def test_a_name_that_is_no_tracker_is_refused_before_anything_is_done(
    locked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["run", "kava.lock", "--track", "tensorbord"]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "error[KV0008]: --track tensorbord: there is no such tracker\n  did you mean tensorboard?\n"
    )
    assert captured.out == ""


@pytest.mark.parametrize("name", PACKAGES)
def test_one_whose_package_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, PACKAGES[name], None)
    with pytest.raises(KavaError) as caught:
        opener(name)
    [problem] = caught.value.problems
    assert (problem.exit, problem.code) == (8, "KV0012")
    assert problem.hint == f"pip install 'kavaspec[{name}]'"
