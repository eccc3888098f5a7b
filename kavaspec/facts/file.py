"""Fact files: what `kavaspec facts --save` writes, people edit, and targets name.

    facts_version: 1
    note: Where these facts come from.

    facts:

      fact.gpu.memory_bytes:
        value: 80GiB                # sizes may be written with a unit
        how: declared
        probe: datasheet@1
        evidence: NVIDIA A100 datasheet

A file is committed and read by others: names of hosts, users and home folders are taken out of it.
"""

from __future__ import annotations

import getpass
import io
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kavaspec.errors import Exit, KavaError, Problem, Where, did_you_mean, fail
from kavaspec.facts.assumed import with_assumptions
from kavaspec.facts.model import TRUST, Fact, Facts
from kavaspec.facts.names import FACTS, FactKind, kind_of
from kavaspec.fast_yaml import UNREADABLE, fast_yaml, first_words
from kavaspec.plain import Plain, freeze, held_within_bounds, show, thaw

VERSION = 1
_TOP = ("facts_version", "note", "facts")
_FIELDS = ("value", "how", "probe", "evidence", "of")
_ANEW = "correct it, or write the file anew: kavaspec facts --save NAME"
_UNITS = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_NO_TEXT_IN_YAML_1_1 = re.compile(
    r"(?i)y|yes|n|no|true|false|on|off|null|~|[-+]?\.(inf|nan)|[-+.]?[0-9][0-9a-fxob_:.tz +-]*"
)
_TWICE = re.compile(r'found duplicate key "([^"]+)"')
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)")


def write_facts(path: Path, facts: Facts, *, note: str) -> None:
    """Write a fact file, with everything private taken out of its evidence.

    Raises:
        KavaError: exit 8, when it cannot be written.
    """
    _write(path, facts_text(facts, note=note, private=private_words()))


def put_fact(path: Path, name: str, fact: Fact) -> None:
    """Say one fact in a fact file, anew or for the first time; its other facts and comments stay.

    Raises:
        KavaError: as `stated_facts`; exit 8 when it cannot be written.
    """
    stated_facts(path)  # what is wrong in it is told before anything is written
    top = _yaml().load(path.read_text(encoding="utf-8"))
    block, table = _block(fact, private_words()), top["facts"]
    if isinstance(table.get(name), Mapping):
        for word in [word for word in table[name] if word not in block]:
            del table[name][word]
        table[name].update(block)
    else:
        table[name] = block
        table.yaml_set_comment_before_after_key(name, before="\n")
    _write(path, _text(top))


def _write(path: Path, text: str) -> None:
    from kavaspec.replace import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise fail(
            f"{path} cannot be written: {error.strerror}",
            Exit.ENVIRONMENT,
            code="KV0003",
            hint="choose a folder that you may write to",
        ) from error


def facts_text(facts: Facts, *, note: str, private: Mapping[str, str]) -> str:
    """The text of a fact file: sorted by name, a blank line before each fact."""
    from ruamel.yaml.comments import CommentedMap

    table = CommentedMap()
    for name in sorted(facts):
        table[name] = _block(facts[name], private)
        table.yaml_set_comment_before_after_key(name, before="\n")
    top = CommentedMap(facts_version=VERSION, note=redact(note, private), facts=table)
    top.yaml_set_comment_before_after_key("facts", before="\n")
    return _text(top)


def _text(top: object) -> str:
    stream = io.StringIO()
    _yaml().dump(top, stream)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def read_facts(path: Path) -> Facts:
    """The facts of a file, with what kavaspec assumes where the file says nothing.

    Raises:
        KavaError: as `stated_facts`.
    """
    return with_assumptions(stated_facts(path))


