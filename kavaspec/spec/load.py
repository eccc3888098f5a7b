"""Read kava.toml: text to `Spec`, or every problem of the file at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import tomli
from pydantic import ValidationError

from kavaspec.decision import ANYTHING, AUTO, Allowed
from kavaspec.errors import Exit, Fix, KavaError, Problem, Where, did_you_mean
from kavaspec.limits import LIMITS, conflicting, repairs, written
from kavaspec.plain import LARGEST, Plain, freeze, show, toml, too_large
from kavaspec.spec.model import SpecModel
from kavaspec.spec.objectives import OBJECTIVES, Objective
from kavaspec.spec.schema import Key, choices, describe, group_of, groups, keys
from kavaspec.spec.spec import Asked, Spec, TargetSpec

if TYPE_CHECKING:
    from kavaspec.spec.positions import Span

_EXAMPLES = {
    "data.source": '"builtin:arithmetic"',
    "model.teacher.source": '"builtin:tiny-teacher"',
}
"""What may be written for a key that has no default: it is inside the package, so it works anywhere."""

HERE = "here"
"""The one target of a spec that names none: the machine that locks."""

Flat = dict[str, Any]


def load_spec(path: Path, *, set: Mapping[str, Plain]) -> Spec:
    """Read a spec and lay `set` (dotted key -> value) over it.

    Raises:
        KavaError: exit 8 when there is no file; exit 2 with every problem, sorted by position.
    """
    return parse_spec(read_text(path), str(path), set=set)


def read_text(path: Path) -> str:
    """The text of a spec, with its line ends as they are.

    Raises:
        KavaError: exit 8 when it cannot be read; exit 2 when it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")  # some editors put a mark at the start
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
                message=f"{path} is a folder, not a spec",
                exit=Exit.ENVIRONMENT,
                code="KV0002",
                hint=f"name the file: kavaspec lock {path / 'kava.toml'}",
            )
        ) from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        hint = "check its permissions"
        raise KavaError(
            Problem(message=message, exit=Exit.ENVIRONMENT, code="KV0001", hint=hint)
        ) from None
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
        hint = "save it as UTF-8"
        raise KavaError(
            Problem(message=message, exit=Exit.USAGE, code="KV0005", hint=hint)
        ) from None


def _way_to(path: Path) -> str:
    """What to do about a spec that is not there: the one that was meant, or a new one."""
    folder = path.parent
    try:
        there = sorted(file.name for file in folder.glob("*.toml") if file.is_file())
    except OSError:
        there = []
    near = did_you_mean(path.name, there)
    there = [near] if near else there
    init = "kavaspec init" if str(path) == "kava.toml" else f"kavaspec init {path}"
    if near is None and len(there) != 1:
        return f"write one: {init}"
    return f"did you mean {folder / there[0]}? A new one is written by: {init}"


def parse_spec(text: str, path: str, *, set: Mapping[str, Plain]) -> Spec:
    """`load_spec` for a text that is already in memory."""
    table = _toml(text, path)
    reader = _Reader(text, path, set)
    spec = reader.read(table)
    if reader.problems:
        raise KavaError(*sorted(reader.problems, key=_position))
    return spec


def parse_setting(text: str) -> tuple[str, Plain]:
    """`train.steps=10` from the command line: the value is TOML, or else a plain word.

    Raises:
        KavaError: exit 2 when there is no `=`.
    """
    key, equals, literal = text.partition("=")
    if not equals or not key.strip():
        message = f"--set {text} has no {'key' if equals else 'value'}; expected KEY=VALUE"
        hint = "write for example --set train.steps=10"
        raise KavaError(Problem(message=message, exit=Exit.USAGE, code="KV0006", hint=hint))
    return key.strip(), literal_value(literal)


