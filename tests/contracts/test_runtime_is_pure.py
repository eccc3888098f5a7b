"""The runtime obeys: it detects nothing, reads no environment, has no default, and never says auto."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kavaspec_runtime

FOLDER = Path(kavaspec_runtime.__file__).parent
FILES = sorted(path for path in FOLDER.rglob("*.py") if not path.name.startswith("probe"))

FORBIDDEN = {
    "environ": "reads the environment",
    "environb": "reads the environment",
    "getenv": "reads the environment",
    "is_available": "looks for a device",
    "is_bf16_supported": "asks what a device can do",
    "device_count": "looks for devices",
    "current_accelerator": "looks for a device",
    "get_device_capability": "asks what a device can do",
    "get_device_properties": "asks what a device can do",
    "mem_get_info": "asks what a device has left",
    "cpu_count": "looks at the machine",
    "sched_getaffinity": "looks at the machine",
    "virtual_memory": "looks at the machine",
    "disk_usage": "looks at the machine",
}

ONLY_TOLD = {("memory.py", "process_peak_bytes"): {"mem_get_info"}}
"""What may look, because nothing is decided by it: it is written into the receipt after the last step."""

MODULES = {"platform": "looks at the machine"}

AUTO = re.compile(r"\bauto\b", re.IGNORECASE)


def code(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def violations(tree: ast.Module, file: str = "") -> Iterator[str]:
    told = {
        id(node)
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if getattr(node, "attr", None) in ONLY_TOLD.get((file, function.name), ())
    }
    for node in ast.walk(tree):
        if id(node) in told:
            continue
        yield from _names(node)
        yield from _imports(node)
        yield from _defaults(node)
        yield from _words(node)


def _names(node: ast.AST) -> Iterator[str]:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    if name in FORBIDDEN:
        yield f"line {node.lineno}: {name} {FORBIDDEN[name]}"


def _imports(node: ast.AST) -> Iterator[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
    names += [a.name for a in node.names] if isinstance(node, ast.ImportFrom) else []
    for name in names:
        if name in MODULES or name in FORBIDDEN:
            yield f"line {node.lineno}: imports {name}, which {(MODULES | FORBIDDEN)[name]}"


def _defaults(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        name = getattr(node, "name", "lambda")
        given = [*node.args.defaults, *(value for value in node.args.kw_defaults if value)]
        if given and name != "step":  # torch.optim.Optimizer.step(closure=None) is torch's
            yield f"line {node.lineno}: {name} has default arguments"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        of = getattr(node.func.value, "attr", getattr(node.func.value, "id", ""))
        if node.func.attr == "get" and len(node.args) > 1 and of in ("settings", "values"):
            yield f"line {node.lineno}: a default for a setting"


def _words(node: ast.AST) -> Iterator[str]:
    text = node.value if isinstance(node, ast.Constant) else getattr(node, "id", None)
    if isinstance(text, str) and AUTO.search(text):
        yield f"line {node.lineno}: says auto"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_file_of_the_runtime_only_obeys(path):
    assert list(violations(code(path), path.relative_to(FOLDER).as_posix())) == []


def test_what_is_only_told_may_be_looked_at_there_and_nowhere_else():
    text = "def process_peak_bytes():\n    torch.cuda.mem_get_info()\n"
    assert list(violations(ast.parse(text), "memory.py")) == []
    assert list(violations(ast.parse(text), "run.py")) != []
    assert list(violations(ast.parse(text.replace("process_", "")), "memory.py")) != []


def test_all_of_the_runtime_is_looked_at():
    names = {path.relative_to(FOLDER).as_posix() for path in FILES}
    assert {"run.py", "build.py", "step.py", "objectives/kv.py"} <= names
    assert not any("probe" in name for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\nx = os.environ['A']", "line 2: environ reads the environment"),
        ("from os import getenv", "line 1: imports getenv, which reads the environment"),
        ("import torch\ntorch.cuda.is_available()", "line 2: is_available looks for a device"),
        ("import platform", "line 1: imports platform, which looks at the machine"),
        ("def f(a, b=1): ...", "line 1: f has default arguments"),
        ("def f(*, b=None): ...", "line 1: f has default arguments"),
        ("x = lambda a=1: a", "line 1: lambda has default arguments"),
        ("settings.get('train.steps', 5)", "line 1: a default for a setting"),
        ("dtype = 'auto'", "line 1: says auto"),
    ],
)
def test_a_planted_fault_is_seen(text, expected):
    assert list(violations(ast.parse(text))) == [expected]


def test_classes_of_transformers_may_be_called_auto():
    assert list(violations(ast.parse("AutoModelForCausalLM.from_pretrained"))) == []


def test_only_build_and_objectives_look_things_up():
    """Keys of the lock are read in one place; everything else is given what it needs."""
    reading = {
        path.relative_to(FOLDER).as_posix()
        for path in FILES
        for node in ast.walk(code(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr
        in ("text", "flag", "whole", "number", "limit", "texts", "wholes", "widths")
        and "settings" in ast.unparse(node.func.value)
    }
    assert reading == {"build.py", "objectives/kv.py", "run.py"}
