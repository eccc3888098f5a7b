"""What goes wrong around a run: data that goes, clocks that jump, checkpoints of an earlier version."""

from __future__ import annotations

import itertools
import json
import shutil
import time

import pytest

from kavaspec.errors import KavaError
from kavaspec_runtime.checkpoint import file_digest


def digests(world, name: str) -> str:
    return (world.root / name / "digest.jsonl").read_text()


# ---- data


def copied_data(world):
    """The data in a folder that a test may break, as the lock knows it."""
    return shutil.copytree(world.here.data, world.root / "data")


def test_data_that_goes_while_a_run_trains_changes_nothing(world):
    """All rows are in memory before the first step."""
    from kavaspec_runtime.run import run

    world.run("whole")
    data = copied_data(world)

    def emit(event) -> None:
        if event.ev == "step" and event.step == 1:
            shutil.rmtree(data)

    end = run(world.lock(), world.at("parts", data=data), emit, lambda: None)
    assert (end.status, digests(world, "parts")) == ("finished", digests(world, "whole"))


def test_data_that_is_gone_when_a_run_goes_on_is_named_and_the_checkpoint_stays(world):
    data = copied_data(world)
    world.run("parts", stop_at=2, here={"data": data})
    shutil.rmtree(data)
    with pytest.raises(KavaError) as caught:
        world.run("parts", here={"data": data, "resume": True})
    [problem] = caught.value.problems
    assert problem.exit == 8
    assert str(data) in problem.message
    copied_data(world)
    end, _ = world.run("parts", here={"data": data, "resume": True})
    assert end.status == "finished"


def test_one_letter_of_the_data_that_changed_before_a_run_goes_on_is_refused(world):
    data = copied_data(world)
    world.run("parts", stop_at=2, here={"data": data})
    text = (data / "train.jsonl").read_text()
    (data / "train.jsonl").write_text(text.replace("so", "So", 1))
    with pytest.raises(KavaError) as caught:
        world.run("parts", here={"data": data, "resume": True})
    [problem] = caught.value.problems
    assert (problem.exit, problem.code, problem.key) == (4, "KV0405", "data.digest")
    assert problem.message.startswith("the data is sha256:")


# ---- clocks


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0], ids=["a day back", "a day ahead"])
def test_a_clock_that_jumps_at_every_look_changes_no_bit(world, monkeypatch, jump_s):
    """As after a machine wakes, or when a time server corrects it."""
    from kavaspec_runtime.run import run
    from kavaspec_runtime.sink import Sink

    world.run("steady")
    real, jumps = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + jump_s * (next(jumps) % 2))
    path = world.root / "jumping" / "events.jsonl"
    with Sink(path) as sink:
        end = run(world.lock(), world.at("jumping"), sink, lambda: None)
    assert end.status == "finished"
    assert digests(world, "jumping") == digests(world, "steady")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    taken = [line["metrics"]["step_ms"] for line in lines if line["ev"] == "step"]
    assert all(0 < ms < 3_600_000 for ms in taken), (
        "times of steps come from a clock that is never set"
    )


# ---- an earlier version


def test_a_checkpoint_that_does_not_speak_of_deviations_is_gone_on_from(world):
    world.run("whole")
    world.run("parts", stop_at=2)
    folder = world.root / "parts" / "checkpoints" / "step-2"
    state = json.loads((folder / "state.json").read_text())
    del state["deviations"], state["rehearsed_bytes"]
    (folder / "state.json").write_text(json.dumps(state))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["state.json"] = {
        "bytes": (folder / "state.json").stat().st_size,
        "sha256": file_digest(folder / "state.json"),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    end, _ = world.run("parts", here={"resume": True})
    assert (end.status, digests(world, "parts")) == ("finished", digests(world, "whole"))
