import io
import json
import time

import pytest

from kavaspec.lock.model import Block, Lock, LockedFact, Target
from kavaspec_tui import plain
from kavaspec_tui.status import Status
from kavaspec_tui.views.decisions import by_target
from tests.tui import made_up


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `sleep` moves; the file grows with it."""

    class Clock:
        now = made_up.T0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def lock():
    block = Block(
        value=8,
        by="micro_batch@1",
        inputs={"train.global_batch": 32, "fact.memory.total_bytes": 8_589_934_592},
        guard=("fact.memory.total_bytes >= 4294967296",),
        provisional=True,
    )
    return Lock(
        version=1,
        set={},
        facts={},
        experiment={"train.global_batch": Block(value=32, by="spec")},
        targets={
            "here": Target(
                facts={"fact.memory.total_bytes": LockedFact(value=8_589_934_592, how="measured", probe="memory@1")},
                decisions={"train.micro_batch": block},
            )
        },
    )  # fmt: skip


def test_watching_prints_a_line_now_and_then_and_what_is_said_at_once(tmp_path, clock, golden):
    def sleep(seconds):
        clock.now += seconds
        if clock.now < made_up.T0 + 80:
            made_up.run_folder(tmp_path, made_up.lines(upto=clock.now - made_up.T0))

    out = io.StringIO()
    end = plain.watch(tmp_path, out=out, interval_s=30, sleep=sleep)
    assert end is Status.CRASHED  # the machine went away for half an hour
    golden("plain-watch", out.getvalue())


def test_watching_a_finished_run_prints_all_of_it_and_ends(tmp_path, golden):
    out = io.StringIO()
    assert plain.watch(made_up.run_folder(tmp_path), out=out) is Status.DONE
    golden("plain-watch-done", out.getvalue())


def test_once_prints_the_run_as_it_is(tmp_path, clock, golden):
    clock.now = made_up.T0 + 60
    out = io.StringIO()
    plain.once(made_up.run_folder(tmp_path, made_up.lines(upto=60)), out=out)
    golden("plain-once", out.getvalue())


def test_an_ascii_stream_gets_only_ascii(tmp_path):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    plain.once(made_up.run_folder(tmp_path), out=out)
    plain.decisions(lock(), {"here": made_up.explanations()}, out=out)
    out.flush()
    assert out.buffer.getvalue().isascii()


def test_no_escape_is_ever_printed(tmp_path):
    evil = made_up.lines(upto=30)
    evil[1] = type(evil[1])(
        seq=2, t=evil[1].t, event=made_up.Log(level="info", message="\x1b[2Jgone\r")
    )
    out = io.StringIO()
    plain.once(made_up.run_folder(tmp_path, evil), out=out)
    assert "\x1b" not in out.getvalue()
    assert " [2Jgone" in out.getvalue()


def test_an_empty_folder_waits(tmp_path):
    out = io.StringIO()
    plain.once(tmp_path, out=out)
    assert out.getvalue().splitlines()[0] == " ◌ WAITING waiting for the first event"


def test_the_run_as_json(tmp_path, clock):
    clock.now = made_up.T0 + 60
    out = io.StringIO()
    plain.once(made_up.run_folder(tmp_path, made_up.lines(upto=60)), out=out, as_json=True)
    record = json.loads(out.getvalue())
    assert {key: record[key] for key in ("schema", "status", "name", "target", "attempt", "step", "total_steps")} == {
        "schema": "kavaspec.tui/1", "status": "LIVE", "name": "kava", "target": "here", "attempt": 1, "step": 280, "total_steps": 600,
    }  # fmt: skip
    assert record["checkpoints"] == [50, 100, 150, 200, 250]
    assert record["metrics"].keys() == {metric.name for metric in made_up.METRICS}
    assert record["held_out"]["cosine_shuffled"] == 0.31
    assert record["alerts"][0]["rule"] == "spike"
    assert record["eta_s"] == pytest.approx(67, abs=1)
    assert record["end"] is None


def test_json_has_no_nan(tmp_path):
    spoiled = [*made_up.lines(upto=10), type(made_up.lines()[0])(seq=999, t=made_up.T0 + 11, event=made_up.step(48, loss=float("nan")))]  # fmt: skip
    out = io.StringIO()
    plain.once(made_up.run_folder(tmp_path, spoiled), out=out, as_json=True)
    assert json.loads(out.getvalue(), parse_constant=pytest.fail)["metrics"]["loss"] is None


def test_the_decisions_of_a_lock(golden):
    out = io.StringIO()
    plain.decisions(lock(), {"here": made_up.explanations()}, out=out)
    golden("plain-decisions", out.getvalue())


def test_the_decisions_as_json():
    out = io.StringIO()
    plain.decisions(lock(), {"here": made_up.explanations()}, out=out, as_json=True)
    record = json.loads(out.getvalue())
    assert record["schema"] == "kavaspec.tui/1"
    found = {one["key"]: one for one in record["targets"]["here"]}
    assert found["train.precision"] == {
        "key": "train.precision",
        "value": "float32",
        "tier": "numerics",
        "by": "precision@1",
        "because": "the processor has no instruction that makes 16-bit products faster",
        "provisional": None,
    }


def test_a_lock_without_its_spec_still_shows_its_values():
    out = io.StringIO()
    plain.decisions(lock(), {}, out=out, width=60)
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "target here: 2 decisions: 1 by rule, 1 yours, 1 provisional",
        "   KEY                VALUE                    RULE",
        " experiment the scientific claim · 1",
        " U train.global_batch 32                       spec",
        " target 1",
        "~R train.micro_batch  8                        micro_batch@1",
    ]
    found = by_target(lock(), {})["here"]["train.micro_batch"]
    assert found.because == "the spec of this lock is not here, so the reason cannot be told"
    assert [(source.name, source.how) for source in found.sources] == [
        ("train.global_batch", "spec"),
        ("fact.memory.total_bytes", "measured by memory@1"),
    ]
