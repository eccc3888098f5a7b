"""Events and their lines: what is written is read again, and no line makes a reader fail."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kavaspec.events import (
    KINDS,
    Deviation,
    Heartbeat,
    Line,
    Metric,
    Step,
    Unknown,
    Unreadable,
    from_line,
    to_line,
)
from tests.tui import made_up

RARE = Line(
    seq=7,
    t=3.0,
    event=Deviation(step=2, key="train.micro_batch", was=8, now=4, because="memory ran out"),
)
LINES = (*made_up.lines(), RARE)
EXAMPLES = {line.event.ev: line for line in LINES}
FIELDS = sorted(
    {item.name for kind in KINDS.values() for item in fields(kind)} | {"ev", "seq", "t"}
)


def spoiled(ev: str, **changes: object) -> str:
    record = json.loads(to_line(EXAMPLES[ev].event, seq=0, t=1.0))
    return json.dumps({**record, **changes})


def test_every_kind_is_read_as_it_was_written():
    assert EXAMPLES.keys() == KINDS.keys()
    for line in LINES:
        assert from_line(to_line(line.event, seq=line.seq, t=line.t)) == line


def test_numbers_that_json_does_not_have():
    event = Step(step=1, tokens=2, metrics={"a": float("inf"), "b": float("-inf")})
    assert from_line(to_line(event, seq=0, t=1.0)) == Line(seq=0, t=1.0, event=event)


def test_a_field_with_a_default_may_be_missing():
    read = from_line('{"seq":0,"t":1,"ev":"step","step":1,"tokens":2}')
    assert read == Line(seq=0, t=1.0, event=Step(step=1, tokens=2))


def test_a_kind_of_a_later_version_is_unknown():
    assert from_line('{"v":9,"seq":0,"t":1,"ev":"hologram"}') == Unknown("hologram")


def test_fields_of_a_later_version_are_ignored():
    assert from_line(spoiled("heartbeat", mood="calm")) == from_line(spoiled("heartbeat"))


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"v":1,"seq":1', "it is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14)"),
        (b"\xff", "it is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ("[" * 100_000, "it is nested too deep"),
        ("[1]", 'it is not an object with "ev"'),
        ('{"ev":["step"]}', 'it is not an object with "ev"'),
        (spoiled("heartbeat", seq=1.5), "heartbeat: seq is 1.5, expected a whole number from 0 to 2**63 - 1"),
        (spoiled("heartbeat", seq=-1), "heartbeat: seq is -1, expected a whole number from 0 to 2**63 - 1"),
        (spoiled("heartbeat", t="x"), "heartbeat: t is 'x', expected a number"),
        (spoiled("heartbeat", t=1e300), "heartbeat: t is 1e+300, expected seconds since 1970"),
        ('{"ev":"heartbeat","seq":0,"t":1}', "heartbeat: step is missing"),
        (spoiled("step", step=True), "step: step is True, expected a whole number from 0 to 2**63 - 1"),
        (spoiled("step", metrics=[1]), "step: metrics is [1], expected an object of numbers"),
        (spoiled("step", metrics={"a": "high"}), "step: metrics is {'a': 'high'}, expected an object of numbers"),
        (spoiled("step", metrics={"a": 10**400}), f"step: metrics is {{'a': 1{'0' * 32}…, expected an object of numbers"),
        (spoiled("run", metrics=[3]), "run: metrics is [3], expected a list of metrics"),
        (spoiled("run", metrics=[{"unit": "ms"}]), "run: name is missing"),
        (spoiled("log", message=None), "log: message is None, expected a text"),
        (spoiled("rehearsal", seconds="1"), "rehearsal: seconds is '1', expected a number"),
    ],
    ids=range(19),
)  # fmt: skip
def test_a_line_that_is_no_event_says_why(text, because):
    assert from_line(text) == Unreadable(because)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from([10**400, 2**63, "nan", "inf", "-inf", *KINDS]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@st.composite
def nearly(draw: st.DrawFn) -> object:
    """An event with a few fields changed or gone."""
    record = json.loads(spoiled(draw(st.sampled_from(sorted(KINDS)))))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        record[name] = draw(JSON)
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=1)):
        record.pop(name, None)
    return record


def holds_its_promise(text: str | bytes) -> None:
    """A line that is read can be written, and read again as the same."""
    read = from_line(text)
    assert isinstance(read, Line | Unknown | Unreadable)
    if isinstance(read, Line):
        written = to_line(read.event, seq=read.seq, t=read.t)
        again = from_line(written)
        assert isinstance(again, Line)
        assert to_line(again.event, seq=again.seq, t=again.t) == written


@given(JSON | nearly())
@example({"ev": "heartbeat", "seq": float("inf"), "t": 1, "step": 1})
@example({"ev": "run", "seq": 0, "t": 1, "metrics": [{"name": 1}]})
def test_no_json_makes_a_reader_fail(value):
    holds_its_promise(json.dumps(value))


@given(st.binary() | st.text())
def test_no_text_makes_a_reader_fail(text):
    holds_its_promise(text)


@given(nearly(), st.data())
def test_no_torn_line_makes_a_reader_fail(value, data):
    text = json.dumps(value)
    holds_its_promise(text[: data.draw(st.integers(0, len(text)))])


def test_types_are_what_they_are_declared_as():
    read = from_line(spoiled("step", metrics={"a": 1, "b": "nan"}))
    assert isinstance(read, Line)
    assert isinstance(read.event, Step)
    assert [type(value) for value in read.event.metrics.values()] == [float, float]
    run = from_line(spoiled("run"))
    assert isinstance(run, Line)
    assert all(isinstance(metric, Metric) for metric in run.event.metrics)  # type: ignore[union-attr]
    assert from_line(spoiled("heartbeat", step=0, seq=0)) == Line(0, 1.0, Heartbeat(step=0))


# ---- a format that others read


RELEASED = Path(__file__).parent / "events" / "v1.jsonl"


def test_every_line_of_the_first_version_is_read_for_ever():
    """Frozen: what was written then means the same now, field for field."""
    lines = RELEASED.read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["ev"] for line in lines} >= {
        *("run", "step", "eval", "rehearsal", "checkpoint", "resume", "deviation"),
        *("log", "heartbeat", "end"),
    }
    for line in lines:
        read = from_line(line)
        assert isinstance(read, Line), line
        again = json.loads(to_line(read.event, seq=read.seq, t=read.t))
        assert {name: again[name] for name in json.loads(line)} == json.loads(line)


def test_the_page_is_what_the_types_say():
    """If not: python scripts/events_page.py."""
    root = Path(__file__).parents[1]
    spec = spec_from_file_location("events_page", root / "scripts/events_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (root / "docs/events.md").read_text(encoding="utf-8")
    assert text == module.page()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == [], "every field means something"
