"""kava.lock on disk: canonical text out, path-carrying errors in.

The text is written by hand, not by a YAML library, because its bytes are the contract: the same
spec and facts give the same file everywhere, and every YAML reader, 1.1 or 1.2, reads it alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kavaspec import __version__
from kavaspec.canon import digest
from kavaspec.errors import Exit, KavaError, Problem, Where, did_you_mean
from kavaspec.facts.model import TRUST, How
from kavaspec.fast_yaml import UNREADABLE, fast_yaml, first_words
from kavaspec.lock.markers import conflict_markers, sides
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, LockedFact, Target
from kavaspec.lock.sense import nonsense, without
from kavaspec.plain import Plain, freeze

HEADER = "# kava.lock: written by `kavaspec lock`. Change kava.toml and lock again.\n"

# ---- out ---------------------------------------------------------------------------------------


def lock_text(lock: Lock) -> str:
    """The canonical text of a lock: UTF-8, LF, one block per decision, a blank line after each."""
    lines = [HEADER + f"lock_version: {lock.version}\n"]
    if lock.checks != 1:  # left out, it means the first
        lines.append(f"checks: {lock.checks}\n")
    if lock.set:
        lines.append("set:\n")
        lines += [_set_text(key, value) for key, value in sorted(lock.set.items())]
    lines.append("facts:\n")
    lines += [_fact_text(name, fact, "", 2) for name, fact in sorted(lock.facts.items())]
    lines.append("experiment:\n")
    lines += [
        _block_text(key, block, "", 2, lock.checks)
        for key, block in sorted(lock.experiment.items())
    ]
    lines.append("targets:\n")
    for name, target in sorted(lock.targets.items()):
        lines.append(f"  {_scalar(name)}:\n")
        lines.append("    facts:\n")
        lines += [_fact_text(fact, it, name, 6) for fact, it in sorted(target.facts.items())]
        lines.append("    decisions:\n")
        lines += [
            _block_text(key, it, name, 6, lock.checks)
            for key, it in sorted(target.decisions.items())
        ]
    return "\n".join(lines)


def write_lock(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees the old lock or the new one, never half of one.

    Raises:
        KavaError: exit 8 when it cannot be written; the old lock is untouched.
    """
    from kavaspec.replace import replace_file  # what only reads needs none

    try:
        replace_file(path, text.encode())
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise KavaError(
            Problem(
                message=message, exit=Exit.ENVIRONMENT, code="KV0003", hint="nothing was changed"
            )
        ) from None


def block_seal(target: str, key: str, block: Block, checks: int) -> str:
    """16 hex digits over everything a block says, where it stands, and the version of the checks that
    judged it (the first goes without saying). Against slips, not attackers.
    """
    content: list[object] = [
        target,
        key,
        block.value,
        block.by,
        block.inputs,
        list(block.guard),
        block.provisional,
    ]
    if checks != 1:
        content.append(checks)
    return digest("kavaspec/seal/1", freeze(content))[:16]


def fact_seal(target: str, name: str, fact: LockedFact) -> str:
    """6 hex digits, likewise for a fact."""
    content = [target, name, fact.value, fact.how, fact.probe, fact.of]
    return digest("kavaspec/fact-seal/1", freeze(content))[:6]


def set_seal(key: str, value: Plain) -> str:
    """6 hex digits, likewise for one `--set`."""
    return digest("kavaspec/set-seal/1", freeze([key, value]))[:6]


def _set_text(key: str, value: Plain) -> str:
    return f"  {key}: {_record({'value': value, 'seal': set_seal(key, value)})}\n"


def _fact_text(name: str, fact: LockedFact, target: str, indent: int) -> str:
    record: dict[str, Plain] = {"value": fact.value, "how": fact.how, "probe": fact.probe}
    if fact.of:
        record["of"] = fact.of
    record["seal"] = fact_seal(target, name, fact)
    return f"{' ' * indent}{name}: {_record(record)}\n"


def _block_text(key: str, block: Block, target: str, indent: int, checks: int) -> str:
    pad = " " * (indent + 2)
    lines = [
        f"{' ' * indent}{key}:",
        f"{pad}value: {_flow(block.value)}",
        f"{pad}by: {_scalar(block.by)}",
    ]
    if block.inputs:
        lines.append(f"{pad}inputs: {_flow(block.inputs)}")
    if block.guard:
        lines.append(f"{pad}guard: {_flow(block.guard)}")
    if block.provisional:
        lines.append(f"{pad}provisional: true")
    lines.append(f"{pad}seal: {_quoted(block_seal(target, key, block, checks))}")
    return "\n".join(lines) + "\n"


