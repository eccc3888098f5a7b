"""The story: real runs of one lock agree to the bit; one in which a bit flips parts exactly there."""

from __future__ import annotations

from pathlib import Path

import pytest

from kavaspec.agreement import compare
from kavaspec.run_record import read_run
from kavaspec.verify import verify
from tests.verify import record

pytestmark = pytest.mark.slow


def test_runs_agree_to_the_bit_until_a_bit_flips(tmp_path: Path):
    folder = record.project(tmp_path)
    runs = [record.steady(folder, "one"), record.steady(folder, "two"), record.flipped(folder)]
    one, two, flipped = map(read_run, runs)
    assert [verify(it).wrong for it in (one, two, flipped)] == [(), (), ()]

    alike = compare(one, two)
    assert (alike.kept, alike.agreed, alike.parting) == (True, 12, None)
    assert (one.exported, one.files) == (two.exported, two.files)

    other = compare(one, flipped)
    assert (other.kept, other.agreed) == (False, record.FLIPPED_STEP)
    assert other.parting is not None
    assert other.parting.step == record.FLIPPED_STEP + 1
    assert other.parting.cause == "unexplained"


def test_a_run_that_is_stopped_and_resumed_agrees_with_one_that_was_left_alone(tmp_path: Path):
    folder = record.project(tmp_path)
    words = ("run", "kava.lock", "--run", "resumed")
    assert record.kavaspec(folder, *words, hook=("stop", record.STOPPED_STEP)) == 85
    half = verify(read_run(record.there(folder, "resumed")))
    assert (half.wrong, half.state, half.steps) == ((), "interrupted", record.STOPPED_STEP)
    assert record.kavaspec(folder, *words, "--resume") == 0
    found = compare(read_run(record.there(folder, "resumed")), read_run(record.steady(folder)))
    assert (found.kept, found.agreed, found.parting) == (True, 12, None)
