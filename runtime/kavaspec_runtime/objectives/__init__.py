"""What may be distilled: one file for each `objective.kind`, all of the shape in `objective.py`.

What a kind may *say* in kava.toml stands in the file of the same name in `kavaspec/spec/objectives/`.
"""

from __future__ import annotations

from kavaspec_runtime.objectives.ce import CrossEntropy
from kavaspec_runtime.objectives.kv import KeyValue
from kavaspec_runtime.objectives.objective import Objective

OBJECTIVES: tuple[type[Objective], ...] = (KeyValue, CrossEntropy)


def objective_for(kind: str) -> type[Objective]:
    """The class of one `objective.kind`."""
    return {objective.kind: objective for objective in OBJECTIVES}[kind]
