"""`kavaspec why`: everything worth knowing about a key or a fact, and what would change with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from kavaspec.cli import why_text as text
from kavaspec.cli.app import Shell, one_target, shell
from kavaspec.cli.render import print_json
from kavaspec.errors import Exit, KavaError, did_you_mean, fail
from kavaspec.explain import (
    Case,
    all_names,
    checked_by,
    explain,
    is_fact,
    one_lock,
    one_spec,
    open_case,
    tell_fact,
    uses,
)
from kavaspec.explanation import record
from kavaspec.facts.model import Facts
from kavaspec.facts.names import FACTS, kind_of
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import compare
from kavaspec.spec.load import applicable_keys, load_spec
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Spec
from kavaspec.what_if import read_suppositions, what_if
from kavaspec.why_not import why_not


def command(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A key (train.precision), a fact (fact.gpu.name), a table, or a code (KV0301)."
        ),
    ] = None,
    lock: Annotated[Path, typer.Option(help="The lock.")] = Path("kava.lock"),
    spec: Annotated[Path | None, typer.Option(help="The spec; LOCK with .toml by default.")] = None,
    target: Annotated[str | None, typer.Option(help="Which target.")] = None,
    other: Annotated[
        str | None, typer.Option("--not", help="Why the key does not have this value.")
    ] = None,
    supposed: Annotated[
        list[str] | None,
        typer.Option(
            "--if", help="NAME=VALUE of a fact or key: what would change; may be repeated."
        ),
    ] = None,
    uses_of: Annotated[
        bool, typer.Option("--uses", help="Everything that depends on it, as a tree.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON.")] = False,
) -> int:
    """Explain one value, or the code of a message."""
    at = shell()
    _one_question(key, other=other, supposed=supposed, uses_of=uses_of)
    if key is not None and _CODE.fullmatch(key):
        return _explain_code(
            key.upper(), at, alone=not (other or supposed or uses_of), as_json=as_json
        )
    supposition = read_suppositions(supposed or ())
    locked = read_lock(lock)
    name = one_target(locked, target, shared=key in locked.experiment and not supposed)
    locked = one_lock(locked, name)
    behind = spec_behind(locked, spec or lock.with_suffix(".toml"), asked=spec is not None)
    kept = kept_facts(behind, [name]).get(name, {})
    case = open_case(behind.spec, locked, name, kept=kept)
    asked = Question(key=key or "", lock=lock, case=case, behind=behind)
    _refuse_unknown(asked)
    answer = (
        _suppose(asked, supposition)
        if supposed
        else _uses(asked)
        if uses_of
        else _explain_not(asked, other)
        if other is not None
        else _explain(asked)
    )
    if as_json:
        print_json("kavaspec.why/1", **_head(asked), **answer.record)
    else:
        _notes(asked, at)
        for line in answer.lines(at):
            at.out.line(line)
    return int(answer.exit)


_CODE = re.compile(r"(?i)KV\d{4}")


def _explain_code(code: str, at: Shell, *, alone: bool, as_json: bool) -> int:
    """What a code means and what to do; no lock is needed."""
    from kavaspec.codes import CODES  # a hundred texts, for this question only

    known = CODES.get(code)
    if known is None or not alone:
        near = did_you_mean(code, CODES)
        raise fail(
            f"there is no code {code}" if known is None else f"{code} is the code of a message",
            Exit.USAGE,
            code="KV0013",
            hint=f"did you mean {near}?"
            if known is None and near
            else "name it alone: kavaspec why KV0301",
        )
    if as_json:
        print_json("kavaspec.why/1", code=known)
    else:
        for line in text.code_lines(known, at.out):
            at.out.line(line)
    return 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """The spec behind a lock, and where its evidence lies."""

    spec: Spec
    """One that gives the lock: the file, or what the lock tells of it."""
    moved_on: Path | None = None
    """The file, when it is there and says something else by now."""
    fact_files: Mapping[str, Path]
    """Target -> the fact file that the file names."""


def spec_behind(lock: Lock, path: Path, *, asked: bool) -> Behind:
    """The spec that gives this lock: the file, or else what the lock tells of it.

    A lock that was cut down to one target is held against that target of the spec.

    Raises:
        KavaError: exit 6 for a lock with keys that this kavaspec does not know; and what is wrong
            with the file, when it was `asked` for by name.
    """
    _refuse_unknown_keys(lock)
    if not asked and not path.exists():
        return Behind(spec=recover_spec(lock), fact_files={})
    try:
        spec = load_spec(path, set=lock.set)
    except KavaError:
        if asked:
            raise
        return Behind(spec=recover_spec(lock), moved_on=path, fact_files={})
    files = {
        name: path.parent / target.facts
        for name, target in spec.targets.items()
        if target.facts is not None
    }
    known = [name for name in lock.targets if name in spec.targets]
    shown = one_spec(spec, known[0]) if len(lock.targets) == 1 and known else spec
    if compare(shown, lock).fresh:
        return Behind(spec=spec, fact_files=files)
    return Behind(spec=recover_spec(lock), moved_on=path, fact_files=files)


def kept_facts(behind: Behind, targets: Sequence[str]) -> dict[str, Facts]:
    """The facts of the targets' fact files, with evidence. A file that cannot be read has none."""
    if not any(name in behind.fact_files for name in targets):
        return {}
    from kavaspec.facts.file import (
        read_facts,
    )  # only who names fact files waits for the YAML writer

    found: dict[str, Facts] = {}
    for name in targets:
        if name in behind.fact_files:
            try:
                found[name] = read_facts(behind.fact_files[name])
            except KavaError:
                continue  # the lock holds the values; only the evidence is gone, and that is said
    return found


