"""objective.kv.layer_map: which teacher layers the student's layers are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rejected, Rule, Term, Undecidable
from kavaspec.kv_layout import holders


def layer_map(
    aggregate: str, layers: Sequence[int], student_layout: str, teacher_layout: str
) -> Decision:
    """One teacher layer at the same relative depth for each student layer, or all of them.

    Depth counts only layers that keep keys and values; first maps to first and last to last; a
    half goes to the deeper layer; a student with one layer learns from the teacher's last.

    Raises:
        Undecidable: if the teacher keeps no keys and values, or a student layer keeps none.
    """
    teachers, students = holders(teacher_layout), holders(student_layout)
    if not teachers:
        raise Undecidable(
            f"no layer of the teacher keeps keys and values ({teacher_layout})",
            hint='choose another teacher, or objective.kind = "ce"',
        )
    if aggregate != "none":
        return Decision(
            value=teachers, because=f"{aggregate} takes in all {len(teachers)} teacher layers"
        )
    strangers = [layer for layer in layers if layer not in students]
    if strangers:
        raise Undecidable(
            f"student layer {strangers[0]} keeps no keys and values ({student_layout})",
            hint="leave objective.kv.layers out, or name layers that do",
        )
    terms = tuple(_term(layer, students, teachers) for layer in layers)
    return Decision(
        value=tuple(teachers[int(term.value)] for term in terms),
        because=_because(len(students), len(teachers)),
        rejected=_last_aligned(layers, students, teachers),
        terms=_ends_and_middle(terms),
    )


def _term(layer: int, students: Sequence[int], teachers: Sequence[int]) -> Term:
    """The place of a student layer's partner among the teacher's layers."""
    at, last_student, last_teacher = students.index(layer), len(students) - 1, len(teachers) - 1
    if last_student == 0:
        return Term(name=f"for layer {layer}", formula=f"{last_teacher}", value=last_teacher)
    return Term(
        name=f"for layer {layer}",
        formula=f"(2 * {at} * {last_teacher} + {last_student}) // (2 * {last_student})",
        value=(2 * at * last_teacher + last_student) // (2 * last_student),
    )


def _because(students: int, teachers: int) -> str:
    if students == 1:
        return f"a student with 1 layer learns from the last of {teachers}"
    return f"same depth: {students} student layers over {teachers} teacher layers, ends kept"


def _ends_and_middle(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    if len(terms) <= 3:
        return terms
    return (terms[0], terms[len(terms) // 2], terms[-1])


def _last_aligned(
    layers: Sequence[int], students: Sequence[int], teachers: Sequence[int]
) -> tuple[Rejected, ...]:
    unused = len(teachers) - len(students)
    if unused <= 0 or len(students) == 1:
        return ()
    return (
        Rejected(
            value=tuple(teachers[unused + students.index(layer)] for layer in layers),
            because=f"would never look at the teacher's first {unused} layers",
        ),
    )


RULE = Rule(
    key="objective.kv.layer_map",
    inputs={
        "aggregate": "objective.kv.aggregate",
        "layers": "objective.kv.layers",
        "student_layout": "fact.student.kv_layout",
        "teacher_layout": "fact.teacher.kv_layout",
    },
    decide=layer_map,
)
