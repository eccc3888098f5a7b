"""Whatever is in a spec: `fix` never makes it worse, comes to an end, and has nothing to do twice."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec.spec.fix import apply, problems_of, repaired
from kavaspec.spec.schema import keys
from tests.effort import effort
from tests.properties.commands import TRIED

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "kava.toml").read_text(encoding="utf-8")
TAILS = sorted({name.rpartition(".")[2] for name in keys()})
VALUES = [
    "True", "None", '"8"', '"AUTO"', "auto", '"bf16"', "8.0", "{ auto = true, mx = 8 }", "é", "",
    "bf16", "yes", '"no"', "1", "0", ".5", "010", "-3", "1e99", '"x"', "[8]", '["bf16"]', '"0, 1"', "nan",
    '"16GiB"', '"1:00:00"', "12:00:00", '"10 steps"', "8;", "“x”", '"C:\\x"', "'C:\\x'", "{ a = 1 }",
    '{ auto = true, max = "8" }', '{ auto = true, one_of = ["bf16"] }', '{ auto = true, one_of = "cpu" }',
]  # fmt: skip
OF_ITS_OWN = {"KV0101": ("KV0102", "KV0104"), "KV0104": ("KV0102", "KV0104")}
"""Code of a repaired problem -> what was wrong besides, and nobody had come to it: the name is not a
key (or one in the table that it names), or stands on another line too."""
NAMES = sorted({*TAILS, "lr", "batch_size", "max_steps", "output_dir", "teacher", "dtype", "gpus"})


@st.composite
def slips(draw: st.DrawFn) -> str:
    """The embedded default with a few lines misspelt, doubled or given another value."""
    lines = SPEC.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        name, equals, value = lines[at].partition(" = ")
        if not equals:
            lines.insert(at, f"{draw(st.sampled_from(NAMES))} = {draw(st.sampled_from(VALUES))}")
            continue
        cut = draw(st.integers(0, len(name) - 1))
        new = draw(st.sampled_from([name, name[:cut] + name[cut + 1 :], name + name[-1]]))
        lines[at] = f"{new} = {draw(st.sampled_from([value, *VALUES]))}"
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@settings(max_examples=effort(150), deadline=None)
@given(slips())
def test_any_spec(text: str):
    TRIED["specs that are repaired"] += 1
    before = problems_of(text, "kava.toml")
    found = repaired(text, "kava.toml")
    assert found.text.count("\n") == text.count("\n")
    assert found.text.count("\r") == text.count("\r")
    if not found.edits:
        assert (found.text, found.left) == (text, before)
    again = repaired(found.text, "kava.toml")
    assert (again.text, again.edits) == (found.text, ())
    changed = {edit.where.line for edit in found.edits}
    lines = zip(text.split("\n"), found.text.split("\n"), strict=True)
    assert {n for n, (old, new) in enumerate(lines, 1) if old != new} <= changed


@settings(max_examples=effort(200), deadline=None)
@given(slips())
def test_a_way_out_leads_out(text: str):
    """Where a repair was made, nothing is wrong any more, or only what the next repair ends."""
    TRIED["repairs that are applied alone"] += 1
    for problem in problems_of(text, "kava.toml"):
        if problem.fix is None:
            continue
        there = problem.fix.where
        left = problems_of(apply(text, [problem.fix]), "kava.toml")
        stuck = [
            it
            for it in left
            if it.where is not None
            and it.where.line == there.line
            and it.fix is None
            and it.code not in OF_ITS_OWN.get(problem.code, ())
        ]
        assert not stuck, (problem, stuck)
