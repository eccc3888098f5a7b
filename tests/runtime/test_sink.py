"""Events become lines that survive kills and resumes."""

from __future__ import annotations

import errno
import time

import pytest

from kavaspec.events import Heartbeat, Log, Step, from_line
from kavaspec_runtime import sink as module
from kavaspec_runtime.sink import Sink


def said(message: str) -> Log:
    return Log(level="info", message=message)


def lines(path) -> list:
    return [from_line(text) for text in path.read_bytes().splitlines()]


def test_every_event_is_a_numbered_line(tmp_path):
    path = tmp_path / "run" / "events.jsonl"
    with Sink(path) as sink:
        sink(said("one"))
        sink(said("two"))
    assert [(line.seq, line.event.message) for line in lines(path)] == [(0, "one"), (1, "two")]


def test_nothing_said_leaves_no_file(tmp_path):
    with Sink(tmp_path / "run" / "events.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_second_attempt_goes_on_counting(tmp_path):
    path = tmp_path / "events.jsonl"
    for message in ("first", "second"):
        with Sink(path) as sink:
            sink(said(message))
    assert [line.seq for line in lines(path)] == [0, 1]


def test_a_torn_last_line_is_closed_so_that_the_next_one_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    with Sink(path) as sink:
        sink(said("first"))
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":1,"t":17')
    with Sink(path) as sink:
        sink(said("after"))
    texts = path.read_bytes().splitlines()
    assert len(texts) == 3
    last = from_line(texts[-1])
    assert (last.seq, last.event) == (2, said("after"))


def test_silence_is_filled_with_heartbeats_that_know_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    path = tmp_path / "events.jsonl"
    with Sink(path) as sink:
        sink(Step(step=7, tokens=1))
        deadline = time.monotonic() + 10
        while len(lines(path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert lines(path)[1].event == Heartbeat(step=7)


def test_a_line_is_one_write(tmp_path, monkeypatch):
    writes = []
    real = module.os.write
    monkeypatch.setattr(
        module.os, "write", lambda file, data: writes.append(data) or real(file, data)
    )
    with Sink(tmp_path / "events.jsonl") as sink:
        sink(said("é" * 1000))
    assert len(writes) == 1
    assert writes[0].endswith(b"\n")


def test_a_line_that_is_written_in_parts_is_whole_in_the_end(tmp_path, monkeypatch):
    real = module.os.write
    monkeypatch.setattr(module.os, "write", lambda file, data: real(file, data[:7]))
    with Sink(tmp_path / "events.jsonl") as sink:
        sink(said("one"))
        sink(said("two"))
    assert [line.event for line in lines(tmp_path / "events.jsonl")] == [said("one"), said("two")]


def test_a_network_file_system_that_forgets_the_open_file_is_asked_for_it_again(
    tmp_path, monkeypatch
):
    """As after a server's restart: the handle is dead, the file is there."""
    path = tmp_path / "events.jsonl"
    real, dead = module.os.write, set()

    def write(file, data):
        if file in dead:
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(file, data)

    monkeypatch.setattr(module.os, "write", write)
    with Sink(path) as sink:
        sink(said("one"))
        dead.add(sink._file)
        spare = module.os.open(path, module.os.O_RDONLY)  # the next handle has another number
        held = module.os.dup(sink._file)
        monkeypatch.setattr(module.os, "close", lambda file: None)
        sink(said("two"))
        sink(said("three"))
        monkeypatch.undo()
        for file in (spare, held):
            module.os.close(file)
    assert [(line.seq, line.event.message) for line in lines(path)] == [
        (0, "one"),
        (1, "two"),
        (2, "three"),
    ]


def test_a_file_that_stays_lost_is_an_error_of_the_run(tmp_path, monkeypatch):
    def write(file, data):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(module.os, "write", write)
    with pytest.raises(OSError, match="Stale file handle"), Sink(tmp_path / "e.jsonl") as sink:
        sink(said("one"))


def test_a_slow_file_system_makes_the_run_wait_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    real = module.os.write

    def slow(file, data):
        time.sleep(0.02)
        return real(file, data)

    monkeypatch.setattr(module.os, "write", slow)
    path = tmp_path / "events.jsonl"
    with Sink(path) as sink:
        for step in range(1, 11):
            sink(Step(step=step, tokens=step))
    found = lines(path)
    assert [line.seq for line in found] == list(range(len(found)))
    steps = [line.event for line in found if isinstance(line.event, Step)]
    assert [event.step for event in steps] == list(range(1, 11))
