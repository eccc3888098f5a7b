"""Facts about the data: what it is, how much of it, how long its rows are in the student's tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kavaspec.facts import texts
from kavaspec.facts.model import Observation
from kavaspec.facts.models import about, refused
from kavaspec.facts.probe import Child, Missing, NoAnswer, Seen, sign
from kavaspec.facts.wanted import ExperimentRequest
from kavaspec.quantiles import PERCENT, quantiles
from kavaspec.sources.digest import data_digest, has_tokenizer
from kavaspec.sources.locate import revision_of
from kavaspec.sources.rows import read_rows

DATA_PROBE, TEXTS_PROBE, ANSWERS_PROBE = "data_files@1", "row_texts@1", "answer_marks@1"
LENGTHS_PROBE, PARTS_PROBE = "token_lengths@1", "part_lengths@1"
ASSUMED_TOKENS = 512
BATCH_ROWS = 4000
"""Rows that the child measures at once: enough to be fast, few enough to say how far it is."""
BATCH_TIMEOUT_S = 600

Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """The tokens of some rows, one number each."""

    prompts: Sequence[int]
    completions: Sequence[int]

    @property
    def rows(self) -> list[int]:
        """With the end-of-text token."""
        return [a + b + 1 for a, b in zip(self.prompts, self.completions, strict=True)]


def observe_data(
    wanted: ExperimentRequest,
    child: Child,
    report: Callable[[str], None],
) -> Observation:
    """Every fact about the data.

    Raises:
        KavaError: exit 8 for a missing file, 7 for a missing split or rows that cannot be used.
    """
    assert wanted.data_source is not None
    report("reading the data ...")
    with about("data.source"):
        with about("data.split"):
            rows = read_rows(wanted.data_source, wanted.data_path, wanted.split)
        with about("data.eval_split"):
            held_out = read_rows(wanted.data_source, wanted.data_path, wanted.eval_split)
        digest = data_digest(rows, held_out)
    commit = None if wanted.data_path is None else revision_of(wanted.data_path)
    every_row = [*rows, *held_out]
    columns = set(every_row[0]).intersection(*every_row)
    both = {wanted.split: rows, wanted.eval_split: held_out}
    texts.refuse_gaps(wanted, both)
    splits = f"{len(rows)} rows of {wanted.split}, {len(held_out)} of {wanted.eval_split}"
    files = {
        "fact.data.digest": Seen(value=digest, evidence=splits),
        "fact.data.revision": Seen(value=commit, evidence="the folder of the hub's cache")
        if commit
        else Seen(value=None, evidence="it does not come from the hub's cache"),
        "fact.data.rows": Seen(value=len(rows), evidence=wanted.split),
        "fact.data.eval_rows": Seen(value=len(held_out), evidence=wanted.eval_split),
        "fact.data.columns": Seen(value=tuple(sorted(columns)), evidence="of every row"),
    }
    told: dict[str, Seen | Missing]
    unknown = texts.unknown_columns(wanted, both)
    if unknown:
        nothing = Missing(
            because=f"a template names {unknown[0]}, which is not a column of the data"
        )
        told = dict.fromkeys((*_LENGTHS, *_TEXTS), nothing)
    else:
        told = {
            "fact.data.empty_rows": texts.empty_rows(wanted, both),
            "fact.data.marked_answers": texts.marked_answers(wanted, held_out),
            **_lengths(wanted, rows, held_out, child, report),
        }
    return _signed(wanted, {**files, **told})


_LENGTHS = ("fact.data.token_lengths", "fact.data.prompt_lengths", "fact.data.question_lengths")
_TEXTS = ("fact.data.empty_rows", "fact.data.marked_answers")


def _signed(wanted: ExperimentRequest, seen: Mapping[str, Seen | Missing]) -> Observation:
    """Each fact with who saw it, and with the values of the spec that it is about."""
    by = {
        "fact.data.token_lengths": (LENGTHS_PROBE, wanted.of_lengths()),
        "fact.data.prompt_lengths": (PARTS_PROBE, wanted.of_lengths()),
        "fact.data.question_lengths": (PARTS_PROBE, wanted.of_lengths()),
        "fact.data.empty_rows": (TEXTS_PROBE, wanted.of_texts()),
        "fact.data.marked_answers": (ANSWERS_PROBE, wanted.of_answers()),
    }
    files = (DATA_PROBE, wanted.of_data())
    signed = [
        sign(who, {name: item}, of=of)
        for name, item in seen.items()
        for who, of in (by.get(name, files),)
    ]
    return Observation(
        facts={name: fact for each in signed for name, fact in each.facts.items()},
        not_found=tuple(item for each in signed for item in each.not_found),
    )


def _lengths(
    wanted: ExperimentRequest,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    child: Child,
    report: Callable[[str], None],
) -> Mapping[str, Seen | Missing]:
    """Measured with the student's tokenizer. Where there is none, whole rows are assumed, and
    nothing is said about their parts.
    """
    student = wanted.path("student")
    if student is None:
        lacks = Missing(because="no student is named, whose tokens could be counted")
        return dict.fromkeys(_LENGTHS, lacks)
    if not has_tokenizer(student):
        assumed = dict.fromkeys(PERCENT, ASSUMED_TOKENS)
        without = "no tokenizer beside the student's config"
        evidence = f"{without}: {ASSUMED_TOKENS} tokens assumed"
        return {
            **dict.fromkeys(_LENGTHS, Missing(because=without)),
            "fact.data.token_lengths": Seen(value=assumed, evidence=evidence, how="assumed"),
        }
    train = _counted(wanted, student, rows, wanted.split, child, report)
    if isinstance(train, Missing):
        return dict.fromkeys(_LENGTHS, train)
    evidence = f"{len(rows)} rows of {wanted.split}"
    return {
        "fact.data.token_lengths": Seen(value=quantiles(train.rows), evidence=evidence),
        "fact.data.prompt_lengths": Seen(value=quantiles(train.prompts), evidence=evidence),
        "fact.data.question_lengths": _question_lengths(wanted, student, held_out, child, report),
    }


def _question_lengths(
    wanted: ExperimentRequest,
    student: Path,
    held_out: Sequence[Row],
    child: Child,
    report: Callable[[str], None],
) -> Seen | Missing:
    """Of all held-out rows: how many of them are asked is not what they are."""
    found = _counted(wanted, student, held_out, wanted.eval_split, child, report)
    if isinstance(found, Missing):
        return found
    prompts = {"prompt_min": min(found.prompts), "prompt_max": max(found.prompts)}
    return Seen(
        value={**prompts, **quantiles(found.completions)},
        evidence=f"{len(held_out)} rows of {wanted.eval_split}",
    )


def _counted(
    wanted: ExperimentRequest,
    student: Path,
    rows: Sequence[Row],
    split: str,
    child: Child,
    report: Callable[[str], None],
) -> Counted | Missing:
    """The tokens of all rows, counted some thousands at a time."""
    prompts: list[int] = []
    completions: list[int] = []
    while len(prompts) < len(rows):
        first = len(prompts)
        if len(rows) > BATCH_ROWS:
            report(f"counting tokens: {first} of {len(rows)} rows of {split} ...")
        answer = _ask(wanted, student, rows[first : first + BATCH_ROWS], first, child)
        if isinstance(answer, Missing):
            return answer
        prompts += answer.prompts
        completions += answer.completions
    return Counted(prompts=prompts, completions=completions)


def _ask(
    wanted: ExperimentRequest,
    student: Path,
    rows: Sequence[Row],
    first: int,
    child: Child,
) -> Counted | Missing:
    question = {
        "ask": "lengths",
        "path": str(student),
        "prompt": wanted.prompt,
        "completion": wanted.completion,
        "rows": rows,
        "first": first,
    }
    try:
        answer: Mapping[str, Any] = child.ask(question, timeout_s=BATCH_TIMEOUT_S)
    except NoAnswer as error:
        return Missing(because=error.because, hint=error.hint)
    if "error" in answer:
        raise refused(answer, "the data cannot be read as text", None, "data.prompt")
    return Counted(prompts=answer["prompts"], completions=answer["completions"])