def stated_facts(path: Path) -> Facts:
    """The facts that a file states.

    Raises:
        KavaError: exit 8 when it cannot be read; exit 2 with every mistake in it, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise fail(
            f"{path} does not exist",
            Exit.ENVIRONMENT,
            code="KV0201",
            hint=f"make it on that machine: kavaspec facts --save {path.stem}",
        ) from None
    except IsADirectoryError:
        raise fail(
            f"{path} is a folder, not a fact file",
            Exit.ENVIRONMENT,
            code="KV0201",
            hint="name the file, such as facts/cluster.yaml",
        ) from None
    except OSError as error:
        raise fail(
            f"{path} cannot be read: {error.strerror}",
            Exit.ENVIRONMENT,
            code="KV0201",
            hint="check its permissions",
        ) from error
    except UnicodeDecodeError as error:
        raise fail(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}",
            Exit.ENVIRONMENT,
            code="KV0201",
            hint="save it as UTF-8",
        ) from error
    quick = _Reader(path, text, _quick_tree(text))
    found = dict(quick.found())
    if not quick.problems:
        return found
    return _Reader(path, text, None).facts()  # slowly, with the place of each mistake


def size_bytes(text: str) -> int | None:
    """`80GiB` as a number of bytes, or None when it is not a size."""
    match = _SIZE.fullmatch(text.strip())
    return round(float(match[1]) * 2 ** _UNITS[match[2]]) if match else None


def private_words() -> dict[str, str]:
    """What has to be taken out of a file on this machine, and what to put there instead."""
    words = {str(Path.home()): "~"}
    for name in _host_names():
        words[name] = "<host>"
    for name in _user_names():
        words[name] = "<user>"
    return {word: instead for word, instead in words.items() if len(word) > 2}


def redact(text: str, private: Mapping[str, str]) -> str:
    """The text without private words; only whole words are replaced, the longest first."""
    for word in sorted(private, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", private[word], text)
    return text


def _host_names() -> Iterator[str]:
    full = socket.gethostname()
    yield from (full, full.partition(".")[0])
    yield from (os.environ[name] for name in ("HOSTNAME", "SLURMD_NODENAME") if name in os.environ)


def _user_names() -> Iterator[str]:
    yield from (os.environ[name] for name in ("USER", "LOGNAME", "USERNAME") if name in os.environ)
    try:
        yield getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in some containers
        return


def _block(fact: Fact, private: Mapping[str, str]) -> dict[str, object]:
    block: dict[str, object] = {"value": _flow(fact.value), "how": fact.how, "probe": fact.probe}
    if fact.evidence:
        block["evidence"] = redact(fact.evidence, private)
    if fact.of:
        block["of"] = thaw(fact.of)
    return block


def _flow(value: Plain) -> object:
    """Lists and tables on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if not isinstance(value, Mapping | tuple | list):
        return value
    kind = CommentedMap if isinstance(value, Mapping) else CommentedSeq
    flow = kind(thaw(value))
    flow.fa.set_flow_style()
    return flow


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(type(None), _write_none)
    yaml.representer.add_representer(str, _write_text)
    return yaml


