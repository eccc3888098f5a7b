"""Reading many steps at once says what reading every line by itself says."""

import functools
import json
import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kavaspec.events import Line, Step, Unknown, Unreadable, from_line
from kavaspec_tui.follow import Follower
from kavaspec_tui.state import State, fold, reduce
from kavaspec_tui.stretch import Stretch, stretch_of
from tests.tui import made_up
from tests.tui.test_state import shown

STEPS = [line for line in made_up.lines(total=30) if isinstance(line.event, Step)]
PLAIN = [text.encode() for text in made_up.written(made_up.lines(total=30)).splitlines()]
ODD = [
    b"", b"\r", b"x", b"null", b'{"ev":"hologram"}', b'{"ev":"step"}', b"\xff",
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":"nan","ce":"-inf"}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":"high"}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":NaN}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":1e999}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":1%s}}' % (b"0" * 400),
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7,"tokens":2,"metrics":{"loss":1,"loss":2}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":7.0,"tokens":2,"metrics":{}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":true,"tokens":2,"metrics":{}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":9223372036854775808,"tokens":2,"metrics":{}}',
    b'{"v":1,"seq":1,"t":1e12,"ev":"step","step":8,"tokens":2,"metrics":{}}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":8,"tokens":2,"metrics":{},"mood":"\xff"}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":8,"tokens":2,"metrics":{"a\\ud800":1}}',
    b'{"ev":"log","message":"\\"ev\\":\\"run\\" \\"ev\\":\\"end\\"","level":"info","seq":1,"t":1}',
    b'{"v":1,"seq":1,"t":1,"ev":"log","level":"info","message":"x","ev":"step"}',
    b'{"v":1,"seq":1,"t":1,"ev":"step","step":9,"tokens":2,"metrics":{"ev":"log"}}',
]  # fmt: skip
NUMBERS = st.floats() | st.sampled_from(["nan", "inf", "-inf", 0, -1, 2**64, None, "high"])


def made(step, metrics):
    record = {"v": 1, "seq": step, "t": 1.0 + step, "ev": "step", "step": step, "tokens": step}
    return json.dumps({**record, "metrics": metrics}).encode()


MADE = st.builds(
    made, st.integers(0, 40), st.dictionaries(st.sampled_from(["loss", "ce", "kv"]), NUMBERS)
)
TEXTS = st.lists(st.sampled_from(PLAIN) | st.sampled_from(ODD) | MADE, max_size=40)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_no_odd_line_is_taken_for_a_step(tmp_path, text):
    path = tmp_path / "events.jsonl"
    path.write_bytes(text + b"\n")
    said = from_line(text)
    lines = Follower(path).poll().lines
    assert list(map(repr, lines)) == ([repr(said)] if isinstance(said, Line) else [])


def told(line: Line) -> str:
    """What a line says: the order of its metrics means nothing. As text, as NaN is not itself."""
    event = line.event
    if isinstance(event, Step):
        event = replace(event, metrics=dict(sorted(event.metrics.items())))
    return repr(replace(line, event=event))


@given(TEXTS)
@example(PLAIN)
@example(ODD)
@example([made(0, {"loss": 0.0, "ce": 0.0}), made(1, {"ce": 0.0, "loss": 0.0})])
@example([b'{"v":1,"seq":1,', b'"t":1,"ev":"step","step":8,"tokens":2,"metrics":{}}'])
def test_every_line_says_what_it_says_by_itself(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    path.write_bytes(b"".join(text + b"\n" for text in texts))
    follower = Follower(path)
    news = follower.poll()
    alone = [from_line(text) for text in texts if text.strip()]
    lines = [one for one in alone if isinstance(one, Line)]
    assert list(map(told, news.lines)) == list(map(told, lines))
    assert follower.unknown == sum(isinstance(one, Unknown) for one in alone)
    assert follower.invalid == sum(isinstance(one, Unreadable) for one in alone)
    one_by_one = functools.reduce(reduce, lines, State())
    for pieces in (news.pieces, lines):
        assert repr(shown(fold(State(), pieces))) == repr(shown(one_by_one))


def test_steps_in_a_row_are_one_stretch(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(made_up.written(made_up.lines()), encoding="utf-8")
    pieces = Follower(path).poll().pieces
    assert sum(isinstance(piece, Line) and isinstance(piece.event, Step) for piece in pieces) < 10
    assert max(len(piece.t) for piece in pieces if isinstance(piece, Stretch)) >= 20


def test_numbers_that_json_does_not_have_stay_in_their_stretch():
    text = b"\n".join(made(step, {"loss": "nan" if step == 2 else 1}) for step in (1, 2, 3))
    stretch = stretch_of(text + b"\n")
    assert stretch is not None
    assert [math.isnan(value) for value in stretch.metrics["loss"]] == [False, True, False]


def test_what_is_not_one_stretch_is_none():
    def read(*texts):
        return stretch_of(b"".join(text + b"\n" for text in texts))

    assert read(made(1, {"a": 1}), made(2, {"a": 1})) is not None
    assert read() is None
    assert read(made(2, {"a": 1}), made(2, {"a": 1})) is None
    assert read(made(1, {"a": 1}), made(2, {"b": 1})) is None
    assert read(made(1, {"a": 1}), made(2, {"a": 1, "b": 1})) is None
    assert read(made(1, {"a": 1, "b": 1}), made(2, {"a": 1})) is None
