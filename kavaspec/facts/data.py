"""Facts about the data: what it is, how much of it, how long its rows are in the student's tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kavaspec.facts.model import Observation
from kavaspec.facts.models import about, refused
from kavaspec.facts.probe import Child, Missing, NoAnswer, Seen, sign
from kavaspec.facts.wanted import ExperimentRequest
from kavaspec.sources.digest import data_digest, has_tokenizer
from kavaspec.sources.locate import revision_of
from kavaspec.sources.rows import read_rows
from kavaspec.template import columns_of

DATA_PROBE, LENGTHS_PROBE = "data_files@1", "token_lengths@1"
ASSUMED_TOKENS = 512
BATCH_ROWS = 4000
"""Rows that the child measures at once: enough to be fast, few enough to say how far it is."""
BATCH_TIMEOUT_S = 600
QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}

Row = Mapping[str, object]


def observe_data(
    wanted: ExperimentRequest,
    child: Child,
    report: Callable[[str], None],
) -> Observation:
    """Every fact about the data.

    Raises:
        KavaError: exit 8 for a missing file or split, 7 for rows that cannot be used.
    """
    assert wanted.data_source is not None
    report("reading the data ...")
    with about("data.source"):
        rows = read_rows(wanted.data_source, wanted.data_path, wanted.split)
        held_out = read_rows(wanted.data_source, wanted.data_path, wanted.eval_split)
        digest = data_digest(rows, held_out)
    commit = None if wanted.data_path is None else revision_of(wanted.data_path)
    every_row = [*rows, *held_out]
    columns = set(every_row[0]).intersection(*every_row)
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
    signed = sign(DATA_PROBE, files, of=wanted.of_data())
    lengths = {"fact.data.token_lengths": _lengths(wanted, rows, child, report)}
    counted = sign(LENGTHS_PROBE, lengths, of=wanted.of_lengths())
    return Observation(
        facts={**signed.facts, **counted.facts},
        not_found=(*signed.not_found, *counted.not_found),
    )


def quantiles(counts: Sequence[int]) -> dict[str, int]:
    """Nearest-rank quantiles: each is the length of some row."""
    ordered = sorted(counts)
    return {
        name: ordered[max(math.ceil(percent * len(ordered) / 100) - 1, 0)]
        for name, percent in QUANTILES.items()
    }


def _lengths(
    wanted: ExperimentRequest,
    rows: Sequence[Row],
    child: Child,
    report: Callable[[str], None],
) -> Seen | Missing:
    """Measured with the student's tokenizer; assumed where there is none."""
    student = wanted.path("student")
    if student is None:
        return Missing(because="no student is named, whose tokens could be counted")
    if not has_tokenizer(student):
        assumed = dict.fromkeys(QUANTILES, ASSUMED_TOKENS)
        evidence = f"no tokenizer beside the student's config: {ASSUMED_TOKENS} tokens assumed"
        return Seen(value=assumed, evidence=evidence, how="assumed")
    missing = _unknown_columns(wanted, rows)
    if missing:
        return Missing(because=f"a template names {missing[0]}, which is not a column of the data")
    counts: list[int] = []
    while len(counts) < len(rows):
        if len(rows) > BATCH_ROWS:
            report(f"counting tokens: {len(counts)} of {len(rows)} rows ...")
        answer = _count(
            wanted, student, rows[len(counts) : len(counts) + BATCH_ROWS], len(counts), child
        )
        if isinstance(answer, Missing):
            return answer
        counts += answer
    return Seen(value=quantiles(counts), evidence=f"{len(counts)} rows of {wanted.split}")


def _unknown_columns(wanted: ExperimentRequest, rows: Sequence[Row]) -> list[str]:
    """Columns that the templates name and some row lacks. The spec's position is a check's affair."""
    named = [*columns_of(wanted.prompt), *columns_of(wanted.completion)]
    return [name for name in named if any(name not in row for row in rows)]


def _count(
    wanted: ExperimentRequest,
    student: Path,
    rows: Sequence[Row],
    first: int,
    child: Child,
) -> list[int] | Missing:
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
    return list(answer["lengths"])
