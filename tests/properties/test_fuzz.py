"""Whatever is in a file: a Spec, a Lock, or problems with a documented exit code. Never another error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec.errors import Exit, KavaError
from kavaspec.lock.file import parse_lock
from kavaspec.lock.reasons import reasons
from kavaspec.lock.stale import compare
from kavaspec.spec.load import parse_setting, parse_spec
from kavaspec.spec.schema import keys
from tests.effort import effort
from tests.properties.commands import TRIED

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "kava.toml").read_text(encoding="utf-8")
LOCK = (ROOT / "tests/golden/cpu-avx512bf16.lock").read_text(encoding="utf-8")
PIECES = ["", "\n", '"', "'", "=", "[", "]", "{", "}", ".", "#", "auto", "-1", "1e999", "nan", "\x00", "é", "true", "[[a]]", "{ auto = true }", "{auto=true,max=1}", "2024-01-01", '"""']  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """A text with a few cuts, doublings and insertions."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    return text


def outcome(parse, text):
    """The exit code of reading a text; 0 when it can be read."""
    TRIED["texts that are only read"] += 1
    try:
        parse(text)
    except KavaError as error:
        assert all(problem.message for problem in error.problems)
        return error.exit_code
    return Exit.OK


@settings(max_examples=effort(400), deadline=None)
@given(mutated(SPEC))
def test_any_spec(text: str):
    assert outcome(lambda it: parse_spec(it, "kava.toml", set={}), text) in {Exit.OK, Exit.USAGE}


@settings(max_examples=effort(150), deadline=None)
@given(mutated(LOCK))
def test_any_lock(text: str):
    assert outcome(lambda it: parse_lock(it, "kava.lock"), text) in {Exit.OK, Exit.BROKEN}


@settings(max_examples=effort(60), deadline=None)
@given(mutated(SPEC))
def test_any_spec_can_be_held_against_a_lock(text: str):
    lock = parse_lock(LOCK, "kava.lock")
    try:
        spec = parse_spec(text, "kava.toml", set={})
    except KavaError:
        return
    found = compare(spec, lock)
    for reason in reasons(spec, lock, found):
        assert reason.because
        assert reason.change


@settings(max_examples=effort(100), deadline=None)
@given(st.text(max_size=30))
def test_any_setting(text: str):
    assert outcome(parse_setting, text) in {Exit.OK, Exit.USAGE}


@pytest.mark.parametrize(
    "value",
    [
        '"x"',
        "1",
        "-1",
        "1.5",
        "true",
        "[]",
        "{}",
        '["x"]',
        "[1]",
        '"auto"',
        "2024-01-01",
        "{ unset = true }",
    ],
)
def test_every_key_with_every_kind_of_value(value: str):
    """One wrong value, one message about that key; a right value, none."""
    for name in keys():
        text = f"{name} = {value}\n"
        for other in ("data.source", "model.teacher.source"):
            text += "" if name == other else f'{other} = "x"\n'
        try:
            parse_spec(text, "kava.toml", set={})
        except KavaError as error:
            assert [problem.key for problem in error.problems] == [name], (text, error)
