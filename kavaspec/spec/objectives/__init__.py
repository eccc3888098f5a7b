"""What may be distilled: one file for each `objective.kind`, with its keys and its presets.

What a kind *does* stands in the file of the same name in `kavaspec_runtime/objectives/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kavaspec.spec.objectives import ce, kv

Kind: TypeAlias = Literal["kv", "ce"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What the compiler knows about a kind without torch."""

    kind: str
    needs_teacher: bool
    presets: dict[str, dict[str, object]]


OBJECTIVES: dict[str, Objective] = {
    "kv": Objective(kind="kv", needs_teacher=True, presets=kv.PRESETS),
    "ce": Objective(kind="ce", needs_teacher=False, presets=ce.PRESETS),
}
