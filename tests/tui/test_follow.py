import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec_tui import follow, plain
from kavaspec_tui.follow import Follower
from kavaspec_tui.live import Live
from kavaspec_tui.status import Status
from tests.tui import made_up

LINES = made_up.lines(total=20)
TEXT = made_up.written(LINES).encode()


def read_all(follower):
    lines = []
    while True:
        news = follower.poll()
        lines += news.lines
        if not news.more:
            return lines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def test_a_file_that_does_not_exist_yet_has_no_news(path):
    follower = Follower(path)
    assert follower.poll() == follow.News()
    path.write_bytes(TEXT)
    assert read_all(follower) == LINES


def test_a_line_torn_at_any_byte_is_read_once_it_is_whole(path):
    end = TEXT.index(b"\n", TEXT.index(b"\n") + 1) + 1
    for cut in range(end + 1):
        path.write_bytes(TEXT[:cut])
        follower = Follower(path)
        first = follower.poll().lines
        with path.open("ab") as file:
            file.write(TEXT[cut:end])
        assert first + follower.poll().lines == tuple(LINES[:2])
        assert follower.invalid == 0


def test_a_big_file_comes_in_chunks_that_cut_no_line(path, monkeypatch):
    monkeypatch.setattr(follow, "CHUNK_BYTES", 700)
    path.write_bytes(TEXT)
    follower = Follower(path)
    assert follower.poll().more
    follower = Follower(path)
    assert read_all(follower) == LINES
    assert follower.invalid == 0


def test_a_truncated_file_is_read_from_its_start(path):
    path.write_bytes(TEXT)
    follower = Follower(path)
    read_all(follower)
    first = TEXT[: TEXT.index(b"\n") + 1]
    path.write_bytes(first)
    news = follower.poll()
    assert news.restarted
    assert news.lines == (LINES[0],)


def test_a_replaced_file_is_read_from_its_start(path, tmp_path):
    path.write_bytes(TEXT)
    follower = Follower(path)
    read_all(follower)
    other = tmp_path / "other"
    other.write_bytes(TEXT + TEXT)
    os.replace(other, path)
    assert follower.poll().restarted


def test_a_longer_file_with_another_start_is_another_file(path):
    path.write_bytes(TEXT)
    follower = Follower(path)
    read_all(follower)
    with path.open("r+b") as file:
        file.write(TEXT.replace(b'"kava"', b'"teal"'))
        file.write(TEXT)
    news = follower.poll()
    assert news.restarted
    assert news.lines[0].event.name == "teal"


def test_a_deleted_file_keeps_what_was_read(path):
    path.write_bytes(TEXT)
    follower = Follower(path)
    assert len(read_all(follower)) == len(LINES)
    path.unlink()
    assert follower.poll() == follow.News()


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b'{"v":1}',
        b"[1,2]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"v":1,"seq":1e999,"t":1,"ev":"heartbeat","step":1}',
        b'{"v":1,"seq":1,"t":"x","ev":"heartbeat","step":1}',
        b'{"v":1,"seq":1,"t":1,"ev":"heartbeat"}',
        b'{"v":1,"seq":1,"t":1,"ev":"heartbeat","step":"3"}',
        b'{"v":1,"seq":1,"t":1,"ev":"step","step":1,"tokens":2,"metrics":{"loss":"high"}}',
        b'{"v":1,"seq":1,"t":1,"ev":"step","step":1,"tokens":2,"metrics":[1]}',
        b'{"v":1,"seq":1,"t":1,"ev":"step","step":true,"tokens":2,"metrics":{}}',
        b'{"v":1,"seq":1,"t":1,"ev":"log","level":3,"message":"x"}',
        b'{"v":1,"seq":1,"t":1,"ev":"run","metrics":[{"nom":"loss"}]}',
        b'{"v":1,"seq":1,"t":1,"ev":"end","status":"finished","reason":"","step":1,"result":{"a":null}}',
        made_up.written(LINES[:1]).encode().strip().replace(b'"unit":"ms"', b'"unit":[1]'),
        b'{"v":1,"seq":1,"t":1e300,"ev":"heartbeat","step":1}',
        b'{"v":1,"seq":1,"t":NaN,"ev":"heartbeat","step":1}',
        b'{"v":1,"seq":1,"t":1,"ev":"heartbeat","step":-1}',
        b'{"v":1,"seq":1,"t":1,"ev":"step","step":1%s,"tokens":2,"metrics":{}}' % (b"0" * 400),
        b'{"v":1,"seq":1,"t":1,"ev":"step","step":1,"tokens":2,"metrics":{"a":1%s}}' % (b"0" * 400),
    ],
    ids=range(22),
)
def test_a_line_that_is_no_event_is_counted_and_passed_over(path, line):
    path.write_bytes(line + b"\n" + TEXT)
    follower = Follower(path)
    assert read_all(follower) == LINES
    assert (follower.invalid, follower.unknown) == (1, 0)