def literal_value(literal: str) -> Plain:
    """A value from the command line: TOML, or else a plain word."""
    try:
        value = tomli.loads(f"v = {literal}")["v"]
    except (ValueError, RecursionError):
        return literal
    if isinstance(value, int):
        return value  # also one that is too large: it is refused as the number that it is
    try:
        return freeze(value)
    except TypeError:
        return literal


def parse_settings(texts: Iterable[str]) -> dict[str, Plain]:
    """Every `--set` of a command line.

    Raises:
        KavaError: exit 2 when one is malformed, or two speak of one key.
    """
    found: dict[str, Plain] = {}
    for key, value in map(parse_setting, texts):
        if key in found:
            message = f"--set {key} is given twice"
            hint = "give it once"
            raise KavaError(
                Problem(message=message, exit=Exit.USAGE, code="KV0006", key=key, hint=hint)
            )
        found[key] = value
    return found


def _toml(text: str, path: str) -> Flat:
    if re.search(r"(?ms)^<{7} .*^={7}\r?$.*^>{7} ", text):  # a string of many lines may hold it
        raise KavaError(_conflict(text.splitlines(), path))
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise KavaError(_syntax_problem(error, text, path)) from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise KavaError(_endless_number(text, path)) from None
    except RecursionError:
        message = "tables and arrays are nested too deeply"
        where = Where(path=path, line=1, column=1)
        raise KavaError(
            Problem(
                message=message,
                exit=Exit.USAGE,
                code="KV0101",
                where=where,
                hint="no key of a spec needs more than one list and one table",
            )
        ) from None


def _endless_number(text: str, path: str) -> Problem:
    found = max(re.finditer(r"[0-9_]+", text), key=lambda match: len(match[0]))
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return Problem(
        message=f"a number of {len(found[0])} digits: whole numbers have at most 64 bits",
        exit=Exit.USAGE,
        code="KV0101",
        where=Where(path=path, line=line, column=column),
        hint=f"write a number below {LARGEST}",
    )


def _syntax_problem(error: tomli.TOMLDecodeError, text: str, path: str) -> Problem:
    lines = [line.rstrip("\r") for line in text.split("\n")]
    line = min(getattr(error, "lineno", 1), len(lines))
    if any(words.startswith(_MARKERS) for words in lines):
        return _conflict(lines, path)
    from kavaspec.spec import syntax  # loaded only when there is something to point at

    where = Where(path=path, line=line, column=getattr(error, "colno", 1), text=lines[line - 1])
    reason = str(getattr(error, "msg", str(error)))
    return syntax.twice(text, path, reason) or syntax.problem(text, where, reason)


_MARKERS = ("<<<<<<<", "|||||||", ">>>>>>>")


def _conflict(lines: list[str], path: str) -> Problem:
    line = next(n for n, words in enumerate(lines, 1) if words.startswith(_MARKERS))
    where = Where(path=path, line=line, column=1, width=7, text=lines[line - 1])
    hint = "resolve the merge conflict in this file, then lock again"
    message = "this file has an unresolved merge conflict"
    return Problem(message=message, exit=Exit.USAGE, code="KV0103", where=where, hint=hint)


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.where.line, problem.where.column) if problem.where else (0, 0)