def _flow(value: Plain) -> str:
    if isinstance(value, Mapping):
        return _record({str(key): value[key] for key in sorted(value)})
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _record(fields: Mapping[str, Plain]) -> str:
    """A flow mapping in the order given; a seal is always quoted, so that all seals look alike."""
    spelled = {
        name: _quoted(str(item)) if name == "seal" else _flow(item) for name, item in fields.items()
    }
    return "{" + ", ".join(f"{_scalar(name)}: {item}" for name, item in spelled.items()) + "}"


_PLAIN = re.compile(r"[A-Za-z$/][A-Za-z0-9_$./@+-]*")
_WORDS_OF_YAML_1_1 = re.compile(r"(?i)y|yes|n|no|true|false|on|off|null")


def _scalar(value: Any) -> str:
    """A scalar that YAML 1.1 and 1.2 read as the same value of the same type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return (mantissa if "." in mantissa else mantissa + ".0") + e + exponent
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and not _WORDS_OF_YAML_1_1.fullmatch(value):
        return str(value)
    return _quoted(value)


def _quoted(text: str) -> str:
    escaped = "".join(
        _ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text
    )
    return f'"{escaped}"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}

# ---- in ----------------------------------------------------------------------------------------


def read_lock(path: Path) -> Lock:
    """Read a lock and check every seal.

    Raises:
        KavaError: exit 8 when there is no file; exit 6, with every problem, when it is not a lock
            as `kavaspec lock` wrote it: conflict markers, truncated, edited, of an unknown version.
    """
    if path.suffix == ".toml":
        hint = f"lock it first: kavaspec lock {path}"
        raise KavaError(
            Problem(
                message=f"{path} is a spec, not a lock",
                exit=Exit.UNLOCKED,
                code="KV0501",
                hint=hint,
            )
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise KavaError(
            Problem(
                message=f"there is no {path}",
                exit=Exit.ENVIRONMENT,
                code="KV0001",
                hint=_way_to(path),
            )
        ) from None
    except IsADirectoryError:
        raise KavaError(
            Problem(
                message=f"{path} is a folder, not a lock",
                exit=Exit.ENVIRONMENT,
                code="KV0002",
                hint=f"name the file, such as {path / 'kava.lock'}",
            )
        ) from None
    except OSError as error:
        message, hint = (
            f"{path} cannot be read: {error.strerror}",
            "correct the path, or its permissions",
        )
        raise KavaError(
            Problem(message=message, exit=Exit.ENVIRONMENT, code="KV0001", hint=hint)
        ) from None
    except UnicodeDecodeError:
        raise _broken(str(path), "this is not UTF-8 text") from None
    return parse_lock(text, str(path))


def _way_to(path: Path) -> str:
    """What to do about a lock that is not there: make it, take another, or write a spec first."""
    spec = path.with_suffix(".toml")
    if spec.is_file():
        return f"make it: kavaspec lock {spec}"
    try:
        there = sorted(file.name for file in path.parent.glob("*.lock") if file.is_file())
    except OSError:
        there = []
    near = did_you_mean(path.name, there) or (there[0] if len(there) == 1 else None)
    if near is not None:
        return f"did you mean {path.parent / near}?"
    init = "kavaspec init" if str(spec) == "kava.toml" else f"kavaspec init {spec}"
    return f"make it from a spec, and there is no {spec} yet: {init}, then kavaspec lock {spec}"


def parse_lock(text: str, path: str) -> Lock:
    """`read_lock` for a text that is already in memory."""
    text = text.replace("\r\n", "\n")  # a checkout on Windows may have changed the line ends
    marker = next(conflict_markers(text), None)
    if marker is not None:
        sides(text, path)  # raises, with another way out, where the markers do not belong together
        hint = "resolve kava.toml, then run: kavaspec lock"
        message = "this lock has an unresolved merge conflict"
        raise KavaError(_problem(path, message, text, marker[0], width=7, hint=hint, code="KV0602"))
    if text and not text.endswith("\n"):
        last = text.count("\n") + 1
        raise _broken(path, "the lock ends early: its last line is cut", text, last, code="KV0605")
    tree = _yaml(text, path)
    lock, problems = _reader(tree, text, path)(tree, text, path)
    if problems:
        raise KavaError(*problems)
    return lock


def intact_parts(text: str, path: str) -> Lock | None:
    """What can still be trusted of a broken lock: every fact and block whose seal fits.

    None when nothing of it can be read.

    Raises:
        UnknownVersion: when a newer kavaspec wrote it.
    """
    try:
        tree = _yaml(text.replace("\r\n", "\n"), path)
        return _reader(tree, text, path)(tree, text, path)[0]
    except UnknownVersion:
        raise
    except KavaError:
        return None


def _yaml(text: str, path: str) -> Any:
    try:
        return fast_yaml(text)
    except TypeError as error:
        raise _broken(path, f"kavaspec never wrote this: {error}") from None
    except MarkedYAMLError as error:
        mark, opened = error.problem_mark, error.context_mark
        if opened and ("flow" in str(error.context) or "quoted" in str(error.context)):
            mark = opened  # what is not closed is noticed far behind: at the next block, or the end
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        line, column = _open_quote(text, line) or (line, column)
        raise _broken(path, f"this is not YAML: {error.problem}", text, line, column) from None
    except (YAMLError, *UNREADABLE) as error:
        raise _broken(path, f"this is not YAML: {first_words(error)}") from None


def _open_quote(text: str, until: int) -> tuple[int, int] | None:
    """The first line with a quote that is not closed in it: no line of a lock is such a line."""
    for number, line in enumerate(text.split("\n")[:until], 1):
        if re.sub(r"\\.", "", line).count('"') % 2:
            return number, line.index('"') + 1
    return None


_FIX = "restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`"


def _broken(
    path: str, message: str, text: str = "", line: int = 1, column: int = 1, code: str = "KV0601"
) -> KavaError:
    return KavaError(_problem(path, message, text, line, column, code=code))


def _problem(
    path: str,
    message: str,
    text: str,
    line: int,
    column: int = 1,
    width: int = 1,
    hint: str = _FIX,
    code: str = "KV0606",
) -> Problem:
    lines = text.split("\n")
    shown = lines[line - 1] if text and line <= len(lines) else ""
    where = Where(path=path, line=line, column=column, width=width, text=shown)
    return Problem(message=message, exit=Exit.BROKEN, code=code, where=where, hint=hint)


def _instead(edited: str) -> str:
    """What to do instead of editing a part of a lock: a fact, a `--set KEY`, or a key."""
    want = "to have this value: write it in kava.toml, then run `kavaspec lock`"
    undo = "to undo the edit: `git checkout kava.lock`, or derive it again with `kavaspec lock`"
    if edited.startswith("--set "):
        want = f"to have this value: kavaspec lock {edited}=VALUE"
    elif edited.startswith("fact."):
        want = (
            "a fact is seen, not chosen: see it anew with `kavaspec lock --refresh`,\n"
            "or correct it in the fact file that kava.toml names, then run `kavaspec lock`"
        )
    return f"{want}\n{undo}"


class UnknownVersion(KavaError):
    """A lock of a format that only a newer kavaspec reads: never to be written over."""


Reader: TypeAlias = Callable[[Any, str, str], tuple[Lock, tuple[Problem, ...]]]
"""YAML tree, its text and path -> the parts of the lock that are intact, and what is broken."""


def _reader(tree: Any, text: str, path: str) -> Reader:
    """The reader of the format that a lock is written in."""
    if not isinstance(tree, dict) or "lock_version" not in tree:
        raise _broken(path, "this is not a kava.lock: it has no lock_version", text)
    version = tree["lock_version"]
    known = isinstance(version, int) and not isinstance(version, bool)
    if known and version in READERS:
        return READERS[version]
    lines, width = text.split("\n"), len("lock_version")
    line = next((n for n, it in enumerate(lines, 1) if it.startswith("lock_version:")), 1)
    if known and version > LOCK_VERSION:
        message = (
            f"lock_version {version} needs a newer kavaspec; {__version__} reads {LOCK_VERSION}"
        )
        hint = "install the kavaspec that wrote it, or a later one; nothing was changed"
        raise UnknownVersion(
            _problem(path, message, text, line, width=width, hint=hint, code="KV0603")
        )
    message = f"no kavaspec ever wrote lock_version {version}"
    raise KavaError(_problem(path, message, text, line, width=width, code="KV0603"))


class _Malformed(Exception):
    """A part of the lock has the wrong shape. Always caught in this file."""


def _version_1(tree: Any, text: str, path: str) -> tuple[Lock, tuple[Problem, ...]]:
    reader = _Reader(text, path)
    lock = reader.sensible(reader.lock(tree))
    return lock, tuple(reader.problems)


READERS: Mapping[int, Reader] = MappingProxyType({1: _version_1})
"""One for each format that was ever released: a lock stays readable for ever. Only the newest is
written. The locks in `tests/lock/released/` hold this."""


LATEST_CHECKS = 64
"""Versions that are tried to say under which one a lock was sealed."""


def _block(item: Any) -> Block:
    return Block(
        value=_field(item, "value", object),
        by=_field(item, "by", str),
        inputs=_field(item, "inputs", Mapping, {}),
        guard=_field(item, "guard", tuple, ()),
        provisional=_field(item, "provisional", bool, False),
    )


def _sealed_under(key: str, item: Any, said: int) -> int | None:
    """The version of the checks with which the seal of a block fits; None when none does."""
    try:
        seal, block = _field(item, "seal", str), _block(item)
    except _Malformed:
        return None
    versions = (said, *range(1, LATEST_CHECKS))
    return next((it for it in versions if seal == block_seal("", key, block, it)), None)


class _Reader:
    """Turns a YAML tree of format 1 into a Lock, collecting every broken block."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path
        self.checks = 1
        self.problems: list[Problem] = []

    def lock(self, tree: Any) -> Lock:
        """The intact parts; what is broken is in `problems`."""
        self._check_top(tree)
        said = self._version_of_checks(tree.get("checks", 1))
        self.checks = self._sealed_version(tree, said)
        return Lock(
            version=1,
            set=MappingProxyType(dict(self._settings(tree.get("set")))),
            facts=MappingProxyType(dict(self._facts(tree.get("facts"), ""))),
            experiment=MappingProxyType(dict(self._blocks(tree.get("experiment"), ""))),
            targets=MappingProxyType(dict(self._targets(tree.get("targets")))),
            checks=self.checks,
        )

    def _sealed_version(self, tree: Any, said: int) -> int:
        """The version that the seals were made under: to say less would turn checks off."""
        blocks = tree.get("experiment")
        first = list(blocks.items())[:3] if isinstance(blocks, dict) else []
        found = (_sealed_under(str(key), item, said) for key, item in first)
        number = next((it for it in found if it is not None), said)
        if number != said and "checks" in tree:
            message = f"checks: {said} was edited by hand: this lock was judged by {number}"
            self._report(message, self._line("checks", 0), "checks", code="KV0604")
        elif number != said:
            message = f"checks: {number} was cut out of this lock"
            self._report(message, self._line("lock_version", 0), "lock_version", code="KV0604")
        return number

    def _version_of_checks(self, number: object) -> int:
        if isinstance(number, int) and not isinstance(number, bool) and number >= 1:
            return number
        line = self._line("checks", 0)
        self._report(f"checks {number!r} is no version: expected a whole number", line, "checks")
        return 1

    def sensible(self, lock: Lock) -> Lock:
        """The lock without the parts that mean nothing although their seals fit; those are reported."""
        found = tuple(nonsense(lock))
        for it in found:
            line = self._line(it.name, 6 if it.target else 2, it.target)
            self._report(it.message, line, it.name, it.hint or _FIX, it.code)
        return without(lock, frozenset((it.part, it.target, it.name) for it in found))

    def _check_top(self, tree: Any) -> None:
        missing = [name for name in ("facts", "experiment", "targets") if name not in tree]
        if missing or not tree["experiment"] or not tree["targets"]:
            name = missing[0] if missing else "experiment" if not tree["experiment"] else "targets"
            last = max(1, len(self.text.rstrip("\n").split("\n")))
            message = f"the lock ends early: it has no {name}"
            self.problems.append(_problem(self.path, message, self.text, last, code="KV0605"))
        extra = [
            name
            for name in tree
            if name not in ("lock_version", "checks", "set", "facts", "experiment", "targets")
        ]
        for name in extra:
            self._report(f"{name} is not a part of a lock", self._line(str(name), 0), str(name))

    def _settings(self, tree: Any) -> Iterator[tuple[str, Plain]]:
        for key, item in self._items(tree, "set"):
            try:
                value = _field(item, "value", object)
                if self._seal_fits(f"--set {key}", item, set_seal(key, value), key, 2):
                    yield key, value
            except _Malformed as error:
                self._report(f"set.{key}: {error}", self._line(key, 2), key)

    def _facts(self, tree: Any, target: str) -> Iterator[tuple[str, LockedFact]]:
        indent = 6 if target else 2
        for name, item in self._items(tree, "facts"):
            try:
                fact = LockedFact(
                    value=_field(item, "value", object),
                    how=_how(item),
                    probe=_field(item, "probe", str),
                    of=_field(item, "of", Mapping, {}),
                )
                seal = fact_seal(target, name, fact)
                if self._seal_fits(name, item, seal, name, indent, target):
                    yield name, fact
            except _Malformed as error:
                self._report(f"{name}: {error}", self._line(name, indent, target), name)

    def _blocks(self, tree: Any, target: str) -> Iterator[tuple[str, Block]]:
        indent = 6 if target else 2
        for key, item in self._items(tree, "decisions"):
            try:
                block = _block(item)
                seal = block_seal(target, key, block, self.checks)
                if self._seal_fits(key, item, seal, key, indent, target):
                    yield key, block
            except _Malformed as error:
                self._report(f"{key}: {error}", self._line(key, indent, target), key)

    def _targets(self, tree: Any) -> Iterator[tuple[str, Target]]:
        for name, item in self._items(tree, "targets"):
            missing = [
                part
                for part in ("facts", "decisions")
                if not isinstance(item, dict) or part not in item
            ]
            if missing or not item["decisions"]:
                part = missing[0] if missing else "decisions"
                last = max(1, len(self.text.rstrip("\n").split("\n")))
                self._report(
                    f"the lock ends early: target {name} has no {part}", last, "", code="KV0605"
                )
                continue
            yield (
                name,
                Target(
                    facts=MappingProxyType(dict(self._facts(item["facts"], name))),
                    decisions=MappingProxyType(dict(self._blocks(item["decisions"], name))),
                ),
            )

    def _items(self, tree: Any, name: str) -> Iterator[tuple[str, Any]]:
        if tree is None:
            return
        if not isinstance(tree, dict):
            self._report(f"{name} is not a mapping", self._line(name, 0), name)
            return
        for key, item in tree.items():
            yield str(key), item

    def _seal_fits(
        self, name: str, item: Any, expected: str, key: str, indent: int, target: str = ""
    ) -> bool:
        if _field(item, "seal", str) == expected:
            return True
        line, hint = self._line(key, indent, target), _instead(name)
        self._report(f"{name} was edited by hand: its seal does not fit", line, key, hint, "KV0604")
        return False

    def _report(
        self, message: str, line: int, marked: str, hint: str = _FIX, code: str = "KV0606"
    ) -> None:
        lines = self.text.split("\n")
        shown = lines[line - 1] if line <= len(lines) else ""
        column = len(shown) - len(shown.lstrip()) + 1
        self.problems.append(
            _problem(self.path, message, self.text, line, column, max(1, len(marked)), hint, code)
        )

    def _line(self, key: str, indent: int, target: str = "") -> int:
        """Line of `key` at an indentation, after the header of `target`; 1 when it is not there."""
        inside = not target
        for number, line in enumerate(self.text.split("\n"), 1):
            inside = inside or line.strip().strip('"') in (f"{target}:", f'{target}":')
            if inside and line.startswith(f"{' ' * indent}{key}:"):
                return number
        return 1


def _field(item: Any, name: str, kind: Any, *default: Any) -> Any:
    if not isinstance(item, dict):
        raise _Malformed("expected a block of value, by, inputs, guard, seal")
    if name not in item:
        if default:
            return default[0]
        raise _Malformed(f"{name} is missing; the lock was edited or cut")
    try:
        value = freeze(item[name])
    except TypeError as error:
        raise _Malformed(f"{name}: {error}") from None
    if not isinstance(value, kind):
        raise _Malformed(f"{name} is of the wrong type")
    return value


def _how(item: Any) -> How:
    how = _field(item, "how", str)
    if how not in TRUST:
        raise _Malformed(f"how is {how!r}; expected one of {', '.join(TRUST)}")
    return cast("How", how)
