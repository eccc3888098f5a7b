"""The keys of the schema, by dotted name: what may be said, in which tier, and by whom decided."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from kavaspec.spec.key import Tier
from kavaspec.spec.model import DIGEST, NAME, WORD, SpecModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key, as the schema declares it."""

    name: str
    tier: Tier
    auto: bool
    """Whether `"auto"` is legal."""
    required: bool
    default: Any
    """What leaving it out means; `"auto"` for keys that the machine decides."""
    unit: str
    since: int
    field: FieldInfo
    group: type[BaseModel]
    was: tuple[Any, ...] = ()
    """Defaults of older versions: `default@1` first."""

    @property
    def default_version(self) -> int:
        """The version of the present default: 1 until it changes."""
        return len(self.was) + 1

    def default_at(self, version: int) -> Any:
        """What leaving the key out means in a lock that records `default@VERSION`."""
        return (*self.was, self.default)[version - 1]

    @property
    def meaning(self) -> str:
        """The docstring under the field."""
        return _docstrings(self.group).get(self.name.rpartition(".")[2], "")


@cache
def keys() -> Mapping[str, Key]:
    """All keys, sorted by name."""
    return MappingProxyType(dict(sorted((key.name, key) for key in _walk(SpecModel, ""))))


@cache
def groups() -> Mapping[str, type[BaseModel]]:
    """All tables by dotted name (`""` is the file itself)."""
    return MappingProxyType(dict(_walk_groups(SpecModel, "")))


def group_of(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a field of the schema is, or None when it is a key."""
    for part in (field.annotation, *_options(field.annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def describe(field: FieldInfo, *, auto: bool = False) -> str:
    """What a key accepts, for error messages: `an integer >= 1`, `"sdpa", "eager" or "auto"`."""
    text = _describe_text(field.metadata) or _describe_type(field.annotation)
    words = choices(field)
    if auto and text == "true or false":
        return 'true, false or "auto"'
    if auto and words and text.startswith('"'):
        return " or ".join([", ".join(f'"{word}"' for word in words), '"auto"'])
    return f"{text} {_limits(field.metadata)}".rstrip() + (' or "auto"' if auto else "")


def _limits(metadata: Sequence[Any]) -> str:
    """`>= 0 and < 1`."""
    return " and ".join(
        f"{sign} {_number(getattr(limit, name))}"
        for limit in metadata
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(limit, name, None) is not None
    )


def _number(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The words a key accepts, when it accepts only words."""
    found: list[str] = []
    for part in (field.annotation, *_options(field.annotation)):
        found += [value for value in get_args(part) if isinstance(value, str)]
    return tuple(dict.fromkeys(found))


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()


def _walk(group: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in group.model_fields.items():
        inner = group_of(field)
        if inner is not None:
            yield from _walk(inner, f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra
        if not isinstance(extra, dict):
            raise TypeError(f"{prefix}{name} has no tier: declare it with key()")
        yield Key(
            name=prefix + name,
            tier=extra["tier"],  # type: ignore[arg-type]  # key() put a Tier there
            auto=bool(extra["auto"]),
            required=field.default is PydanticUndefined,
            default=None if field.default is PydanticUndefined else field.default,
            unit=str(extra.get("unit", "")),
            since=int(extra["since"]),  # type: ignore[arg-type]  # key() put an int there
            field=field,
            group=group,
            was=tuple(extra.get("was", ())),  # type: ignore[arg-type]  # key() put a list there
        )


def _walk_groups(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield prefix.rstrip("."), group
    for name, field in group.model_fields.items():
        inner = group_of(field)
        if inner is not None:
            yield from _walk_groups(inner, f"{prefix}{name}.")


_PATTERNS = {
    NAME: "a name of at most 64 letters a to z, digits, `.`, `_` and `-`",
    WORD: "a word of letters, digits and `_.:@/+-`",
    DIGEST: "sha256: and 64 hexadecimal digits",
}


def _describe_text(metadata: Sequence[Any]) -> str | None:
    """What a text must look like, where the schema says more than that it is one."""
    for item in metadata:
        if isinstance(item, StringConstraints):
            return _PATTERNS.get(str(item.pattern), "a string that is not empty")
    return None


def _describe_type(annotation: Any) -> str:
    names = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}
    options = [part for part in _options(annotation) if part is not NoneType]
    if options:
        return " or ".join(_describe_type(part) for part in options)
    if annotation in names:
        return names[annotation]
    if get_origin(annotation) is list:
        return f"a list of {_several(_describe_type(get_args(annotation)[0]))}"
    arguments = get_args(annotation)
    if arguments and all(isinstance(value, str) for value in arguments):
        words = [f'"{value}"' for value in arguments]
        return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    if arguments:  # Annotated[int, Ge(1)]
        limits = _limits(arguments[1:])
        return _describe_text(arguments[1:]) or f"{_describe_type(arguments[0])} {limits}".rstrip()
    return str(annotation)


def _several(one: str) -> str:
    """`an integer >= 0` as `integers >= 0`, `a string that is not empty` as `strings that are ...`."""
    _, noun, more = (*one.split(" ", 2), "")[:3]
    return f"{noun}s {more}".rstrip().replace(" that is ", " that are ")


@cache
def _docstrings(group: type[BaseModel]) -> Mapping[str, str]:
    """Field -> the string that stands under it. Reads the source: only for people, never on a fast path."""
    body = ast.parse(inspect.getsource(group)).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{group} is not a class")
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match text:
                case ast.Expr(value=ast.Constant(value=str(words))):
                    found[field.target.id] = " ".join(inspect.cleandoc(words).split())
    return found
