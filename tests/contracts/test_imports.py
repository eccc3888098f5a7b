"""What may be loaded when: the compiler starts without torch, and only probes look at the machine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "kavaspec", ROOT / "runtime/kavaspec_runtime", ROOT / "tui/kavaspec_tui")
FILES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))

LOOKERS = (
    "kavaspec/facts/",
    "kavaspec/schedulers/",
    "kavaspec/sources/",
    "kavaspec/cli/",
    "kavaspec/preflight.py",
    "kavaspec/run_folder.py",
    "runtime/kavaspec_runtime/probe",
    "tui/kavaspec_tui/app.py",
)
"""Who may look: probes, schedulers, the readers of named files, and the command line, which passes
on what it was called with. Preflight looks at free space and at who has a run folder, the dashboard
at its own terminal."""

LOOKING = {
    "os": {"environ", "getenv", "cpu_count", "sched_getaffinity", "uname"},
    "platform": {"*"},
    "socket": {"*"},
    "shutil": {"disk_usage", "which", "get_terminal_size"},
    "subprocess": {"*"},
    "psutil": {"*"},
}
"""Module -> names whose use looks at a machine."""


def looks(tree: ast.AST) -> set[str]:
    """Every name in a file that looks at a machine."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                name.name
                for name in node.names
                if "*" in LOOKING.get(name.name.partition(".")[0], ())
            }
        elif isinstance(node, ast.ImportFrom) and node.module in LOOKING:
            names = {name.name for name in node.names}
            found |= names if "*" in LOOKING[node.module] else names & LOOKING[node.module]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in LOOKING.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_probes_look_at_the_machine(file: Path):
    name = file.relative_to(ROOT).as_posix()
    if not name.startswith(LOOKERS) and name not in EXCUSED:
        assert looks(ast.parse(file.read_text(encoding="utf-8"))) == set()


EXCUSED = {
    "runtime/kavaspec_runtime/memory.py",  # the peak of its own process, for the receipt
    "runtime/kavaspec_runtime/folder.py",  # whether the process that holds a run folder still lives
}


def test_the_test_above_sees_a_planted_look():
    assert looks(ast.parse("import os\nx = os.environ['A']")) == {"os.environ"}
    assert looks(ast.parse("from os import getenv")) == {"getenv"}
    assert looks(ast.parse("import subprocess")) == {"subprocess"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_says_what_it_is_in_its_first_line(file: Path):
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert doc, "no docstring"
    assert len(doc.splitlines()[0]) <= 120


def loaded(*statements: str) -> set[str]:
    """Modules that are loaded after some statements in a fresh interpreter."""
    code = "; ".join([*statements, "import sys; print(*sys.modules)"])
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(ran.stdout.split())


HEAVY = {"torch", "transformers", "textual", "numpy"}


@pytest.mark.parametrize(
    "module",
    [
        "kavaspec.cli.check",
        "kavaspec.cli.diff",
        "kavaspec.cli.lock",
        "kavaspec.cli.why",
        "kavaspec.cli.run",
        "kavaspec.cli.verify",
        "kavaspec.compile",
        "kavaspec.preflight",
    ],
)
def test_the_compiler_starts_without_torch(module: str):
    assert loaded(f"import {module}") & HEAVY == set()


def test_check_loads_no_probe_no_position_parser_and_no_tables():
    light = loaded("import kavaspec.cli.check")
    assert light & {"rich", "tree_sitter", "psutil", "pynvml", "kavaspec.facts.observe"} == set()


def test_the_dashboard_loads_no_torch():
    assert (
        loaded("import kavaspec_tui.app") & {"torch", "transformers", "kavaspec_runtime"} == set()
    )


POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_needs_posix_to_be_imported(file: Path):
    """Windows has none of these: they are imported inside the function that can do without."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert names & POSIX_ONLY == set()
