"""The student comes from its own files, or from the teacher's layers: one of the two."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem
from kavaspec.kv_layout import LayoutError, parse_layout


def student_origin(
    init: str, source: str | None, layers: Sequence[int] | None, teacher: str | None
) -> Problem | None:
    """`teacher_layers` needs `layers` and a teacher and no source; the others need a source only."""
    if init == "teacher_layers":
        return _from_teacher(source, layers, teacher)
    if source is None:
        return error(
            f'model.student.init = "{init}" needs model.student.source, and there is none',
            key="model.student.init",
            hint='name a source, or model.student.init = "teacher_layers" with layers',
        )
    if layers is not None:
        return error(
            f'model.student.layers is for init = "teacher_layers", but init is "{init}"',
            key="model.student.layers",
            hint="leave model.student.layers out",
        )
    return None


def _from_teacher(
    source: str | None, layers: Sequence[int] | None, teacher: str | None
) -> Problem | None:
    if teacher is None:
        return error(
            'model.student.init = "teacher_layers" needs a teacher, and there is none',
            key="model.student.init",
            hint="name model.teacher.source",
        )
    if source is not None:
        return error(
            f'model.student.source is "{source}", but init = "teacher_layers" '
            "makes the student from the teacher",
            key="model.student.source",
            hint="leave model.student.source out",
        )
    if layers is None:
        return error(
            'model.student.init = "teacher_layers" needs model.student.layers',
            key="model.student.init",
            hint="model.student.layers = [0, 1, 2, 3]",
        )
    return None


def student_layers_in_teacher(layers: Sequence[int] | None, layout: str) -> Problem | None:
    """Each kept layer exists, once."""
    if layers is None:
        return None
    key = "model.student.layers"
    try:
        count = len(parse_layout(layout))
    except LayoutError:
        return None  # the rule of the width says that the layout cannot be read
    beyond = [layer for layer in layers if layer >= count]
    if beyond:
        return error(
            f"{key} names layer {beyond[0]}, but the teacher has layers 0 to {count - 1}",
            key=key,
            hint=f"{key} = {list(range(min(count, len(layers))))}",
        )
    twice = [layer for layer in layers if list(layers).count(layer) > 1]
    if twice:
        return error(f"{key} names layer {twice[0]} more than once", key=key, hint="name it once")
    return None


CHECKS = (
    Check(
        name="student_origin",
        code="KV0749",
        inputs={
            "init": "model.student.init",
            "source": "model.student.source",
            "layers": "model.student.layers",
            "teacher": "model.teacher.source",
        },
        veto=student_origin,
    ),
    Check(
        name="student_layers_in_teacher",
        code="KV0750",
        inputs={"layers": "model.student.layers", "layout": "fact.teacher.kv_layout"},
        veto=student_layers_in_teacher,
    ),
)
