"""What may be distilled: one file for each `objective.kind`, with its keys and its presets.

What a kind *does* stands in the file of the same name in `kavaspec_runtime/objectives/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kavaspec.spec.objectives import ce, kv

Kind: TypeAlias = Literal["kv", "ce"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What the compiler knows about a kind without torch."""

    kind: str
    needs_teacher: bool
    presets: dict[str, dict[str, object]]
    """What each preset says, in its newest version."""
    older: dict[str, tuple[dict[str, object], ...]] = field(default_factory=dict)
    """Preset -> what its older versions said, version 1 first. They stay for the locks that hold them."""

    def preset_version(self, name: str) -> int:
        """The newest version of a preset."""
        return len(self.older.get(name, ())) + 1

    def preset(self, name: str, version: int) -> dict[str, object]:
        """What one version of a preset says; nothing, for a kind without this preset."""
        return (*self.older.get(name, ()), self.presets.get(name, {}))[version - 1]


OBJECTIVES: dict[str, Objective] = {
    "kv": Objective(kind="kv", needs_teacher=True, presets=kv.PRESETS),
    "ce": Objective(kind="ce", needs_teacher=False, presets=ce.PRESETS),
}