def test_an_event_of_a_later_version_is_counted_and_passed_over(path):
    record = {"v": 9, "seq": 1, "t": 1.0, "ev": "hologram", "step": 3}
    path.write_bytes(json.dumps(record).encode() + b"\n" + TEXT)
    follower = Follower(path)
    assert read_all(follower) == LINES
    assert (follower.invalid, follower.unknown) == (0, 1)


def test_windows_line_ends_and_empty_lines_do_not_matter(path):
    path.write_bytes(TEXT.replace(b"\n", b"\r\n\r\n"))
    follower = Follower(path)
    assert read_all(follower) == LINES
    assert follower.invalid == 0


def test_an_endless_line_is_passed_over(path, monkeypatch):
    monkeypatch.setattr(follow, "CHUNK_BYTES", 4096)
    path.write_bytes(b"x" * 10_000 + b"\n" + TEXT)
    follower = Follower(path)
    assert read_all(follower) == LINES
    assert follower.invalid == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("nan")
    | st.sampled_from([10**400, -1, 2**63, 1e308, -1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["loss", "name", "a"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=300)
@given(st.data())
def test_no_file_however_spoiled_makes_the_dashboard_fail(tmp_path_factory, data):
    records = [json.loads(line) for line in TEXT.splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        record = data.draw(st.sampled_from(records))
        record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    folder = tmp_path_factory.mktemp("spoiled")
    text = "\n".join(map(json.dumps, records)) + "\n"
    (folder / "events.jsonl").write_text(text, encoding="utf-8")
    for as_json in (False, True):
        plain.once(folder, out=io.StringIO(), as_json=as_json)


# --- a run folder ---


def test_a_folder_is_followed(tmp_path):
    live = Live(tmp_path)
    assert not live.poll()
    assert live.status() is Status.WAITING
    made_up.run_folder(tmp_path, LINES)
    assert live.poll()
    assert not live.poll()
    assert live.state.step == 20
    assert live.status() is Status.DONE
    assert live.read_share == 1.0


def test_another_file_means_another_run(tmp_path):
    made_up.run_folder(tmp_path, LINES)
    live = Live(tmp_path)
    live.poll()
    made_up.run_folder(tmp_path, LINES[:3])
    assert live.poll()
    assert live.state.step == 0
    assert live.state.end is None


def test_a_writer_with_another_clock_is_not_taken_for_dead(tmp_path, monkeypatch):
    """Its clock is an hour behind; what arrives while we look was written now."""
    now = made_up.T0 + 3600
    monkeypatch.setattr("time.time", lambda: now)
    lines = [line for line in made_up.lines() if line.t < made_up.T0 + 20]
    made_up.run_folder(tmp_path, lines[:-5])
    live = Live(tmp_path)
    live.poll()
    assert live.status() is Status.CRASHED
    made_up.run_folder(tmp_path, lines)
    live.poll()
    assert live.status() is Status.LIVE
    assert live.now() == lines[-1].t


def test_a_writer_ahead_of_our_clock_has_no_negative_age(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: made_up.T0 - 500)
    made_up.run_folder(tmp_path, LINES)
    live = Live(tmp_path)
    live.poll()
    assert live.now() == LINES[-1].t
