"""What is wrong with a text that is not TOML: the usual slips by name, with their repair."""

from __future__ import annotations

import re

from kavaspec.decision import AUTO
from kavaspec.errors import Exit, Fix, Problem, Where
from kavaspec.plain import toml
from kavaspec.spec.positions import twice as find_twice
from kavaspec.spec.repair import UNSET, accepts, optional
from kavaspec.spec.schema import Key, keys

_ASSIGNS = re.compile(r"^\s*(?P<key>[\w.-]+)\s*=\s*(?P<word>[A-Za-z_][\w./:-]*)\s*(?:#.*)?$")
_YAML = re.compile(r"^\s*[\w.-]+\s*:\s+\S")
_HEADER = re.compile(r"^\s*\[(?P<name>[\w.-]+)\]\s*(?:#.*)?$")


def twice(text: str, path: str, reason: str) -> Problem | None:
    """The key or table that is given twice, with both places; None when it is something else."""
    if not reason.startswith(("Cannot", "Duplicate")):
        return None
    found = find_twice(text, path)
    if found is None:
        return None
    dotted, first, second = found
    return Problem(
        message=f"{dotted} is given twice: here and at {first}",
        exit=Exit.USAGE,
        code="KV0102",
        key=dotted,
        where=second,
        hint="keep one of them",
    )


def problem(text: str, where: Where, reason: str) -> Problem:
    """Any other slip: a word without quotes, `True` for `true`, `None`, a colon for `=`."""
    hint, fix, what = None, None, f"{reason[:1].lower()}{reason[1:]}"
    lines = text.split("\n")[: where.line]
    slip = _ASSIGNS.match(where.text)
    if slip is not None:
        word = slip["word"]
        where = Where(
            path=where.path,
            line=where.line,
            column=slip.start("word") + 1,
            width=len(word),
            text=where.text,
        )
        what = f"{word} is no value"
        hint, fix = _meant(word, _key(lines, slip["key"]))
    elif _YAML.match(where.text):
        hint = "write KEY = VALUE"
    return Problem(
        message=f"this is not TOML: {what}",
        exit=Exit.USAGE,
        code="KV0101",
        where=where,
        hint=hint,
        fix=None if fix is None else Fix(where=where, text=fix),
    )


def _meant(word: str, key: Key | None) -> tuple[str, str | None]:
    low = word.casefold()
    if low in ("true", "false"):
        return f"write {low}", low
    if low in ("none", "null", "nil"):
        if key is None or not optional(key):
            return "leave the key out", None
        return f"write {UNSET}", UNSET
    certain = key is not None and accepts(key, word)
    return f"put it in quotes: {toml(word)}", toml(word) if certain or word == AUTO else None


def _key(lines: list[str], name: str) -> Key | None:
    """The key that the last of some lines speaks of."""
    headers = [match["name"] for line in lines if (match := _HEADER.match(line))]
    dotted = f"{headers[-1]}.{name}" if headers else name
    if dotted.startswith("targets."):
        dotted = dotted.split(".", 2)[-1]
    return keys().get(dotted)