def _write_text(representer: Any, text: str) -> Any:
    """Text that YAML 1.1 would take for a number, a truth or a time is quoted."""
    style = "'" if _NO_TEXT_IN_YAML_1_1.fullmatch(text) else None
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _write_none(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _quick_tree(text: str) -> Any:
    """The tree as libyaml reads it, ten times as fast; nothing for a text that it refuses."""
    from ruamel.yaml.error import YAMLError

    try:
        return fast_yaml(text)
    except (YAMLError, TypeError, *UNREADABLE):  # the slow reader says what is wrong
        return ()


class _Reader:
    """Turns the text into facts and collects every problem on the way.

    A tree that was read before has no places; without one the text is read with them.
    """

    def __init__(self, path: Path, text: str, tree: Any) -> None:
        self.path, self.lines = path, text.splitlines()
        self.problems: list[Problem] = []
        self.tree = self._parse(text) if tree is None else tree

    def facts(self) -> dict[str, Fact]:
        found = dict(self.found())
        if self.problems:
            raise KavaError(*sorted(self.problems, key=_position))
        return found

    def _parse(self, text: str) -> Any:
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        for number, said in enumerate(self.lines):
            if said.startswith(("<<<<<<< ", ">>>>>>> ")):
                message = "this line is left from a merge that was not finished"
                hint = "keep one side, or what is true of both, and remove the markers"
                raise KavaError(self._problem(message, number, 0, hint=hint))
        try:
            return held_within_bounds(_yaml().load(text))
        except TypeError as error:
            message = f"no fact file holds this: {error}"
            raise KavaError(self._problem(message, 0, 0, hint=_ANEW)) from error
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = str(error.problem or "it is not YAML").splitlines()[0]
            line, column = (mark.line, mark.column) if mark else (0, 0)
            message, hint = f"this is not YAML: {what}", _ANEW
            if (twice := _TWICE.match(what)) is not None:
                message, hint = f"{twice[1]} is given twice", "keep one of them"
            raise KavaError(self._problem(message, line, column, hint=hint)) from error
        except (YAMLError, *UNREADABLE) as error:
            message = f"this is not YAML: {first_words(error)}"
            raise KavaError(self._problem(message, 0, 0, hint=_ANEW)) from error

    def found(self) -> Iterator[tuple[str, Fact]]:
        """Facts without a mistake, by name; the mistakes are kept in `problems`."""
        if not isinstance(self.tree, Mapping):
            self._note("expected a table with facts_version and facts", 0, 0)
            return
        self._unknown(self.tree, _TOP, "")
        if self.tree.get("facts_version") != VERSION:
            said = self.tree.get("facts_version")
            self._at(
                self.tree, "facts_version", f"facts_version: {said}, this kavaspec reads {VERSION}"
            )
        table = self.tree.get("facts")
        if not isinstance(table, Mapping):
            self._at(self.tree, "facts", "facts: expected a table of facts")
            return
        for name in table:
            fact = self._fact(table, str(name))
            if fact is not None:
                yield str(name), fact

    def _fact(self, table: Any, name: str) -> Fact | None:
        kind, block = kind_of(name), table[name]
        if kind is None:
            near = did_you_mean(name, FACTS)
            hint = f"did you mean {near}?" if near else "`kavaspec facts` lists every fact"
            self._at(table, name, f"{name} is not a fact", code="KV0203", key=name, hint=hint)
            return None
        if not isinstance(block, Mapping) or "value" not in block:
            self._at(table, name, f"{name}: expected value, how and probe", key=name)
            return None
        before = len(self.problems)
        self._unknown(block, _FIELDS, name)
        value = self._value(block, name, kind)
        if block.get("how") not in TRUST:
            said = f"how is {block.get('how')}, expected one of {', '.join(TRUST)}"
            self._at(block, "how", f"{name}: {said}", code="KV0204", key=name)
        for word in ("probe", "evidence"):
            if not isinstance(block.get(word, ""), str):
                self._at(block, word, f"{name}: {word} is not a text", code="KV0204", key=name)
        of = self._plain(block, "of", name) if block.get("of") is not None else {}
        if len(self.problems) > before:
            return None
        return Fact(
            value=value,
            how=block["how"],
            probe=str(block.get("probe", "file@1")),
            evidence=str(block.get("evidence", "")),
            of=of if isinstance(of, Mapping) else {},
        )

    def _value(self, block: Any, name: str, kind: FactKind) -> Plain:
        value = self._plain(block, "value", name)
        if kind.unit == "bytes" and isinstance(value, str):
            value = size_bytes(value) if size_bytes(value) is not None else value
        wrong = kind.wrong(value)
        if wrong is not None:
            example = ", for example 80GiB" if kind.unit == "bytes" else ""
            message = f"{name}: {wrong}{example}, got {show(value)}"
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            text = kind.type == "text" and is_number
            hint = "put it in quotes" if text else "write null where there is none"
            self._at(block, "value", message, code="KV0204", key=name, hint=hint)
        return value

    def _plain(self, block: Any, word: str, name: str) -> Plain:
        try:
            return freeze(_native(block[word]))
        except TypeError as error:
            self._at(block, word, f"{name}: {error}", code="KV0204", key=name)
            return None

    def _unknown(self, table: Any, known: tuple[str, ...], name: str) -> None:
        for word in table:
            if word in known:
                continue
            near = did_you_mean(str(word), known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            place = f"{name}: " if name else ""
            message = f"{place}{word} means nothing here"
            self._at(table, word, message, code="KV0203", key=name or None, hint=hint)

    def _at(
        self,
        table: Any,
        word: Any,
        message: str,
        *,
        code: str = "KV0202",
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        """A problem at the line of `word`, or of the table that should have it."""
        at = getattr(table, "lc", None)
        line, column = (
            (0, 0) if at is None else at.key(word) if word in table else (at.line, at.col)
        )
        self._note(message, line, column, code=code, key=key, hint=hint)

    def _note(
        self,
        message: str,
        line: int,
        column: int,
        *,
        code: str = "KV0202",
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.problems.append(self._problem(message, line, column, code=code, key=key, hint=hint))

    def _problem(
        self,
        message: str,
        line: int,
        column: int,
        *,
        code: str = "KV0202",
        key: str | None = None,
        hint: str | None = None,
    ) -> Problem:
        text = self.lines[line] if line < len(self.lines) else ""
        width = len(text[column:].partition(":")[0]) or 1
        where = Where(path=str(self.path), line=line + 1, column=column + 1, width=width, text=text)
        return Problem(message=message, exit=Exit.USAGE, code=code, key=key, where=where, hint=hint)


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)


def _native(value: Any) -> Any:
    """Ruamel's own kinds of strings, numbers and tables as Python's."""
    if isinstance(value, Mapping):
        return {str(key): _native(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_native(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
