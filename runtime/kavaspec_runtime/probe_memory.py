"""What a training step takes for so many rows at once, asked by the compiler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kavaspec.plain import Plain, freeze
from kavaspec_runtime.estimate import curves
from kavaspec_runtime.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Where the models lie; None for one that is made of the other, or that is not needed."""

    teacher: Path | None
    student: Path | None


def peaks(
    values: Mapping[str, Plain], teacher: str | None, student: str | None, rows: Sequence[int]
) -> Mapping[str, list[list[int]]]:
    """Pairs of rows and bytes, with activations `kept` and with them computed `again`.

    `values` are what the compiler has decided so far.

    Raises:
        KavaError: for configs that cannot be read.
    """
    settings = Settings(
        values={key: freeze(value) for key, value in values.items()}, provisional=frozenset()
    )
    kept, again = curves(settings, Files(teacher=_path(teacher), student=_path(student)), rows)
    return {"kept": _pairs(kept), "again": _pairs(again)}


def _pairs(peaks: Mapping[int, int]) -> list[list[int]]:
    return [[rows, size] for rows, size in sorted(peaks.items())]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
