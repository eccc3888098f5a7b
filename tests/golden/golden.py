"""The golden locks: the default spec on each example machine. Run this file to write them anew.

python tests/golden/golden.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from kavaspec.compile import Compiled, compile_lock
from kavaspec.project import Project

ROOT = Path(__file__).parents[2]
MACHINES = (
    "rtx4070-windows",
    "rtx4090-linux",
    "v100-sge",
    "a100-slurm",
    "h100-pbs",
    "h200-kubernetes",
    "mi250x-slurm",
    "m2max-mps",
    "cpu-avx512bf16",
    "cpu-avx2-lsf",
)


def golden(machine: str) -> Path:
    return Path(__file__).parent / f"{machine}.lock"


def compile_for(machine: str, folder: Path, *, recall: bool) -> Compiled:
    """Lock the default spec for one example machine, in an empty folder.

    With `recall`, facts about models and data come from the golden lock; otherwise they are
    observed from the builtin model and data.
    """
    name = machine.partition("-")[0]
    text = (ROOT / "kava.toml").read_text(encoding="utf-8")
    (folder / "kava.toml").write_text(
        f'{text}\n[targets.{name}]\n\nfacts = "{machine}.yaml"\n', encoding="utf-8"
    )
    shutil.copy(ROOT / "examples/facts" / f"{machine}.yaml", folder)
    return compile_lock(
        folder / "kava.toml",
        golden(machine) if recall else folder / "kava.lock",
        Project(folder=folder, env={}),
        set={},
        refresh=False,
        only=(),
        report=lambda text: None,
    )


if __name__ == "__main__":
    for machine in MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            text = compile_for(machine, Path(folder), recall=False).text
        golden(machine).write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {golden(machine)}")
