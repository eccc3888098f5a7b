"""Facts about the text of the rows: none lacks a column, which are empty, whose answers are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.facts.probe import Seen
from kavaspec.facts.wanted import ExperimentRequest
from kavaspec.sources.rows import places_of
from kavaspec.template import columns_of, filled, says_nothing

Row = Mapping[str, object]
Splits = Mapping[str, Sequence[Row]]
"""Rows of each split, by its name; one that is trained on and judged by stands there once."""

NAMED = 3
"""So many places are named; the rest is counted."""


def unknown_columns(wanted: ExperimentRequest, splits: Splits) -> list[str]:
    """Columns that the templates name and no row has. The spec's position is a check's affair."""
    there = {name for rows in splits.values() for row in rows for name in row}
    return [name for name in _named(wanted) if name not in there]


def refuse_gaps(wanted: ExperimentRequest, splits: Splits) -> None:
    """Some rows have a column that others lack: a mistake in those rows, not in the template.

    Raises:
        KavaError: exit 7, one problem for each such column, with the places of its first rows.
    """
    unknown = unknown_columns(wanted, splits)
    problems: list[Problem] = []
    for column, key in _named(wanted).items():
        gaps = {
            split: [n for n, row in enumerate(rows) if row.get(column) is None]
            for split, rows in splits.items()
        }
        count = sum(map(len, gaps.values()))
        if column in unknown or not count:
            continue
        have = "has" if count == 1 else "have"
        total = sum(map(len, splits.values()))
        problems.append(
            Problem(
                message=f"{count} of {total} rows {have} no value for the column {column!r}: "
                f"{'; '.join(_first(_places(wanted, gaps, full=True)))}",
                exit=Exit.UNSATISFIABLE,
                code="KV0228",
                key=key,
                hint=f"write {column!r} into each of these rows (null is no value), or take them out",
                about=("data.source",),
            )
        )
    if problems:
        raise KavaError(*problems)


def empty_rows(wanted: ExperimentRequest, splits: Splits) -> Seen:
    """Places of rows that ask nothing or teach nothing.

    Raises:
        KavaError: exit 7, when no row to train on teaches anything.
    """
    if all(says_nothing(wanted.completion, row) for row in splits[wanted.split]):
        raise fail(
            f"every completion of {wanted.split} is empty: {', '.join(columns_of(wanted.completion))} "
            "holds no text in any row",
            Exit.UNSATISFIABLE,
            code="KV0229",
            key="data.completion",
            hint="name the column that holds the text to learn",
        )
    empty = {
        split: [
            n
            for n, row in enumerate(rows)
            if says_nothing(wanted.prompt, row) or says_nothing(wanted.completion, row)
        ]
        for split, rows in splits.items()
    }
    found = _first(_places(wanted, empty, full=False))
    return Seen(value=tuple(found), evidence=f"of {sum(map(len, splits.values()))} rows")


def marked_answers(wanted: ExperimentRequest, held_out: Sequence[Row]) -> Seen:
    """How many held-out completions hold `eval.answer_after`, and how many of the first do."""
    marked = [wanted.answer_after in filled(wanted.completion, row) for row in held_out]
    in_a_row = marked.index(False) if False in marked else len(marked)
    return Seen(
        value={"marked": sum(marked), "in_a_row": in_a_row},
        evidence=f"{wanted.answer_after!r} in {len(marked)} completions of {wanted.eval_split}",
    )


def _named(wanted: ExperimentRequest) -> dict[str, str]:
    """Column -> the key of the first template that names it."""
    prompt = dict.fromkeys(columns_of(wanted.prompt), "data.prompt")
    return {**dict.fromkeys(columns_of(wanted.completion), "data.completion"), **prompt}


def _places(
    wanted: ExperimentRequest, numbers: Mapping[str, Sequence[int]], *, full: bool
) -> list[str]:
    """`train.jsonl:17` for each row; with `full` the path as it was found. Files are read again,
    because only what is wrong needs it.
    """
    assert wanted.data_source is not None
    found: list[str] = []
    for split, chosen in numbers.items():
        if not chosen:
            continue
        places = places_of(wanted.data_source, wanted.data_path, split)
        files = [(str(places[n].file) if full else places[n].file.name, places[n]) for n in chosen]
        found += [f"{file}{place.mark}" for file, place in files]
    return found


def _first(places: Sequence[str]) -> list[str]:
    rest = len(places) - NAMED
    return [*places[:NAMED], *([f"{rest} more"] if rest > 0 else [])]
