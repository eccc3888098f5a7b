"""`student/README.md`: what the student is, how well it does, and the command that makes it again."""

from __future__ import annotations

from collections.abc import Mapping

from kavaspec.plain import Plain, show

HEAD = """\
---
library_name: transformers
tags:
- distillation
- kavaspec
---
"""

TOLD = {
    "model.teacher.source": "teacher",
    "model.teacher.digest": "its digest",
    "model.student.source": "student",
    "model.student.init": "began as",
    "data.source": "data",
    "data.split": "trained on",
    "data.digest": "its digest",
    "objective.kind": "objective",
    "train.steps": "optimizer steps",
    "train.global_batch": "rows in each",
    "train.precision": "computed in",
    "train.seed": "seed",
}
"""Key -> what the card calls it, in this order; a key that does not apply is left out."""


def card(
    values: Mapping[str, Plain], *, kx: str, kn: str, target: str, result: Mapping[str, float]
) -> str:
    """A model card in Markdown. `values` are those of the lock."""
    rows = [(name, show(values[key])) for key, name in TOLD.items() if values.get(key) is not None]
    judged = [(name, f"{value:.4f}") for name, value in result.items()]
    parts = [
        f"{HEAD}# {_cell(show(values['name']))}",
        "A language model trained by kavaspec from a locked specification.",
        _table([("experiment", kx), ("numerics", kn), ("target", target), *rows]),
        f"## Held-out rows ({_cell(show(values['data.eval_split']))})",
        _table(judged),
        "## Again",
        f"    kavaspec run kava.lock --target {target}",
        "`kava.lock` lies beside this folder in the run's own, with every decision, and `kavaspec verify` proves the run.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
