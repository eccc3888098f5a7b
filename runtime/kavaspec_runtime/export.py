"""What a run leaves for others: a student that loads with `from_pretrained`, and its projector."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from kavaspec.seals import file_digest
from kavaspec_runtime.checkpoint import flush_folder
from kavaspec_runtime.folder import Folder
from kavaspec_runtime.lora import merge
from kavaspec_runtime.objectives.objective import Models


def export(models: Models, tokenizer: Any, folder: Folder, card: str) -> dict[str, str]:
    """Write `student/` with its card, and `projector.safetensors`; SHA-256 of each file by its name.

    Adapters are merged first, so the student in memory is a plain model afterwards.
    """
    merge(models.student)
    aside = folder.student.with_name("student.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    models.student.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    (aside / "README.md").write_text(card, encoding="utf-8", newline="\n")
    shutil.rmtree(folder.student, ignore_errors=True)
    aside.rename(folder.student)
    weights = models.projector.state_dict()
    if weights:
        save_file({name: w.cpu().contiguous() for name, w in weights.items()}, folder.projector)
    for name in _exported(folder):
        (folder.path / name).chmod(
            0o644
        )  # safetensors writes for its owner alone; this is for others
    flush_folder(folder.path)
    return {name: file_digest(folder.path / name) for name in _exported(folder)}


def _exported(folder: Folder) -> list[str]:
    files: list[Path] = [file for file in folder.student.rglob("*") if file.is_file()]
    files += [folder.projector] if folder.projector.exists() else []
    return sorted(file.relative_to(folder.path).as_posix() for file in files)
