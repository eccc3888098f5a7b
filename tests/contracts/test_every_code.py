"""Promises that every code of a message keeps: registered, used, one exit code, one real example."""

from __future__ import annotations

import ast
import re
import runpy
from collections import defaultdict
from pathlib import Path

import pytest

from kavaspec.checks import CHECKS
from kavaspec.codes import CODES, GROUPS
from kavaspec.errors import Exit, Problem

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "kavaspec", ROOT / "runtime/kavaspec_runtime", ROOT / "tui/kavaspec_tui")
REGISTRY = ROOT / "kavaspec/codes.py"
FILES = sorted(file for package in PACKAGES for file in package.rglob("*.py") if file != REGISTRY)
MAKERS = ("Problem", "fail")
HINTS = ("hint", "message")


def calls(tree: ast.AST) -> list[ast.Call]:
    """Every call that makes a problem."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS
    ]


def given(call: ast.Call) -> dict[str | None, ast.expr]:
    return {word.arg: word.value for word in call.keywords}


def without_code(source: str) -> list[int]:
    """Lines of a text where a problem is made without a code."""
    return [call.lineno for call in calls(ast.parse(source)) if "code" not in given(call)]


def exits(source: str) -> dict[str, set[tuple[str, bool]]]:
    """Code -> (exit, is it an error), wherever both are written out."""
    found: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for call in calls(ast.parse(source)):
        words = given(call)
        code, exit = words.get("code"), words.get("exit", call.args[1] if call.args[1:] else None)
        severity = words.get("severity")
        warns = isinstance(severity, ast.Constant) and severity.value == "warning"
        if isinstance(code, ast.Constant) and code.value and isinstance(exit, ast.Attribute):
            found[str(code.value)].add((exit.attr, not warns))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_problem_has_a_code(file: Path):
    assert without_code(file.read_text(encoding="utf-8")) == []


def test_the_test_above_sees_a_planted_problem():
    assert without_code("fail('x', Exit.USAGE)") == [1]
    assert without_code("Problem(message='x', exit=e, code='KV0001')") == []


def without_hint(source: str) -> list[int]:
    """Lines of a text where an error is made that does not say what to do."""
    return [call.lineno for call in calls(ast.parse(source)) if "hint" not in given(call)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_problem_says_what_to_do(file: Path):
    assert without_hint(file.read_text(encoding="utf-8")) == []


def test_the_test_above_sees_a_planted_dead_end():
    assert without_hint("fail('x', Exit.USAGE, code='KV0001')") == [1]
    assert without_hint("fail('x', Exit.USAGE, code='KV0001', hint='y')") == []


def test_a_problem_cannot_be_made_without_a_code():
    with pytest.raises(TypeError, match="code"):
        Problem(message="x", exit=Exit.USAGE)  # type: ignore[call-arg]


def test_used_codes_are_the_registered_codes():
    used = {
        code
        for file in FILES
        for code in re.findall(r'"(KV\d{4})"', file.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)


def test_a_code_has_one_exit_code_and_it_is_the_registered_one():
    said: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for file in FILES:
        for code, found in exits(file.read_text(encoding="utf-8")).items():
            said[code] |= found
    registered = {code: {(it.exit.name, True)} for code, it in CODES.items() if it.exit is not None}
    wrong = {
        code: (found, registered.get(code))
        for code, found in said.items()
        if found != registered.get(code, set()) and any(is_error for _, is_error in found)
    }
    assert wrong == {}


def test_every_check_has_a_code_of_its_own():
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("KV07") for code in codes)


def test_the_registry_is_sorted_into_its_groups_and_speaks_in_sentences():
    assert {code[:4] for code in CODES} == set(GROUPS)
    for it in CODES.values():
        assert it.title[0].islower() or it.title[0].isdigit(), it.code
        assert not it.title.endswith("."), it.code
        assert it.meaning.endswith((".", "...")), it.code
        assert it.do.endswith("."), it.code


SCRIPT = runpy.run_path(str(ROOT / "scripts/errors_page.py"))


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_example_that_says_what_to_do(code: str):
    if code == "KV0301":
        assert "fix: kavaspec lock" in SCRIPT["shown_example"](code)
        return
    problem = SCRIPT["example"](code)
    assert (problem.code, bool(problem.hint)) == (code, True)
    ends = None if problem.severity == "warning" else problem.exit
    assert ends == CODES[code].exit


def test_the_page_is_what_the_registry_and_the_examples_give():
    """If not: python scripts/errors_page.py."""
    assert (ROOT / "docs/errors.md").read_text(encoding="utf-8") == SCRIPT["page"]()


def hints(source: str) -> list[str]:
    """The first words of every hint that is written out."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "hint":
            found += _texts(node.value)
        if isinstance(node, ast.Assign) and [
            name for name in node.targets if isinstance(name, ast.Name) and name.id == "hint"
        ]:
            found += _texts(node.value)
    return found


def _texts(value: ast.expr) -> list[str]:
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body), *_texts(value.orelse)]
    if isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
        last = value.values[-1]
        tail = str(last.value) if isinstance(last, ast.Constant) else "{}"
        return [str(value.values[0].value) + " ... " + tail]
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_hints_begin_in_lower_case_and_end_without_a_full_stop(file: Path):
    for hint in hints(file.read_text(encoding="utf-8")):
        assert not hint[:1].isupper(), hint
        assert not (hint.endswith(".") and not hint.endswith("...")), hint


def test_the_test_above_sees_a_planted_hint():
    assert hints('f(hint="Do it.")') == ["Do it."]
    assert hints('hint = f"Do {x}" if x else "Do."') == ["Do  ... {}", "Do."]
