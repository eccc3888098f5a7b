"""A trained projector on the teacher's side can follow the student anywhere."""

from __future__ import annotations

from kavaspec.checks.check import Check, warning
from kavaspec.errors import Problem


def collapse(side: str, kind: str, ce_weight: float, weight: float) -> Problem | None:
    """Both sides move and nothing holds them: the cosine rises to 1 even for unrelated text."""
    if side != "teacher" or kind == "none" or ce_weight > 0 or weight == 0:
        return None
    return warning(
        "a trained projector on the teacher's side without cross-entropy can collapse; "
        "its cosine cannot tell a good teacher from unrelated text",
        key="objective.kv.projector.side",
        hint='objective.kv.projector.side = "student", or objective.ce_weight = 1.0',
    )


CHECK = Check(
    name="collapse",
    code="KV0717",
    inputs={
        "side": "objective.kv.projector.side",
        "kind": "objective.kv.projector.kind",
        "ce_weight": "objective.ce_weight",
        "weight": "objective.kv.weight",
    },
    veto=collapse,
)
