"""Which models and data an experiment is about, and where they were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kavaspec.plain import Plain

Role: TypeAlias = Literal["teacher", "student"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentRequest:
    """The part of a spec that facts about models and data depend on.

    A source that is None is not looked at. Revisions and layers are None where the spec leaves them
    out or asks for auto. Paths are where `kavaspec.sources.locate` found the sources.
    """

    teacher_source: str | None = None
    teacher_path: Path | None = None
    teacher_revision: str | None = None
    student_source: str | None = None
    student_path: Path | None = None
    student_revision: str | None = None
    student_init: str = "pretrained"
    student_layers: tuple[int, ...] | None = None
    data_source: str | None = None
    data_path: Path | None = None
    data_revision: str | None = None
    split: str = "train"
    eval_split: str = "test"
    prompt: str = "{question}\n"
    completion: str = "{answer}"
    answer_after: str = "####"

    def path(self, role: Role) -> Path | None:
        """Where the files of a role lie; a student made of teacher layers lives in its teacher."""
        in_teacher = role == "teacher" or self.student_init == "teacher_layers"
        return self.teacher_path if in_teacher else self.student_path

    def of_teacher(self) -> Mapping[str, Plain]:
        """The spec values that facts about the teacher depend on."""
        return {
            "model.teacher.source": self.teacher_source,
            "model.teacher.revision": self.teacher_revision,
        }

    def of_student(self) -> Mapping[str, Plain]:
        """The same for the student."""
        own: dict[str, Plain] = {
            "model.student.source": self.student_source,
            "model.student.revision": self.student_revision,
            "model.student.init": self.student_init,
            "model.student.layers": self.student_layers,
        }
        return {**own, **self.of_teacher()} if self.student_init == "teacher_layers" else own

    def of_data(self) -> Mapping[str, Plain]:
        """The same for the rows of both splits."""
        return {
            "data.source": self.data_source,
            "data.revision": self.data_revision,
            "data.split": self.split,
            "data.eval_split": self.eval_split,
        }

    def of_lengths(self) -> Mapping[str, Plain]:
        """The same for the lengths of rows in the student's tokens."""
        return {**self.of_texts(), **self.of_student()}

    def of_texts(self) -> Mapping[str, Plain]:
        """The same for the text that the templates make of the rows."""
        templates: dict[str, Plain] = {
            "data.prompt": self.prompt,
            "data.completion": self.completion,
        }
        return {**self.of_data(), **templates}

    def of_answers(self) -> Mapping[str, Plain]:
        """The same for the marks of final answers."""
        return {**self.of_texts(), "eval.answer_after": self.answer_after}
