"""How long is `kavaspec check`, beside `uv lock --check` on projects of about the same size?

    python benchmarks/check_speed.py [--runs 15]

Locks the default spec for this machine, and for 20 targets from the example fact files. The commands
alternate in one run, so that all of them meet the same load; medians are printed. Needs `uv` on the
path (pip install uv) and the package index once, to lock the projects it is compared with.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMALL = ["httpx", "rich", "pydantic", "typer", "textual", "ruamel.yaml", "tokenizers"]
LARGE = [*SMALL, "jupyterlab", "transformers", "datasets", "dask[complete]", "mlflow", "ray[all]"]
PYPROJECT = """\
[project]
name = "demo"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = [{names}]
"""


def main() -> None:
    """Prepare, run in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    kavaspec, uv = [sys.executable, "-m", "kavaspec"], shutil.which("uv")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = lock_for(folder / "one", 0, kavaspec)
        twenty = lock_for(folder / "twenty", 20, kavaspec)
        commands = {
            "kavaspec check, default": (one, [*kavaspec, "check"]),
            "kavaspec check, 20 targets": (twenty, [*kavaspec, "check"]),
            "python -c pass": (one, [sys.executable, "-c", "pass"]),
        }
        if uv is not None:
            small, large = (
                uv_project(folder / "small", SMALL, uv),
                uv_project(folder / "large", LARGE, uv),
            )
            commands["uv lock --check, small"] = (small, [uv, "lock", "--check"])
            commands["uv lock --check, large"] = (large, [uv, "lock", "--check"])
        else:
            print("uv is not on the path: pip install uv")
        seconds, cpu = in_turn(commands, runs)
        print(f"{platform.platform()}, Python {platform.python_version()}, {runs} runs each")
        print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        print(f"{'':30}{'lines':>8}{'median s':>10}{'best s':>8}{'cpu s':>8}")
        for title, (where, _) in commands.items():
            size = sum(len(path.read_text().splitlines()) for path in where.glob("*.lock"))
            wall = seconds[title]
            print(
                f"{title:30}{size:>8}{statistics.median(wall):>10.3f}{min(wall):>8.3f}"
                f"{statistics.median(cpu[title]):>8.3f}"
            )


def lock_for(folder: Path, targets: int, kavaspec: list[str]) -> Path:
    """A folder with the default spec, locked for this machine or for many made-up ones."""
    folder.mkdir()
    text = (ROOT / "kava.toml").read_text(encoding="utf-8")
    files = sorted((ROOT / "examples/facts").glob("*.yaml"))
    for number in range(targets):
        file = files[number % len(files)]
        text += f'\n[targets."{file.stem}-{number}"]\n\nfacts = "{file}"\n'
    (folder / "kava.toml").write_text(text, encoding="utf-8")
    subprocess.run([*kavaspec, "lock"], cwd=folder, check=True, capture_output=True)
    return folder


def uv_project(folder: Path, names: list[str], uv: str) -> Path:
    """A project with these dependencies, locked."""
    folder.mkdir()
    text = PYPROJECT.format(names=", ".join(f'"{name}"' for name in names))
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    subprocess.run([uv, "lock"], cwd=folder, check=True, capture_output=True)
    return folder


def in_turn(
    commands: dict[str, tuple[Path, list[str]]], runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds on the clock and of CPU time of every run; one run of each first, not counted."""
    seconds: dict[str, list[float]] = {title: [] for title in commands}
    cpu: dict[str, list[float]] = {title: [] for title in commands}
    for number in range(runs + 1):
        for title, (folder, command) in commands.items():
            before, start = os.times(), time.perf_counter()
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            if number:
                seconds[title].append(time.perf_counter() - start)
                after = os.times()
                cpu[title].append(
                    after.children_user
                    + after.children_system
                    - before.children_user
                    - before.children_system
                )
    return seconds, cpu


if __name__ == "__main__":
    main()
