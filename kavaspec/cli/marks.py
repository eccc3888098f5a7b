"""What `check` says about lines, for programs that mark them: GitHub's workflow commands, and SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kavaspec import __version__
from kavaspec.codes import CODES
from kavaspec.errors import Problem, Where

if TYPE_CHECKING:
    from kavaspec.lock.reasons import Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One thing at one place."""

    where: Where
    code: str
    title: str
    text: str


def marks(
    lock: Path,
    told: Iterable[tuple[Reason, str]],
    problems: Iterable[Problem],
    *,
    fix: str,
    env: Mapping[str, str],
) -> list[Mark]:
    """One for each cause, which comes with what follows from it; and one for each problem."""
    return [*_causes(lock, told, fix, env), *_problems(lock, problems, env)]


def _causes(
    lock: Path, told: Iterable[tuple[Reason, str]], fix: str, env: Mapping[str, str]
) -> Iterator[Mark]:
    for it, follows in told:
        text = f"{it.key} {it.change}: {it.because}"
        text += f"; with it {follows}" if follows else ""
        text += f". Fix: {fix}" if fix else ""
        where = _place(it.where, lock, env)
        yield Mark(where=where, code="KV0301", title="the lock is stale", text=text)


def _problems(lock: Path, problems: Iterable[Problem], env: Mapping[str, str]) -> Iterator[Mark]:
    for problem in problems:
        text = problem.message + (f". {problem.hint}" if problem.hint else "")
        where = _place(problem.where, lock, env)
        yield Mark(where=where, code=problem.code, title=problem.severity, text=text)


def _place(where: Where | None, lock: Path, env: Mapping[str, str]) -> Where:
    """From the top of the repository, wherever the command was run."""
    where = where or Where(path=str(lock), line=1, column=1)
    path, top = Path(where.path).resolve(), Path(env.get("GITHUB_WORKSPACE") or Path.cwd())
    start = top.resolve() if path.is_relative_to(top.resolve()) else Path.cwd()
    return replace(where, path=Path(os.path.relpath(path, start)).as_posix())


def github_line(mark: Mark) -> str:
    """`::error file=kava.toml,line=3,col=1,title=...::text`, escaped as GitHub reads it."""
    where = mark.where
    escaped = mark.text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    fields = {
        "file": where.path,
        "line": where.line,
        "col": where.column,
        "endColumn": where.column + where.width,
        "title": f"{mark.code}: {mark.title}",
    }
    properties = ",".join(
        f"{name}={str(value).replace('%', '%25').replace(':', '%3A').replace(',', '%2C')}"
        for name, value in fields.items()
    )
    return f"::error {properties}::{escaped}"


def sarif(found: Iterable[Mark]) -> str:
    """One run of one tool, as code scanning reads it."""
    found = list(found)
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "fullDescription": {"text": CODES[code].meaning},
            "help": {"text": CODES[code].do},
        }
        for code in sorted({mark.code for mark in found})
    ]
    driver = {"name": "kavaspec", "version": __version__, "rules": rules}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(mark) for mark in found]}],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _result(mark: Mark) -> dict[str, Any]:
    where = mark.where
    region = {
        "startLine": where.line,
        "startColumn": where.column,
        "endColumn": where.column + where.width,
    }
    place = {"artifactLocation": {"uri": where.path}, "region": region}
    return {
        "ruleId": mark.code,
        "level": "warning" if mark.title == "warning" else "error",
        "message": {"text": mark.text},
        "locations": [{"physicalLocation": place}],
    }
