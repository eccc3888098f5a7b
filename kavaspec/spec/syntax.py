"""What is wrong with a text that is not TOML: the usual slips by name, with their repair."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tomli

from kavaspec.errors import Exit, Fix, Problem, Where
from kavaspec.plain import toml
from kavaspec.spec.positions import twice as find_twice
from kavaspec.spec.repair import UNSET, accepts, leads_out, nearest_keys, optional, repair_of
from kavaspec.spec.schema import Key, describe, keys

_ASSIGNS = re.compile(r"^\s*(?P<key>[\w.-]+)\s*=\s*(?P<value>.*?)\s*$")
_WORD = re.compile(r"[^\s#\"'\[\]{},=]+")
_YAML = re.compile(r"^\s*(?P<key>[\w.-]+)\s*(?P<colon>:)\s+(?P<value>\S.*)$")
_HEADER = re.compile(r"^\s*\[(?P<name>[\w.-]+)\]\s*(?:#.*)?$")
_OPEN_HEADER = re.compile(r"^\s*\[(?P<name>[\w. -]*?)\s*(?:#.*)?$")
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'"})
_CLOSE = {"Unclosed array": "]", "Unclosed inline table": "}"}
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def twice(text: str, path: str, reason: str) -> Problem | None:
    """The key or table that is given twice, with both places; None when it is something else."""
    if not reason.startswith(("Cannot", "Duplicate")):
        return None
    found = find_twice(text, path)
    if found is None:
        return None
    if found.within is not None and found.tables:
        message = f"{found.dotted} is opened as a table here, and has keys at {found.first} already"
        hint = f"write {found.within} below [{found.dotted}] too, or all keys of it with dots"
    elif found.within is not None:
        message = f"{found.dotted} is a value here, and a table at {found.first}"
        hint = f"keep {found.within}, which is a key of it, or this"
    else:
        message = f"{found.dotted} is given twice: here and at {found.first}"
        hint = "keep one of them"
        if found.tables:
            hint = f"move the keys below it to the first [{found.dotted}]"
    return Problem(
        message=message,
        exit=Exit.USAGE,
        code="KV0102",
        key=found.dotted,
        where=found.second,
        hint=hint,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slip:
    """What is wrong in a line, from which column on, and how far."""

    what: str
    hint: str | None
    start: int
    """Counted from 0."""
    width: int
    fix: str | None = None
    """What should stand there instead, where only that can be meant."""


def problem(text: str, where: Where, reason: str) -> Problem:
    """Any other slip: a word without quotes, `True` for `true`, `None`, a colon for `=`."""
    lines = text.split("\n")[: where.line]
    slip = next(_slips(where.text, where.column - 1, lines), None)
    if slip is None:
        slip = _Slip(
            what=f"{reason[:1].lower()}{reason[1:]}",
            hint=f"close it with {_CLOSE[reason]}"
            if reason in _CLOSE
            else 'a line is a table, [train], or a key: steps = 300, name = "text"',
            start=where.column - 1,
            width=1,
        )
    there = Where(
        path=where.path,
        line=where.line,
        column=slip.start + 1,
        width=max(1, slip.width),
        text=where.text,
    )
    return Problem(
        message=f"this is not TOML: {slip.what}",
        exit=Exit.USAGE,
        code="KV0101",
        where=there,
        hint=slip.hint,
        fix=None if slip.fix is None else Fix(where=there, text=slip.fix),
    )


def _slips(line: str, column: int, lines: list[str]) -> Iterator[_Slip]:
    """What may be wrong with a line, the surest first. `column` is where TOML gave up."""
    assigns = _ASSIGNS.match(line)
    if assigns is not None and column >= assigns.start("value") - 1:
        yield from _of_value(
            assigns["key"], assigns["value"], assigns.start("value"), _key(lines, assigns["key"])
        )
    elif assigns is None:
        yield from _of_line(line, lines)
    yield from _of_letters(line, column)


def _of_letters(line: str, column: int) -> Iterator[_Slip]:
    """A character that no name has: a curly quote, an accent."""
    if column < len(line) and not line[column].isascii():
        yield _Slip(
            what=f"{line[column]} cannot stand here",
            hint="names of keys are of the letters a to z, without quotes",
            start=column,
            width=1,
        )


def _of_line(line: str, lines: list[str]) -> Iterator[_Slip]:
    """A line without `=`."""
    if line.lstrip().startswith(("//", ";", "--", "/*")):
        start = len(line) - len(line.lstrip())
        yield _Slip(what="a comment begins with #", hint="write # in front", start=start, width=2)
    if (yaml := _YAML.match(line)) is not None:
        said = f"{yaml['key']} = {yaml['value'].strip()}"
        sure = _means_the_same(said, _key(lines, yaml["key"]))
        start = yaml.start("colon")
        if line[start - 1].isspace():
            fix, width = "=", 1
        else:
            fix, width = " =", 1
        yield _Slip(
            what="a colon stands where = belongs",
            hint=f"write {said}",
            start=start,
            width=width,
            fix=fix if sure else None,
        )
    if (opened := _OPEN_HEADER.match(line)) is not None:
        start = opened.start("name") - 1
        yield _Slip(
            what="the name of a table is not closed",
            hint=f"write [{opened['name'] or 'train'}]",
            start=start,
            width=len(opened["name"]) + 1,
        )
    if re.fullmatch(r"\s*[\w.-]+\s*", line) and line.isascii():
        word = line.strip()
        key = _key(lines, word)
        expected = f" ({describe(key.field, auto=key.auto)})" if key else ""
        yield _Slip(
            what=f"{word} has no value",
            hint=f"write {word} = VALUE{expected}",
            start=line.index(word),
            width=len(word),
        )


def _of_value(name: str, value: str, start: int, key: Key | None) -> Iterator[_Slip]:
    """`name = value`, where the value is none; it begins at the column `start`."""
    expected = f"write {describe(key.field, auto=key.auto)}" if key else None
    if not value or value.startswith("#"):
        yield _Slip(
            what=f"{name} has no value", hint=expected or "write it behind the =",
            start=max(0, start - 1), width=1,
        )  # fmt: skip
        return
    counted = re.match(r"\[\s*(\d{1,4})\s*\.\.\s*(\d{1,4})\s*\]", value)
    if counted is not None and 0 < int(counted[2]) - int(counted[1]) < 1000:
        numbers = toml(tuple(range(int(counted[1]), int(counted[2]) + 1)))
        yield _Slip(
            what=f"{counted[0]} is no list",
            hint=f"write {numbers}" if len(numbers) <= 60 else "write each number",
            start=start,
            width=counted.end(),
            fix=_sure(numbers, key),
        )
    straight = value.translate(_CURLY)
    if straight != value:
        yield _Slip(
            what="these quotes are not those of TOML",
            hint=f"write {straight}",
            start=start,
            width=len(value),
            fix=_sure(straight, key),
        )
    yield from _of_string(value, start, key)
    word = _WORD.match(value)
    rest = "" if word is None else value[word.end() :].strip()
    if word is None or (rest and not rest.startswith(("#", ",", ";"))):
        yield from _behind(value, start)
    elif (behind := _punctuation(value)) and _value_of(value[: behind[0]]) is not None:
        at, mark = behind
        yield _Slip(
            what=f"{mark} ends no line of TOML",
            hint="remove it",
            start=start + at,
            width=1,
            fix="" if _leads_out(key, _value_of(value[:at])) else None,
        )
    elif rest.startswith(",") and re.match(r"\d{1,3}(,\d{3})+(?!\S)", value):
        whole = re.match(r"[\d,]+", value)
        digits = whole[0] if whole else value
        yield _Slip(
            what=f"{digits} is no value", hint=f"write {digits.replace(',', '')}: "
            "numbers have no commas", start=start, width=len(digits),
        )  # fmt: skip
    else:
        said = word[0].rstrip(";")
        hint, fix = _meant(said, key)
        yield _Slip(what=f"{said} is no value", hint=hint, start=start, width=len(said), fix=fix)


def _of_string(value: str, start: int, key: Key | None) -> Iterator[_Slip]:
    """A string whose end is missing, or with a backslash that says nothing."""
    quote = value[0]
    if quote not in "\"'" or value.startswith(quote * 3):
        return
    inside = re.match(rf"{quote}(?P<text>[^{quote}]*){quote}", value)
    if quote == '"' and inside is not None and "\\" in inside["text"]:
        literal = f"'{inside['text']}'"
        yield _Slip(
            what="a backslash in a string means something else",
            hint=f"write {literal}" if "'" not in inside["text"] else "write two of them: \\\\",
            start=start,
            width=inside.end(),
            fix=_sure(literal, key) if "'" not in inside["text"] else None,
        )
    elif inside is None:
        yield _Slip(
            what="the string is not closed",
            hint=f"write {value}{quote}" if "#" not in value else f"close it with {quote}",
            start=start,
            width=len(value),
        )


def _behind(value: str, start: int) -> Iterator[_Slip]:
    """A value, and something behind it."""
    for end in range(len(value) - 1, 0, -1):
        if value[end:].strip() and _value_of(value[:end]) is not None:
            rest = value[end:].lstrip()
            at = start + len(value) - len(rest)
            yield _Slip(
                what=f"{rest} stands behind the value",
                hint="remove it, or begin a comment with #",
                start=at,
                width=len(rest),
            )
            return


def _punctuation(value: str) -> tuple[int, str] | None:
    """Where a line ends with `;` or `,`, and which."""
    bare = value.partition("#")[0].rstrip()
    return (len(bare) - 1, bare[-1]) if bare.endswith((";", ",")) else None


def _meant(word: str, key: Key | None) -> tuple[str | None, str | None]:
    """What to write for a word without quotes, and whether it is certain."""
    low = word.casefold()
    if low in ("none", "null", "nil"):
        if key is None or not optional(key):
            return "leave the key out", None
        return f"write {UNSET}", UNSET
    if key is None:
        if low in ("true", "false"):
            return f"write {low}", None
        return f"put it in quotes: {toml(word)}", None
    if low in _TRUTHS and accepts(key, _TRUTHS[low]):
        return f"write {toml(_TRUTHS[low])}", toml(_TRUTHS[low])
    if accepts(key, word):
        return f"put it in quotes: {toml(word)}", toml(word)
    number = _number(word)
    if number is not None and leads_out(key, _value_of(number)):
        return f"write {number}", number
    hint, fix = repair_of(key, word)
    expected = f"write {describe(key.field, auto=key.auto)}"
    if hint is None or hint == "remove the quotes":  # there are none
        return expected, None
    return (f"write {fix}" if fix and hint.startswith("did you mean") else hint), fix


def _number(word: str) -> str | None:
    """A number as TOML wants it: `007` is 7, `.5` is 0.5, `5.` is 5.0."""
    sign, digits = (word[0], word[1:]) if word[0] in "+-" else ("", word)
    if re.fullmatch(r"0+[0-9]+", digits):
        return sign + str(int(digits))
    if re.fullmatch(r"\.[0-9]+([eE][+-]?[0-9]+)?", digits):
        return f"{sign}0{digits}"
    match = re.fullmatch(r"([0-9]+)\.([eE][+-]?[0-9]+)?", digits)
    return f"{sign}{match[1]}.0{match[2] or ''}" if match else None


def _sure(literal: str, key: Key | None) -> str | None:
    """The literal, when it is one and the key takes it."""
    value = _value_of(literal)
    return literal if value is not None and _leads_out(key, value) else None


def _value_of(literal: str) -> Any:
    """What a text of TOML says; None when it is no value."""
    try:
        return tomli.loads(f"v = {literal}").get("v")
    except (ValueError, RecursionError):
        return None


def _means_the_same(line: str, key: Key | None) -> bool:
    value = _value_of(line.partition("=")[2])
    return value is not None and _leads_out(key, value)


def _leads_out(key: Key | None, value: Any) -> bool:
    """Of a name that nobody knows, nobody knows what it takes."""
    return key is not None and leads_out(key, value)


def _key(lines: list[str], name: str) -> Key | None:
    """The key that the last of some lines speaks of, or surely means."""
    headers = [match["name"] for line in lines if (match := _HEADER.match(line))]
    dotted = f"{headers[-1]}.{name}" if headers else name
    if dotted.startswith("targets."):
        dotted = dotted.split(".", 2)[-1]
    near = (dotted,) if dotted in keys() else nearest_keys(dotted, tuple(keys()))
    sure = len(near) == 1 and near[0].rpartition(".")[0] == dotted.rpartition(".")[0]
    return keys()[near[0]] if sure else None