class _Reader:
    """Collects problems while it reads, so that one pass reports them all."""

    def __init__(self, text: str, path: str, set: Mapping[str, Plain]) -> None:
        self.text, self.path, self.set = text, path, set
        self.problems: list[Problem] = []
        self._places: Mapping[tuple[str, ...], Span] | None = None

    def read(self, table: Flat) -> Spec:
        table = dict(table)
        targets = self._targets(table.pop("targets", {}))
        fact_files = self._fact_files(table.pop("facts", []))
        preset = self._take_preset(table)
        written = dict(self._flatten(table, "", ()))
        settings = {key: value for key, value in self.set.items() if self._known_setting(key)}
        kind = str(settings.get("objective.kind", written.get("objective.kind", "kv")))
        objective = OBJECTIVES.get(kind, OBJECTIVES["kv"])  # a wrong kind is reported below
        layers: list[tuple[str, Flat, tuple[str, ...]]] = [
            (
                f"preset {preset}@{objective.preset_version(preset)}",
                self._preset(objective, preset),
                (),
            ),
            ("spec", written, ()),
            ("set", settings, ()),
        ]
        asked = self._ask(objective, layers)
        return Spec(
            path=self.path,
            text=self.text,
            facts=fact_files,
            experiment=_tier(asked, experiment=True),
            targets=MappingProxyType(
                {
                    name: TargetSpec(
                        facts=facts,
                        asked=_tier(
                            self._override(objective, layers, name, flat), experiment=False
                        ),
                    )
                    for name, (facts, flat) in sorted(targets.items())
                }
            ),
            set=MappingProxyType(dict(sorted(settings.items()))),
            preset=preset,
        )

    # ---- targets, presets, settings: what is syntax rather than keys

    def _targets(self, tables: Any) -> dict[str, tuple[str | None, Flat]]:
        if not isinstance(tables, dict):
            self._problem(
                f"targets is {_spell(tables)}; expected tables",
                ("targets",),
                code="KV0112",
                value=True,
                hint="write [targets.NAME]",
            )
            return {}
        found: dict[str, tuple[str | None, Flat]] = {}
        for name, table in tables.items():
            at = ("targets", name)
            if (
                not name
                or not name[0].isalnum()
                or not all(c.isalnum() or c in "._-" for c in name)
                or not name.isascii()
                or len(name) > 64
            ):
                self._problem(
                    f"target name {toml(name)}: use letters, digits, `.`, `_` and `-`",
                    at,
                    code="KV0113",
                    hint="begin with a letter or a digit; at most 64 in all",
                )
            elif not isinstance(table, dict):
                self._problem(
                    f"targets.{name} is {_spell(table)}; expected a table",
                    at,
                    code="KV0112",
                    hint=f"write [targets.{name}]",
                )
            else:
                found[name] = self._target(dict(table), at)
        return found or {HERE: (None, {})}

    def _fact_files(self, said: Any) -> tuple[str, ...]:
        paths = said if isinstance(said, list) else [said]
        if all(isinstance(path, str) and path for path in paths):
            return tuple(paths)
        message = f"facts is {_spell(said)}; expected the path of a fact file, or a list of paths"
        hint = "made by: kavaspec facts --spec kava.toml --save NAME"
        self._problem(message, ("facts",), value=True, hint=hint, code="KV0115")
        return ()

    def _target(self, table: Flat, at: tuple[str, ...]) -> tuple[str | None, Flat]:
        facts = table.pop("facts", None)
        if facts is not None and not (isinstance(facts, str) and facts):
            message = f"{'.'.join(at)}.facts is {_spell(facts)}; expected the path of a fact file"
            hint = 'write for example facts = "facts/cluster.yaml"'
            self._problem(message, (*at, "facts"), code="KV0115", value=True, hint=hint)
            facts = None
        flat = dict(self._flatten(table, "", at))
        for key in [key for key in flat if keys()[key].tier == "experiment"]:
            message = (
                f"{key} belongs to the experiment; a target may only set numerics and placement"
            )
            self._problem(
                message,
                (*at, *key.split(".")),
                code="KV0114",
                key=key,
                hint=f"set {key} outside of [targets]",
            )
            del flat[key]
        return facts, flat

    def _take_preset(self, table: Flat) -> str:
        objective = table.get("objective")
        if not isinstance(objective, dict) or "preset" not in objective:
            return "safe"
        table["objective"] = {name: value for name, value in objective.items() if name != "preset"}
        known = OBJECTIVES.get(str(objective.get("kind", "kv")), OBJECTIVES["kv"]).presets
        preset = objective["preset"]
        if isinstance(preset, str) and preset in known:
            return preset
        names = " or ".join(toml(name) for name in known) or "nothing: this kind has no presets"
        near = did_you_mean(preset, known) if isinstance(preset, str) else None
        self._problem(
            f"objective.preset is {_spell(preset)}; expected {names}",
            ("objective", "preset"),
            code="KV0116",
            value=True,
            hint=f"did you mean {toml(near)}?" if near else None,
            fix=toml(near) if near else None,
        )
        return "safe"

    def _preset(self, objective: Objective, name: str) -> Flat:
        return dict(objective.presets.get(name, {}))

    def _known_setting(self, key: str) -> bool:
        if key in keys():
            return True
        near = did_you_mean(key, keys())
        self.problems.append(
            Problem(
                message=f"--set {key}: there is no such key",
                exit=Exit.USAGE,
                code="KV0104",
                key=key,
                hint=f"did you mean {near}?" if near else "docs/keys.md lists every key",
                setting=f"{key}={toml(self.set[key])}",
            )
        )
        return False

    # ---- tables to dotted keys

    def _flatten(self, table: Flat, prefix: str, at: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        group = groups()[prefix.rstrip(".")]
        for name, value in table.items():
            dotted, field = prefix + name, group.model_fields.get(name)
            if field is None:
                self._unknown(dotted, value, at)
            elif group_of(field) is None:
                yield dotted, value
            elif isinstance(value, dict):
                yield from self._flatten(value, f"{dotted}.", at)
            else:
                self._no_table(dotted, value, at)

    def _no_table(self, dotted: str, value: Any, at: tuple[str, ...]) -> None:
        place = (*at, *dotted.split("."))
        many = isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
        first = next(name for name in keys() if name.startswith(f"{dotted}."))
        hint = f"open it as a table, [{dotted}], or write for example {first} = ..."
        if at:
            hint = f"write for example {first} = ..."
        if f"{dotted}.source" in keys() and isinstance(value, str) and value:
            hint = f"write {dotted}.source = {toml(value)}"
        elif f"{dotted}.kind" in keys() and isinstance(value, str):
            hint = f"write {dotted}.kind = {toml(value)}"
        elif many:
            hint = f"write [{dotted}], with single brackets"
        message = f"{dotted} is {_spell(value)}; expected a table"
        self._problem(message, place, code="KV0112", key=dotted, value=True, hint=hint)

    def _unknown(self, dotted: str, value: Any, at: tuple[str, ...]) -> None:
        from kavaspec.spec.repair import any_of, is_slip, leads_out, may_be_named, nearest_keys

        known = [*keys(), *groups(), "objective.preset", "facts", *([] if at else ["targets"])]
        near = nearest_keys(dotted, may_be_named((name for name in known if name), value))
        hint = f"did you mean {any_of(near)}?" if near else "docs/keys.md lists every key"
        place = (*at, *dotted.split("."))
        certain = len(near) == 1 and leads_out(keys().get(near[0]), value)
        certain = certain and (near[0] in keys() or is_slip(dotted, near[0]))
        self._problem(
            f"{dotted} is not a key",
            place,
            code="KV0104",
            key=dotted,
            hint=hint,
            fixes=self._renamed(place, (*at, *near[0].split("."))) if certain else None,
        )

    def _renamed(self, old: tuple[str, ...], new: tuple[str, ...]) -> Fix | None:
        """The repair that writes a key under another name, where it stands in one piece."""
        places = self._spans()
        if new in places or old not in places:
            return None  # it is there already: nobody can tell which is meant
        span = places[old]
        if old[:-1] == new[:-1]:
            return Fix(where=span.key, text=new[-1])
        above = len(old) - span.parts  # names that stand in a table header
        opened = any(places[new[:size]].header for size in range(len(new)) if new[:size] in places)
        if span.dotted is None or old[:above] != new[:above] or (opened and not above):
            return None
        return Fix(where=span.dotted, text=".".join(new[above:]))

    # ---- values

    def _override(
        self,
        objective: Objective,
        layers: list[tuple[str, Flat, tuple[str, ...]]],
        name: str,
        flat: Flat,
    ) -> dict[str, Asked]:
        *below, top = layers
        return self._ask(objective, [*below, ("target", flat, ("targets", name)), top])

    def _ask(
        self, objective: Objective, layers: list[tuple[str, Flat, tuple[str, ...]]]
    ) -> dict[str, Asked]:
        """Lay the layers over the defaults, take the autos out, and check what is left."""
        top: dict[str, tuple[str, Any, tuple[str, ...]]] = {}
        for by, flat, at in layers:
            top |= {key: (by, value, at) for key, value in flat.items()}
        asked: dict[str, Asked] = {}
        literal: dict[str, Any] = {}
        for name, key in keys().items():
            by, value, at = top.get(name, (f"default@{key.default_version}", key.default, ()))
            if not _applies(name, objective):
                self._check_idle(name, by, at, objective)
            elif name not in top and key.required:
                self._missing(key)
            elif _is_auto(value):
                asked[name] = self._auto(key, value, by, at)
            else:
                literal[name] = None if _is_unset(value, key) else value
                asked[name] = Asked(tier=key.tier, value=None, auto=False, by=by)
        return asked | self._validated(literal, asked, top)

    def _check_idle(self, name: str, by: str, at: tuple[str, ...], objective: Objective) -> None:
        if by in ("spec", "target"):
            message = f"{name} means nothing with objective.kind = {toml(objective.kind)}"
            self._problem(
                message, (*at, *name.split(".")), code="KV0111", key=name, hint="remove it"
            )

    def _missing(self, key: Key) -> None:
        offered = [name for problem in self.problems for name in _suggested(problem)]
        if any(f"{key.name}.".startswith(f"{name}.") for name in offered):
            return  # misspelt rather than missing: one mistake, one message
        if any(it.code == "KV0112" and key.name.startswith(f"{it.key}.") for it in self.problems):
            return  # a value stands where its table belongs
        table, _, name = key.name.rpartition(".")
        span = self._spans().get(tuple(table.split(".")))
        lines = [f"[{table}]", f"{name} = {_EXAMPLES[key.name]}"]
        if span is not None:
            lines = lines[1:] if span.header else [f"{key.name} = {_EXAMPLES[key.name]}"]
        meaning = f"{key.meaning[:1].lower()}{key.meaning[1:]}".rstrip(".")
        self._problem(
            f"{key.name} is missing" + ("" if span else f": {self.path} has no [{table}]"),
            tuple(table.split(".")) if span else (),
            code="KV0105",
            key=key.name,
            hint="\n".join([meaning, "write for example:", *(f"  {line}" for line in lines)]),
        )

    def _auto(self, key: Key, value: Any, by: str, at: tuple[str, ...]) -> Asked:
        allowed = ANYTHING
        if not key.auto:
            message = f'{key.name} cannot be "auto": {_why_not_auto(key)}'
            hint = f"write {describe(key.field)}"
            place = (*at, *key.name.split("."))
            self._problem(message, place, code="KV0108", key=key.name, value=True, hint=hint)
        elif isinstance(value, Mapping):
            allowed = self._allowed(key, dict(value), at)
        return Asked(tier=key.tier, value=None, auto=True, allowed=allowed, by=by)

    def _allowed(self, key: Key, table: Flat, at: tuple[str, ...]) -> Allowed:
        place = (*at, *key.name.split("."))
        limits = {name: limit for name, limit in table.items() if name != "auto"}
        for name in [name for name in limits if name not in LIMITS]:
            self._no_limit(key, name, limits, place)
            del limits[name]
        good: dict[str, Plain] = {}
        for name, limit in limits.items():
            wrong = _wrong_limit(key, name, limit)
            if wrong:
                self._problem(
                    f"{key.name}: {name} {wrong.says}",
                    (*place, name),
                    code="KV0109",
                    key=key.name,
                    value=True,
                    hint=wrong.hint or f"leave {name} out",
                    fix=wrong.fix,
                )
            else:
                good[name] = freeze(limit)
        allowed = Allowed.of(good)
        values = _within(key, allowed)
        names = conflicting(allowed, values) if values is not None else ()
        if values is not None and not any(allowed.refuses(value) is None for value in values):
            leave = "leaves" if len(names) == 1 else "leave"
            self._problem(
                f"{key.name}: {written(allowed, names)} {leave} no value; expected "
                f"{describe(key.field)}",
                (*place, names[0]),
                code="KV0110",
                key=key.name,
                hint=repairs(allowed, names, values),
            )
        return allowed

    def _no_limit(self, key: Key, name: str, limits: Flat, place: tuple[str, ...]) -> None:
        near = did_you_mean(name, LIMITS)
        where = self._where((*place, name), value=False)
        wrong = _wrong_limit(key, near, limits[name]) if near else None
        certain = near and near not in limits and (wrong is None or wrong.fix)
        self._problem(
            f"{key.name}: {name} is not a limit of auto",
            (*place, name),
            code="KV0109",
            key=key.name,
            hint=f"did you mean {near}?" if near else f"limits are {', '.join(LIMITS)}",
            fixes=Fix(where=where, text=near) if near and certain and where else None,
        )

    def _validated(
        self, literal: dict[str, Any], asked: dict[str, Asked], top: Mapping[str, Any]
    ) -> dict[str, Asked]:
        """Every literal value through the schema at once; numbers come back as their key's type."""
        good = dict(literal)
        for name in self._wrong(literal, top):
            good.pop(name, None)
        checked: dict[str, Asked] = {}
        for name, value in good.items():
            is_float = keys()[name].field.annotation is float or _is_optional_float(keys()[name])
            typed = float(value) if is_float and isinstance(value, int) else value
            checked[name] = Asked(
                tier=asked[name].tier, value=freeze(typed), auto=False, by=asked[name].by
            )
        return checked

    def _wrong(self, literal: dict[str, Any], top: Mapping[str, Any]) -> set[str]:
        wrong = {name for name, value in literal.items() if too_large(value)}
        for big in sorted(wrong):
            self._wrong_value(keys()[big], top[big])
        try:
            SpecModel.model_validate(_nested(literal))
        except ValidationError as error:
            for item in error.errors(include_url=False):
                name = _key_of(item["loc"])
                if name is None or name not in literal or name in wrong:
                    continue  # a missing key was reported by _missing; a union reports each branch
                wrong.add(name)
                self._wrong_value(keys()[name], top[name])
        return wrong

    def _wrong_value(self, key: Key, said: tuple[str, Any, tuple[str, ...]]) -> None:
        by, value, at = said
        if isinstance(value, Mapping) and _means_limits(value):
            self._not_quite_auto(key, value, (*at, *key.name.split(".")), by)
            return
        from kavaspec.spec.repair import repair_of

        hint, fix = repair_of(key, value)
        prefix = f"--set {key.name}" if by == "set" else key.name
        message = f"{prefix} is {_spell(value)}; expected {describe(key.field, auto=key.auto)}"
        self._problem(
            message,
            (*at, *key.name.split(".")),
            code="KV0107" if choices(key.field) and isinstance(value, str) else "KV0106",
            key=key.name,
            value=True,
            hint=hint,
            fix=fix,
            by=by,
        )

    def _not_quite_auto(
        self, key: Key, value: Mapping[str, Any], place: tuple[str, ...], by: str
    ) -> None:
        """A table that looks like a constrained auto, without `auto = true`."""
        limits = {name: item for name, item in value.items() if name != "auto"}
        said = f"auto = {_spell(value['auto'])}" if "auto" in value else "no auto"
        self._problem(
            f"{key.name} is a table with {said}; limits need auto = true beside them",
            place,
            code="KV0109",
            key=key.name,
            value=True,
            hint=f"write {toml({'auto': True, **limits})}, or a value: {describe(key.field)}",
            by=by,
        )

    def _problem(
        self,
        message: str,
        at: tuple[str, ...],
        *,
        code: str,
        key: str | None = None,
        value: bool = False,
        hint: str | None = None,
        fix: str | None = None,
        fixes: Fix | None = None,
        by: str = "spec",
    ) -> None:
        """Report what is wrong at a path. `fix` is what should stand there instead."""
        setting = None
        if key is not None and by == "set":
            given = self.set[key]
            setting = f"{key}={show(given) if too_large(given) else toml(given)}"
        where = None if setting else self._where(at, value=value)
        if fix is not None and where is not None:
            fixes = Fix(where=where, text=fix)
        problem = Problem(
            message=message,
            exit=Exit.USAGE,
            code=code,
            key=key,
            where=where,
            hint=hint,
            setting=setting,
            fix=fixes,
        )
        if problem not in self.problems:  # a target repeats what the base already said
            self.problems.append(problem)

    def _where(self, at: tuple[str, ...], *, value: bool) -> Where | None:
        places = self._spans()
        for size in range(len(at), 0, -1):
            span = places.get(at[:size])
            if span is not None:
                return span.value if value and size == len(at) else span.key
        return None

    def _spans(self) -> Mapping[tuple[str, ...], Span]:
        if self._places is None:
            from kavaspec.spec.positions import spans

            self._places = spans(self.text, self.path)
        return self._places


def _tier(asked: Mapping[str, Asked], *, experiment: bool) -> Mapping[str, Asked]:
    return MappingProxyType(
        {key: item for key, item in asked.items() if (item.tier == "experiment") == experiment}
    )


def applicable_keys(kind: str) -> tuple[str, ...]:
    """Every key that a lock of this `objective.kind` holds, sorted.

    Raises:
        KavaError: exit 6 for a kind that this version does not know.
    """
    if kind not in OBJECTIVES:
        message = f"objective.kind is {toml(kind)}, which this kavaspec does not know"
        hint = "use the kavaspec that wrote it, or a newer one"
        raise KavaError(Problem(message=message, exit=Exit.BROKEN, code="KV0607", hint=hint))
    return tuple(name for name in keys() if _applies(name, OBJECTIVES[kind]))


def _applies(name: str, objective: Objective) -> bool:
    if name.startswith("model.teacher."):
        return objective.needs_teacher
    if name.startswith("objective.kv."):
        return objective.kind == "kv"
    return True


def _is_auto(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get("auto") is True
    return bool(value == AUTO) if isinstance(value, str) else False


def _means_limits(value: Mapping[str, Any]) -> bool:
    return bool(value) and set(value) <= {"auto", *LIMITS}


def _within(key: Key, allowed: Allowed) -> tuple[Plain, ...] | None:
    """Values that the schema takes, enough of them to see whether limits leave any; None for all."""
    if key.field.annotation is not int:
        return None
    least = next((int(item.ge) for item in key.field.metadata if hasattr(item, "ge")), -(2**63))
    low = max(least, int(allowed.min if allowed.min is not None else least))
    step = allowed.multiple_of or 1
    ends = [limit for limit in (allowed.min, allowed.max, low, *(allowed.one_of or ())) if limit]
    near = {int(end) + by for end in ends if isinstance(end, int) for by in (-1, 0, 1)}
    near |= {-(-low // step) * step, *range(least, least + 9)}
    return tuple(sorted(number for number in near if number >= least))


def _suggested(problem: Problem) -> list[str]:
    """The names of keys and tables that a problem's hint offers."""
    said = problem.hint or ""
    return said[13:-1].replace(" or ", ", ").split(", ") if said.startswith("did you mean") else []


def _is_unset(value: Any, key: Key) -> bool:
    return isinstance(value, Mapping) and dict(value) == {"unset": True} and _optional(key)


def _optional(key: Key) -> bool:
    return type(None) in getattr(key.field.annotation, "__args__", ())


def _is_optional_float(key: Key) -> bool:
    return float in getattr(key.field.annotation, "__args__", ())


def _why_not_auto(key: Key) -> str:
    if key.tier == "experiment":
        return "it is part of the experiment, which no machine decides"
    return "no rule decides it"


@dataclass(frozen=True, kw_only=True, slots=True)
class _WrongLimit:
    """What is wrong with a limit, what to do about it, and the limit that is surely meant."""

    says: str
    hint: str | None = None
    fix: str | None = None


def _wrong_limit(key: Key, name: str, limit: Any) -> _WrongLimit | None:
    if name == "one_of":
        return _wrong_options(key, limit)
    if key.field.annotation is not int:
        return _WrongLimit(says=f"is {_spell(limit)}; only a key that is a number has {name}")
    least = 1 if name == "multiple_of" else None
    if too_large(limit):
        return _WrongLimit(says=f"is {_spell(limit)}; expected an integer of at most 64 bits")
    if isinstance(limit, int) and not isinstance(limit, bool) and (least is None or limit >= least):
        return None
    says = f"is {_spell(limit)}; expected an integer" + ("" if least is None else f" >= {least}")
    meant = limit.strip() if isinstance(limit, str) else ""
    if meant.isascii() and meant.isdigit() and int(meant) >= (least or 0):
        return _WrongLimit(says=says, hint="remove the quotes", fix=str(int(meant)))
    return _WrongLimit(says=says)


def _wrong_options(key: Key, options: Any) -> _WrongLimit | None:
    from kavaspec.spec.repair import accepts, repair_of

    if not isinstance(options, list | tuple):
        one = f"[{toml(options)}]" if options != AUTO and accepts(key, options) else None
        hint = f"it is a list: write {one}" if one else None
        return _WrongLimit(
            says=f"is {_spell(options)}; expected a list of values", hint=hint, fix=one
        )
    if not options:
        return _WrongLimit(says="is an empty list; expected a list of values")
    for option in options:
        if option != AUTO and accepts(key, option):
            continue
        hint, meant = repair_of(key, option)
        all_meant = [
            meant if it is option else repair_of(key, it)[1] or _literal(it) for it in options
        ]
        return _WrongLimit(
            says=f"holds {_spell(option)}; expected {describe(key.field)}",
            hint=hint,
            fix=f"[{', '.join(filter(None, all_meant))}]" if None not in all_meant else None,
        )
    return None


def _nested(flat: Mapping[str, Any]) -> Flat:
    tree: Flat = {}
    for dotted, value in flat.items():
        *path, last = dotted.split(".")
        branch = tree
        for name in path:
            branch = branch.setdefault(name, {})
        branch[last] = list(value) if isinstance(value, tuple) else value
    return tree


def _key_of(loc: tuple[int | str, ...]) -> str | None:
    for size in range(len(loc), 0, -1):
        name = ".".join(str(part) for part in loc[:size])
        if name in keys():
            return name
    return None


def _spell(value: Any) -> str:
    """A value as the reader wrote it, with its type: `the string "8"`, `true`, `2.5`."""
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return f"the string {toml(short)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        text = show(value)
        return text if text.startswith("a number") else f"the number {text}"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return _spell_list(value)
    return f"the {type(value).__name__} {value}"


def _spell_list(value: Sequence[Any]) -> str:
    if not value:
        return "an empty list"
    text = _literal(value)
    if text is None:
        return "a list"
    return f"the list {text}" if len(text) <= 60 else f"a list of {len(value)} items"


def _literal(value: Any) -> str | None:
    """As it may be written; None for a date, or a number that is none."""
    try:
        return toml(freeze(value))
    except TypeError:
        return None
