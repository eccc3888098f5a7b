"""Lengths and numbers that do not suit the data are told by `lock`, which writes nothing it cannot keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import lock_text, read_lock, write_lock
from kavaspec.lock.ids import ids


def locks(*settings: str) -> int:
    return main(["lock", *(word for setting in settings for word in ("--set", setting))])


def test_a_length_that_cuts_every_completion_writes_no_lock(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    before = (locked / "kava.lock").read_bytes()
    assert locks("data.max_length=16") == 7
    assert capsys.readouterr().err == (
        "error[KV0758]: data.max_length is 16 tokens, and in at least 10001 of 20000 rows (50.0 %) "
        "the prompt alone fills that: no token of their completion is left, so they teach nothing; "
        "from 26 tokens on most rows keep some\n"
        "  --> --set data.max_length=16\n"
        "  data.max_length = 26\n"
    )
    assert (locked / "kava.lock").read_bytes() == before


def test_a_length_that_cuts_some_rows_is_told_with_their_share(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert locks("data.max_length=56") == 0
    assert capsys.readouterr().err == (
        "· estimating what a step takes on cpu ...\n"
        "warning[KV0759]: data.max_length is 56 tokens: at least 2001 of 20000 rows (10.0 %) are "
        "longer and lose their end, the longest has 65\n"
        "  --> --set data.max_length=56\n"
        '  data.max_length = 65 (or "auto") cuts none\n\n'
    )


def test_more_rows_than_there_are_and_too_few_tokens_are_warnings(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert locks("eval.rows=2000", "eval.max_new_tokens=20") == 0
    assert capsys.readouterr().err == (
        'warning[KV0760]: eval.rows is 2000, but data.eval_split = "test" has 1000 rows: all of '
        "them are judged, and no more\n"
        "  --> --set eval.rows=2000\n"
        "  eval.rows = 1000\n\n"
        "warning[KV0762]: eval.max_new_tokens is 20, and at least 501 of 1000 held-out "
        "completions (50.1 %) are longer, up to 38 tokens: written as in the data, such an answer is "
        "cut before its end, and counts as wrong\n"
        "  --> --set eval.max_new_tokens=20\n"
        "  eval.max_new_tokens = 38\n\n"
    )


def test_an_answer_that_the_student_cannot_hold_is_refused(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert locks("eval.max_new_tokens=256") == 7
    assert capsys.readouterr().err == (
        "error[KV0763]: eval.max_new_tokens is 256, and the shortest held-out prompt has 21 "
        "tokens, but the student reads at most 256: 235 are left for its answer\n"
        "  --> --set eval.max_new_tokens=256\n"
        "  eval.max_new_tokens = 235\n"
    )


def test_a_lock_without_the_newer_facts_stays_fresh_and_is_not_judged_by_them(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    """As an older kavaspec wrote it: its checks judge, and `lock` does not look at the data again."""
    now = read_lock(locked / "kava.lock")
    newer = ("empty_rows", "marked_answers", "prompt_lengths", "question_lengths")
    facts = {name: fact for name, fact in now.facts.items() if name.split(".")[-1] not in newer}
    cpu = now.targets["cpu"]
    guarded = ("train.micro_batch", "train.param_dtype")  # by newer checks
    bare = {
        **cpu.decisions,
        **{key: replace(cpu.decisions[key], guard=()) for key in guarded},
    }
    targets = {"cpu": replace(cpu, decisions=bare)}
    older = replace(now, facts=facts, checks=1, targets=targets)
    write_lock(locked / "kava.lock", lock_text(older))
    old = read_lock(locked / "kava.lock")
    assert set(now.facts) - set(old.facts) == {f"fact.data.{name}" for name in newer}
    assert ids(old, "cpu") == ids(now, "cpu")
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "kava.lock is fresh: 107 decisions derived again, all equal",
        "1 newer rule is available: checks (checks@1 -> checks@4)",
    ]
    assert locks("data.max_length=16") == 0
    assert "KV0758" not in capsys.readouterr().err
