"""What was probably meant: the nearest key for an unknown one, the right spelling of a wrong value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Annotated, Any

import tomli
from pydantic import TypeAdapter, ValidationError

from kavaspec.decision import AUTO
from kavaspec.plain import toml
from kavaspec.spec.schema import Key, choices

NEAR, SAME, APART = 0.6, 0.85, 0.08
"""Likeness from which a name is near, from which it is surely a slip of the pen, and how much the
best has to lead for only one to be meant."""
UNSET = "{ unset = true }"
_NOTHING = ("none", "null", "nil", "unset")


def nearest_keys(dotted: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names that may be meant, best first; exactly one where only one can be.

    A slip in the last name comes first, then the same name in another table, then the rest.
    """
    parent, _, tail = dotted.rpartition(".")
    beside = [name for name in known if name.rpartition(".")[0] == parent]
    slip = _nearest(tail, beside)
    if slip and _alike(tail, _tail(slip[0])) >= SAME:
        return slip
    moved = [name for name in known if _tail(name) == tail]
    if moved:
        return tuple(sorted(moved, key=lambda name: -_alike(parent, name.rpartition(".")[0]))[:3])
    return slip or _nearest(tail, known)


def nearest_word(word: str, words: Iterable[str]) -> tuple[str, bool] | None:
    """The word of a choice that is nearest, and whether only it can be meant; None when none is."""
    known = list(words)
    by_case = {name.casefold(): name for name in known}
    if word.strip().casefold() in by_case:
        return by_case[word.strip().casefold()], True
    near = _nearest(word.casefold(), known)
    return (near[0], len(near) == 1) if near else None


_SHORT = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp32": "float32",
}
"""Other names of dtypes, as people write them."""


def repair_of(key: Key, value: Any) -> tuple[str | None, str | None]:
    """For a value that the key does not accept: a hint, and what to write where only one can be meant."""
    if isinstance(value, str):
        return _repair_of_text(key, value)
    if isinstance(value, list | tuple) and not value:
        return "put something into it, or leave the key out", None
    if isinstance(value, float) and value.is_integer() and accepts(key, int(value)):
        return f"write {int(value)}", str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return "a TOML integer has 64 bits", None
        if accepts(key, str(value)):
            return "put it in quotes", None
    return None, None


def accepts(key: Key, value: Any) -> bool:
    """Whether the schema takes a value for a key; `"auto"` where it may be decided."""
    if value == AUTO and isinstance(value, str):
        return key.auto
    kind: Any = key.field.annotation
    if key.field.metadata:
        kind = Annotated[(kind, *key.field.metadata)]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def optional(key: Key) -> bool:
    """Whether the key may be switched off."""
    return type(None) in getattr(key.field.annotation, "__args__", ())


def any_of(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _repair_of_text(key: Key, text: str) -> tuple[str | None, str | None]:
    if optional(key) and text.strip().casefold() in _NOTHING:
        return f"write {UNSET}", UNSET
    literal = _literal(text)
    if literal is not None and accepts(key, literal):
        return "remove the quotes", _as_written(text.strip(), literal)
    words = (*choices(key.field), *((AUTO,) if key.auto else ()))
    if text.casefold() == "gpu" and "cuda" in words:
        return 'write "cuda", "rocm" or "mps"; "auto" takes the one that is here', None
    meant = _SHORT.get(text.casefold())
    if meant in words:
        return f'did you mean "{meant}"?', toml(meant)
    near = nearest_word(text, words)
    if near is None:
        return None, None
    word, certain = near
    return f'did you mean "{word}"?', toml(word) if certain else None


def _literal(text: str) -> bool | int | float | None:
    """The number or truth that a text spells."""
    word = text.strip()
    if word.casefold() in ("true", "false"):
        return word.casefold() == "true"
    for kind in (int, float):
        try:
            number = kind(word)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _as_written(text: str, literal: bool | float) -> str:
    """`3e-4` stays `3e-4`; what TOML would spell otherwise is spelt its way."""
    try:
        same = tomli.loads(f"v = {text}") == {"v": literal}
    except tomli.TOMLDecodeError:
        same = False
    return text if same else toml(literal)


def _nearest(tail: str, names: Iterable[str]) -> tuple[str, ...]:
    ranked = sorted(((_alike(tail, _tail(name)), name) for name in names), reverse=True)
    best = ranked[0][0] if ranked else 0.0
    if best < NEAR:
        return ()
    return tuple(name for score, name in ranked if score > best - APART and score >= NEAR)[:3]


def _tail(name: str) -> str:
    return name.rpartition(".")[2]


def _alike(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()
