"""`kavaspec verify RUN [RUN]`: was a run what its lock says, and do two runs agree, step by step?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kavaspec.agreement import Alike, Comparison, compare, parted
from kavaspec.cli.app import shell
from kavaspec.cli.render import Pen, laid_out, print_json, problems_text, table
from kavaspec.errors import Exit, Problem, fail
from kavaspec.plain import counted
from kavaspec.run_record import Record, read_run
from kavaspec.verify import DIFFER, Finding, Verified, problems, verify


def command(
    a: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    b: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Another, to compare with it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> int:
    """Hold a run against its own lock and receipt, or two runs against each other."""
    at = shell()
    if b is not None and a.resolve() == b.resolve():
        hint = "name another run of the same lock: `kavaspec run LOCK --run NAME` makes one"
        raise fail(f"{a} and {b} are one folder", Exit.USAGE, code="KV0008", hint=hint)
    records = [read_run(path) for path in (a, b) if path is not None]
    runs = [verify(record) for record in records]
    found = _compared(records)
    wrong = [problem for run in runs for problem in problems(run)]
    split = parted(found, *(run.folder for run in runs)) if found else None
    wrong += [split] if split else []
    code = DIFFER if wrong else Exit.OK
    if as_json:
        _print_json(runs, found, wrong, code)
        return int(code)
    lines = _one(runs[0], at.out) if found is None else _two(runs[0], runs[1], found, at.out)
    for line in lines:
        at.out.line(line)
    if wrong:
        at.out.line()
        at.out.line(problems_text(wrong, at.out))
    return int(code)


def _compared(records: Sequence[Record]) -> Comparison | None:
    return compare(*records) if len(records) == 2 else None


# ---- one run -----------------------------------------------------------------------------------

_MARKS = {"ok": ("ok", "green"), "wrong": ("NO", "red"), "unproved": ("?", "yellow")}


def _one(run: Verified, pen: Pen) -> Iterator[str]:
    yield f"{run.folder}: target {run.target}, {run.standing}"
    yield ""
    yield from _rows([(_MARKS[it.sure], it.what, it.says) for it in run.findings], pen)
    yield ""
    yield pen(*_said(run))


def _said(run: Verified) -> tuple[str, str, str]:
    """The verdict in a sentence, and its looks."""
    if run.wrong:
        return f"this run is not what its lock and receipt say: {_many(run.wrong)}", "bold", "red"
    if run.state == "finished":
        return "this run is what its lock says", "bold", "green"
    return f"as far as it went ({run.standing}), this run is what its lock says", "bold", "yellow"


def _many(wrong: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(it.what for it in wrong))


def _rows(rows: Sequence[tuple[tuple[str, str], str, str]], pen: Pen) -> Iterator[str]:
    """Aligned, whole, and the mark in its colour."""
    widest = max(len(mark) for (mark, _), *_ in rows)
    lines = laid_out([("", what, says) for _, what, says in rows], _inside(pen, widest))
    marks = iter(rows)
    for line in lines:
        begins = line.startswith("  ") and line[2:3].strip()
        mark, colour = next(marks)[0] if begins else ("", "dim")
        yield pen(mark.ljust(widest), colour) + line


def _inside(pen: Pen, taken: int) -> int | None:
    return None if pen.width is None else pen.width - taken


# ---- two runs ----------------------------------------------------------------------------------


def _two(a: Verified, b: Verified, found: Comparison, pen: Pen) -> Iterator[str]:
    for letter, run in zip("ab", (a, b), strict=True):
        yield f"{letter}  {run.folder}: target {run.target}, {run.standing}"
    yield ""
    rows = [_record(letter, run) for letter, run in zip("ab", (a, b), strict=True)]
    rows += [_ground(it) for it in found.grounds]
    rows.append(_steps(found))
    yield from _rows(rows, pen)
    if found.parting is not None:
        yield ""
        yield from _parting(found, pen)
    yield ""
    colour = "green" if found.kept else "red"
    yield pen(found.verdict, "bold", colour)


def _record(letter: str, run: Verified) -> tuple[tuple[str, str], str, str]:
    what = f"record of {letter}"
    if run.wrong:
        return _MARKS["wrong"], what, f"it is not what was written: {_many(run.wrong)}"
    return _MARKS["ok"], what, "it is what its lock and receipt say"


def _ground(it: Alike) -> tuple[tuple[str, str], str, str]:
    if it.same:
        return _MARKS["ok"], it.what, it.a
    mark = ("?", "yellow") if it.same is None else ("~", "yellow")
    return mark, it.what, f"{it.a} / {it.b}"


def _steps(found: Comparison) -> tuple[tuple[str, str], str, str]:
    promised = found.promise or "nothing"
    because = f" ({found.because})" if found.promise != "bitwise" else ""
    count = counted(found.steps, "step")
    agree = f"{found.agreed} of {count} that both have agree to the bit"
    mark = _MARKS["ok" if found.kept else "wrong"] if found.parting is None else _part(found)
    return mark, "steps", f"{agree}; promised: {promised}{because}"


def _part(found: Comparison) -> tuple[str, str]:
    return ("~", "yellow") if found.kept else _MARKS["wrong"]


def _parting(found: Comparison, pen: Pen) -> Iterator[str]:
    at = found.parting
    assert at is not None
    where = "after the last step" if at.step is None else f"at step {at.step}"
    yield pen(f"they part {where}", "bold")
    rows = [("  ", "a", "b", "")]
    rows += [(f"  {it.what}", it.a, it.b, _SAME[it.same]) for it in at.values]
    yield from table(rows, 1 << 20)
    yield ""
    facts = [("  state before", at.before), ("  likely cause", f"{at.cause}: {at.says}")]
    if found.largest is not None:
        apart = f"{found.largest:.1e} of their size, at step {found.largest_step}"
        facts.append(("  losses apart", f"at most {apart}"))
    facts += [(f"  {it.what}", f"{it.a} / {it.b}") for it in found.results]
    yield from laid_out(facts, pen.width)


_SAME = {True: "same", False: "differs", None: "not in both"}


# ---- json --------------------------------------------------------------------------------------


def _print_json(
    runs: Sequence[Verified], found: Comparison | None, wrong: Sequence[Problem], code: Exit
) -> None:
    print_json(
        "kavaspec.verify/1",
        exit=int(code),
        agree=not wrong,
        runs=runs,
        comparison=found,
        problems=wrong,
    )