# ---- questions and answers ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What was asked, of which target of which lock."""

    key: str
    lock: Path
    case: Case
    behind: Behind


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, in both forms."""

    record: Mapping[str, Any]
    lines: Any
    """Of a shell: the lines to print."""
    exit: Exit = Exit.OK


def _explain(asked: Question) -> Answer:
    """A key, a fact, or the names of a table."""
    case, name = asked.case, asked.key
    if name in case.blocks:
        told = explain(case, name)
        return Answer(
            record={"explanation": record(told)},
            lines=lambda at: text.explanation_lines(told, at.out),
            exit=Exit.STALE if told.stale else Exit.OK,
        )
    if kind_of(name) is not None:
        fact = tell_fact(case, name)
        return Answer(
            record={"fact": text.fact_record(fact)},
            lines=lambda at: text.fact_lines(fact, str(asked.lock), at.out),
        )
    names = _names_in(case, name)
    return Answer(
        record={"names": text.list_record(case, names)},
        lines=lambda at: text.list_lines(case, names, name, at.out),
    )


def _uses(asked: Question) -> Answer:
    case, name = asked.case, _single(asked)
    found, checks = uses(case, name), checked_by(case, name)
    return Answer(
        record={"name": name, "uses": text.uses_record(found), "checks": list(checks)},
        lines=lambda at: text.uses_lines(case, name, found, checks, at.out),
    )


def _explain_not(asked: Question, other: str) -> Answer:
    if asked.key not in asked.case.blocks:
        what = "a fact is observed, not chosen" if is_fact(asked.key) else "name one key of it"
        raise fail(
            f"--not needs a key, and {asked.key} is none: {what}",
            Exit.USAGE,
            code="KV0013",
            key=asked.key,
            hint=f"suppose it instead: kavaspec why --if {asked.key}={other}"
            if is_fact(asked.key)
            else "for example: kavaspec why train.precision --not float32",
        )
    found = why_not(asked.case, asked.key, other)
    return Answer(
        record={"not": text.why_not_record(found)},
        lines=lambda at: text.why_not_lines(found, at.out),
    )


def _suppose(asked: Question, supposition: Any) -> Answer:
    """What would change; with a key, first its explanation as it would be."""
    found = what_if(asked.case, supposition)
    key = asked.key
    told = explain(found.case, key) if key in found.case.blocks else None
    if key and key not in asked.case.blocks and told is None:
        raise fail(
            f"with --if, name a key to explain; {key} is none",
            Exit.USAGE,
            code="KV0013",
            key=key,
            hint="leave the name out to see all that would change: kavaspec why --if NAME=VALUE",
        )

    def lines(at: Shell) -> Iterator[str]:
        yield from text.outcome_lines(found, at.out)
        if key:
            yield ""
        if told is not None:
            yield from text.explanation_lines(told, at.out)
        elif key:
            yield f"{key} could not be explained: it would have no value"

    return Answer(
        record={"if": text.outcome_record(found)}
        | ({"explanation": None if told is None else record(told)} if key else {}),
        lines=lines,
    )


def _head(asked: Question) -> dict[str, Any]:
    return {
        "lock": str(asked.lock),
        "target": asked.case.target,
        "spec_moved_on": None if asked.behind.moved_on is None else str(asked.behind.moved_on),
        "stale_keys": sorted(asked.case.doubts),
    }


def _notes(asked: Question, at: Shell) -> None:
    moved_on, doubts = asked.behind.moved_on, len(asked.case.doubts)
    if moved_on and not doubts:
        at.err.line(at.err(f"note: {moved_on} has changed since; this is what is locked", "yellow"))
    if doubts:
        keys_are = "1 key of it is" if doubts == 1 else f"{doubts} keys of it are"
        note = f"note: {asked.lock} is stale: {keys_are} not what the rules give; kavaspec check says more"
        at.err.line(at.err(note, "yellow"))


# ---- names -------------------------------------------------------------------------------------


def _one_question(
    key: str | None, *, other: str | None, supposed: Sequence[str] | None, uses_of: bool
) -> None:
    named = [("--not", other is not None), ("--if", bool(supposed)), ("--uses", uses_of)]
    given = [name for name, there in named if there]
    if len(given) > 1:
        message = f"{' and '.join(given)} are different questions"
        raise fail(message, Exit.USAGE, code="KV0013", hint="ask one at a time")
    if not key and given != ["--if"]:
        hint = "name a key, a fact or a table: kavaspec why train.precision"
        raise fail(
            f"why {given[0]} of what?" if given else "why what?",
            Exit.USAGE,
            code="KV0013",
            hint=hint,
        )


def _refuse_unknown(asked: Question) -> None:
    """Exit 2 for a name that this lock does not have, with the nearest one that it has."""
    case, name = asked.case, asked.key
    if not name or name in case.blocks or kind_of(name) is not None or _names_in(case, name):
        return
    if name in keys():
        kind = str(case.lock.values(case.target).get("objective.kind"))
        hint = f'it does not apply with objective.kind = "{kind}"'
        if name in applicable_keys(kind):
            hint = "its block is missing: derive the lock again with `kavaspec lock`"
        raise fail(
            f"{name} is not decided in {asked.lock}", Exit.USAGE, code="KV0009", key=name, hint=hint
        )
    near = did_you_mean(name, [*all_names(case), *FACTS])
    hint = f"did you mean {near}?" if near else "kavaspec lock --all lists every key"
    raise fail(
        f"{name} is not decided in {asked.lock}", Exit.USAGE, code="KV0009", key=name, hint=hint
    )


def _single(asked: Question) -> str:
    """The key or fact that was named, which the lock must hold."""
    case, name = asked.case, asked.key
    if name in case.blocks or name in case.facts:
        return name
    if kind_of(name) is not None:
        raise fail(
            f"{name} is not in {asked.lock}: nothing rests on it",
            Exit.USAGE,
            code="KV0009",
            key=name,
            hint=f"kavaspec why {name} says what it is",
        )
    first = _names_in(case, name)[0]
    message = f"{name} is a table; --uses needs one key or fact"
    raise fail(
        message,
        Exit.USAGE,
        code="KV0013",
        key=name,
        hint=f"for example: kavaspec why {first} --uses",
    )


def _names_in(case: Case, table: str) -> list[str]:
    """Keys and facts of a table: `train`, `objective.kv`, `fact.gpu`."""
    within = f"{table.rstrip('.')}."
    return [name for name in (*case.blocks, *case.facts) if name.startswith(within)]


def _refuse_unknown_keys(lock: Lock) -> None:
    blocks = [lock.experiment, *(target.decisions for target in lock.targets.values())]
    strange = sorted({key for section in blocks for key in section} - set(keys()))
    if strange:
        hint = "use the kavaspec that wrote it, or a newer one; nothing was changed"
        message = f"the lock decides {strange[0]}, which this kavaspec does not know"
        raise fail(message, Exit.BROKEN, code="KV0607", key=strange[0], hint=hint)
