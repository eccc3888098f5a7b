"""Ways to spoil a spec, a fact file or a lock: by bytes, by tokens and by structure.

A text that is spoilt by structure is still TOML or YAML, so it reaches much further than one whose
bytes are wrong; a lock whose seals are made anew after the edit reaches everything behind the seals.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import tomli
import tomlkit
import yaml
from hypothesis import strategies as st

from kavaspec.facts.names import FACTS, kind_of
from kavaspec.lock.file import block_seal, fact_seal, set_seal
from kavaspec.lock.model import Block, LockedFact
from kavaspec.plain import freeze
from kavaspec.spec.schema import Key, choices, keys

ENDLESS = ["9" * 5000, "0x" + "f" * 5000, "&a [*a]", "[&a [1, 1], &b [*a, *a], &c [*b, *b], [*c, *c]]", "[" * 400 + "]" * 400, f"{{ auto = true, max = {'9' * 30} }}"]  # fmt: skip
"""Values that are small to write and have no end."""

PIECES = [*ENDLESS, "", "\n", "\r", '"', "'", "=", "[", "]", "{", "}", ".", "#", ":", "- ", "auto", "-1", "1e999", "nan", "\x00", "\ufeff", "é", "\u2028", "\U0001f600", "true", "null", "~", "[[a]]", "{ auto = true }", "{auto=true,max=1}", "2024-01-01", "12:30:45", '"""', "<<<<<<< HEAD\n", "=======\n", ">>>>>>> other\n", "&a ", "*a", "<<: *a", "!!str ", "!!python/object:os.system ", "---\n", "...\n", "%YAML 1.1\n", "? ", "| ", "> ", "seal: ", "lock_version: 2\n"]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 3, 7, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 0.0, -0.0, 0.5, 1e-320, 1e308, -1e308]  # fmt: skip
TEXTS = ["", " ", "auto", "none", "\n", "\t", "a b", "é", "\U0001f600", "\u202e", "..", "../x", "/", "~", "$HOME", "$NOT_SET/x", "${x", "{question}", "{", "{0}", "{a.b}", "{!r}", "%s", "x" * 5000, "builtin:", "builtin:nothing", "./nowhere", "org/name", "sha256:" + "0" * 64, "cuda", "float16", "kv", "ce", "6x2x32", "0x0x0", "1x1x99999999", "full", "2.13.0", "12", *ENDLESS, "train[:10]", "train[-1:5]", "-", "--help", "a=b", "slurm", "slower", "\x1b[31m", "\x7f"]  # fmt: skip
ODD = [None, True, False, [], [[]], [1], [-1], [0, 1, 2], ["a"], [1, "a", None], [""], {}, {"auto": True}, {"auto": False}, {"auto": True, "max": 1}, {"auto": True, "min": "a"}, {"auto": True, "one_of": []}, {"auto": True, "one_of": ["float16"]}, {"auto": True, "multiple_of": 3}, {"unset": True}, {"a": {"b": {"c": 1}}}, {"": 1}]  # fmt: skip
DATES = [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 12, 30, tzinfo=dt.UTC)]


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(ODD).map(copy.deepcopy),
    st.integers(-5, 300),
    st.text(max_size=8),
    st.lists(st.integers(-2, 40), max_size=8),
)
"""What may stand where something else is expected. Plain, so a lock may hold it."""

DEEP = st.integers(2, 400).map(nested)
NOT_PLAIN = st.sampled_from([*DATES, float("nan"), float("inf"), float("-inf")])
ANYTHING = VALUES | DEEP | NOT_PLAIN


# ---- bytes and tokens --------------------------------------------------------------------------


@st.composite
def bytes_of(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with a few bytes changed, taken out, doubled or put in."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 60)))
        new = draw(st.binary(max_size=4) | st.just(content[start:end] * 2))
        content = content[:start] + new + content[end:]
    return content


@st.composite
def tokens_of(draw: st.DrawFn, text: str) -> str:
    """A text with a few cuts, insertions and moved lines."""
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            start = draw(st.integers(0, len(text)))
            end = min(len(text), start + draw(st.integers(0, 30)))
            text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
        else:
            lines = text.split("\n")
            taken = lines.pop(draw(st.integers(0, len(lines) - 1)))
            for _ in range(draw(st.integers(0, 2))):
                lines.insert(draw(st.integers(0, len(lines))), taken)
            text = "\n".join(lines)
    return text


def dressed(draw: st.DrawFn, text: str) -> bytes:
    """The same text as other editors and systems write it, sometimes not even UTF-8."""
    how = draw(st.sampled_from(["plain"] * 30 + ["crlf", "cr", "mark", "nul", "utf-16", "latin-1"]))
    match how:
        case "crlf":
            text = text.replace("\n", "\r\n")
        case "cr":
            text = text.replace("\n", "\r")
        case "mark":
            text = "\ufeff" + text
        case "nul":
            text += "\x00"
    encoding = how if how in {"utf-16", "latin-1"} else "utf-8"
    return text.encode(encoding, "replace" if how == "latin-1" else "surrogatepass")


# ---- trees -------------------------------------------------------------------------------------


def paths(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything inside tables and lists of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for name, value in items:
        yield (*above, name)
        if isinstance(value, dict | list):
            yield from paths(value, (*above, name))


def parent(tree: Any, path: tuple[Any, ...]) -> Any:
    """What holds the thing at a path."""
    for name in path[:-1]:
        tree = tree[name]
    return tree


def edited(draw: st.DrawFn, tree: Any, names: list[str], values: st.SearchStrategy[Any]) -> Any:
    """One edit of a tree: a thing deleted, replaced, renamed, moved, doubled or swapped."""
    there = list(paths(tree))
    if not there:
        return tree
    path = draw(st.sampled_from(there))
    above, last = parent(tree, path), path[-1]
    what = draw(st.sampled_from(["delete", "replace", "replace", "rename", "move", "swap", "add"]))
    if what == "delete":
        del above[last]
    elif what == "replace":
        above[last] = draw(values)
    elif what == "rename" and isinstance(above, dict):
        above[draw(st.sampled_from(names) | st.sampled_from(TEXTS))] = above.pop(last)
    elif what in {"move", "swap"}:
        other = draw(st.sampled_from(there))
        beside, name = parent(tree, other), other[-1]
        mine, its = copy.deepcopy(above[last]), copy.deepcopy(beside[name])
        beside[name] = mine
        if what == "swap" and other[: len(path)] != path and path[: len(other)] != other:
            above[last] = its
    elif isinstance(above, dict):
        above[draw(st.sampled_from(names))] = draw(values)
    else:
        above.append(draw(values))
    return tree


# ---- specs -------------------------------------------------------------------------------------

TABLES = [*keys(), "targets", "targets.a", "targets.cpu.train.threads", "objective.preset", "facts"]
TAILS = sorted({name.rpartition(".")[2] for name in TABLES} | {"facts", "targets", "preset"})


def said(draw: st.DrawFn, tree: dict[str, Any]) -> dict[str, Any]:
    """One key of the schema, somewhere it may be said, with any value."""
    name = draw(st.sampled_from(TABLES))
    at = draw(st.sampled_from([(), (), (), ("targets", "cpu"), ("targets", "b")]))
    table = tree
    for part in (*at, *name.split(".")[:-1]):
        inner = table.get(part)
        table[part] = table = inner if isinstance(inner, dict) else {}
    value = likely(keys()[name]) if name in keys() and draw(st.integers(0, 3)) else ANYTHING
    table[name.rpartition(".")[2]] = draw(value)
    return tree


def likely(key: Key) -> st.SearchStrategy[Any]:
    """Values of about the right kind for a key, so that what is behind the schema is reached too."""
    kind, words = str(key.field.annotation), choices(key.field)
    numbers = st.sampled_from([1, 2, 3, 4, 6, 7, 8, 16, 32, 64, 100, 4096, 10**6, 2**40, 2**63 - 1])
    several = st.lists(st.integers(0, 8) | st.integers(16, 200), max_size=7)
    options: list[st.SearchStrategy[Any]] = []
    if words:
        options += [st.sampled_from(words), st.sampled_from(words)]
        limits = st.lists(st.sampled_from(words), min_size=1, max_size=2)
        options += [limits.map(lambda few: {"auto": True, "one_of": few})] if key.auto else []
    if "list" in kind:
        options.append(st.lists(st.sampled_from(words or ("q_proj", "./data", "$X/y"))) if "str" in kind or words else several)  # fmt: skip
    if "int" in kind:
        options += [numbers, st.integers(0, 40)]
        limit = st.dictionaries(st.sampled_from(["min", "max", "multiple_of"]), numbers, min_size=1)
        options += [limit.map(lambda most: {"auto": True, **most})] if key.auto else []
    if "float" in kind:
        options.append(st.floats(0, 1) | st.sampled_from([0.0, 1e-300, 1e300, 5]))
    if "bool" in kind:
        options.append(st.booleans())
    if "str" in kind and not words:
        options.append(st.sampled_from(TEXTS))
    if key.auto:
        options.append(st.just("auto"))
    return st.one_of(*options, st.just({"unset": True}))


@st.composite
def specs(draw: st.DrawFn, text: str) -> bytes:
    """A spec with a few edits of its tables, keys and values."""
    tree = tomli.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        tree = said(draw, tree) if draw(st.integers(0, 3)) else edited(draw, tree, TAILS, ANYTHING)
    return dressed(draw, _toml(tree))


def _toml(tree: dict[str, Any]) -> str:
    """TOML of a tree; what TOML cannot say (None, huge numbers inside) is said as tomlkit can."""
    document = tomlkit.document()
    for name, value in tree.items():
        try:
            part = tomlkit.dumps({name: _without_none(value)})
        except (ValueError, TypeError, RecursionError, tomlkit.exceptions.TOMLKitError):
            part = f"{tomlkit.key(name or 'x').as_string()} = {value!r}\n"
        document.add(tomlkit.comment("")) if not part else None
        document.append(None, tomlkit.ws(part)) if part else None
    return document.as_string()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value if item is not None]
    return value


# ---- locks -------------------------------------------------------------------------------------

NAMES = [*keys(), *FACTS, "here", "cpu", "facts", "decisions", "value", "by", "inputs", "guard", "provisional", "seal", "how", "probe", "of", "auto", "set"]  # fmt: skip
BY = ["spec", "set", "target", "default@1", "default@2", "default@0", "default@x", "preset safe@1", "preset seed@1", "preset none@1", "preset safe@99", "precision@1", "micro_batch@1", "micro_batch@99", "nothing@1", "", "@", "@1", "precision@-1", "precision@1e3", "precision@" + "9" * 40]  # fmt: skip
GUARDS = [[], ["fact.cpu.cores >= 4"], ["fact.cpu.cores >= true"], ["fact.nothing == 1"], ["nonsense"], ["fact.cpu.cores ~ 1"], ["fact.cpu.cores >= "], ["fact.cpu.cores >= [1"], ["fact.gpu.name == 'x'"], ['fact.gpu.name in ["a"'], ["fact.gpu.name in 3"], ['fact.memory.total_bytes >= "a"'], ["fact.cpu.features >= [8, 0]"], "fact.cpu.cores >= 4", [1], [""], ["a" * 3000]]  # fmt: skip
HOWS = ["measured", "declared", "assumed", "guessed", "", 1, None]
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "by": st.sampled_from(BY),
    "guard": st.sampled_from(GUARDS).map(copy.deepcopy),
    "how": st.sampled_from(HOWS),
    "inputs": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2) | VALUES,
    "of": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2) | VALUES,
    "provisional": st.booleans() | VALUES,
    "probe": st.sampled_from(TEXTS) | VALUES,
    "value": VALUES | DEEP,
}


def records(tree: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table of a tree that holds a value, with its name: blocks, facts, settings."""
    if isinstance(tree, dict):
        if "value" in tree:
            yield name, tree
        else:
            for inner, item in tree.items():
                yield from records(item, str(inner))


def fields_changed(draw: st.DrawFn, tree: Any, fields: list[str]) -> Any:
    """One field of one block or fact with another value; mostly one of the right kind."""
    found = list(records(tree))
    if found:
        name, record = draw(st.sampled_from(found))
        field = draw(st.sampled_from(fields))
        fits = draw(st.integers(0, 4)) > 0
        if field == "value" and fits:
            record[field] = draw(of_the_kind(name))
        elif field in {"inputs", "of"} and fits and isinstance(record.get(field), dict):
            inside = record[field]
            other = draw(st.sampled_from([*inside, *inside, *NAMES]))
            inside[other] = draw(of_the_kind(other))
        else:
            record[field] = draw(FIELDS[field])
    return tree


def of_the_kind(name: str) -> st.SearchStrategy[Any]:
    """Values of about the right kind for a key or a fact."""
    if name in keys():
        return likely(keys()[name])
    kind = kind_of(name)
    if kind is None:
        return VALUES
    if kind.one_of:
        return st.sampled_from([*kind.one_of, None])
    numbers = st.integers(-1, 40) | st.sampled_from(
        [0, 1, 8, 64, 2**30, 2**36, 2**62, 10**30, -(2**40)]
    )
    texts = st.sampled_from(FACT_TEXTS) | st.text(max_size=6)
    return {
        "text": texts | st.none(),
        "int": numbers | st.none(),
        "bool": st.booleans() | st.none(),
        "texts": st.lists(texts, max_size=4),
        "ints": st.lists(numbers, max_size=4),
        "table": st.lists(st.lists(numbers, min_size=2, max_size=2), max_size=4),
        "counts": st.dictionaries(st.sampled_from(["p50", "p90", "p99", "max", "$SCRATCH", "x"]), numbers, max_size=4),
    }[kind.type]  # fmt: skip


FACT_TEXTS = ["", "6x2x32", "0x0x0", "1x0x0:linear", "6x2x32+", "99999x1x1", "3x2x24:sliding+3x2x24", "1x9999999x9999999", "3x2x24:shared", "3.11", "2.13.0", "2", "sm_80", "gfx90a", "answer", "question", "$SCRATCH", "avx512_bf16", "sha256:" + "0" * 64, "NVIDIA A100"]  # fmt: skip


def set_changed(draw: st.DrawFn, tree: Any) -> Any:
    """What `--set` is said to have added."""
    chosen = st.dictionaries(
        st.sampled_from(TABLES), VALUES.map(lambda it: {"value": it}), max_size=2
    )
    tree["set"] = draw(chosen)
    return tree


@st.composite
def locks(draw: st.DrawFn, text: str) -> bytes:
    """A lock with a few edits of its blocks; mostly sealed again, so that they are not noticed by a seal."""
    tree = copy.deepcopy(_read(text))
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(tree, dict):
            break
        what = draw(st.integers(0, 6))
        if what == 0:
            tree = set_changed(draw, tree)
        elif what < 3:
            tree = edited(draw, tree, NAMES, VALUES)
        else:
            tree = fields_changed(draw, tree, [*FIELDS, "value", "value", "inputs", "guard"])
    if draw(st.integers(0, 9)) > 1 and isinstance(tree, dict):
        seal_again(tree)
    written = yaml_text(tree)
    if draw(st.integers(0, 9)) == 0:
        written = with_yaml_tricks(draw, written)
    return dressed(draw, written)


def seal_again(tree: dict[str, Any]) -> None:
    """Give every block, fact and setting the seal that fits what it says now."""
    for key, item in _items(tree.get("set")):
        _seal(item, lambda item=item, key=key: set_seal(key, freeze(item["value"])))
    said = tree.get("checks", 1)
    checks = said if isinstance(said, int) and not isinstance(said, bool) else 1
    _seal_part(tree, "", checks)
    for name, target in _items(tree.get("targets")):
        _seal_part(target, name, checks)


def _seal_part(part: Any, target: str, checks: int) -> None:
    if not isinstance(part, dict):
        return
    for name, item in _items(part.get("facts")):
        _seal(item, lambda item=item, name=name: fact_seal(target, name, _fact(item)))
    for key, item in (*_items(part.get("experiment")), *_items(part.get("decisions"))):
        _seal(item, lambda item=item, key=key: block_seal(target, key, _block(item), checks))


def _items(table: Any) -> list[tuple[Any, Any]]:
    return list(table.items()) if isinstance(table, dict) else []


def _seal(item: Any, seal: Callable[[], str]) -> None:
    # what is not even shaped like a block keeps its old seal
    with suppress(TypeError, KeyError, AttributeError, ValueError, RecursionError):
        item["seal"] = seal()


def _fact(item: dict[str, Any]) -> LockedFact:
    of = freeze(item.get("of") or {})
    return LockedFact(value=freeze(item["value"]), how=item["how"], probe=item["probe"], of=of)  # type: ignore[arg-type]  # strange on purpose


def _block(item: dict[str, Any]) -> Block:
    return Block(
        value=freeze(item["value"]),
        by=item["by"],
        inputs=freeze(item.get("inputs", {})),  # type: ignore[arg-type]  # strange on purpose
        guard=tuple(item.get("guard", ())),
        provisional=item.get("provisional", False),
    )


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


@cache
def _read(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def yaml_text(tree: Any) -> str:
    """YAML of a tree, without aliases."""
    written: str = yaml.dump(tree, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6)
    return written


def with_yaml_tricks(draw: st.DrawFn, text: str) -> str:
    """Anchors, aliases, tags, merge keys, several documents, and things that grow when they are read."""
    lines = text.split("\n")
    at = draw(st.integers(1, len(lines)))
    bomb = ["b0: &b0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"b{n}: &b{n} [" + ", ".join([f"*b{n - 1}"] * 9) + "]" for n in range(1, 9)]
    trick = draw(
        st.sampled_from(
            [
                ["anchor: &a {value: 1}", "other: *a"],
                ["loop: &l [*l]"],
                ["loop: &l {again: *l}"],
                ["base: &m {value: 1, by: spec}", "merged:", "  <<: *m"],
                ["tag: !!python/object/apply:os.getcwd []"],
                ["tag: !thing {a: 1}"],
                ["set: !!set {a, b}"],
                ["bytes: !!binary aGVsbG8="],
                ["omap: !!omap [a: 1]"],
                ["date: 2024-01-01"],
                ["? [1, 2]", ": 3"],
                ["? {a: 1}", ": 3"],
                ["1: 2"],
                ["null: 2"],
                ["--- ", "second: document"],
                ["..."],
                ["%TAG ! tag:example.org,2000:"],
                ["<<<<<<< HEAD", "a: 1", "=======", "a: 2", ">>>>>>> b"],
                ["<<<<<<< HEAD"],
                ["======="],
                ["deep: " + "[" * 3000 + "]" * 3000],
                ["deep: " + "{a: " * 600 + "1" + "}" * 600],
                ["long: " + "x" * 200_000],
                ["many: [" + "1, " * 20_000 + "1]"],
                ["number: 0x1F", "octal: 0o17", "old: 017", "big: " + "9" * 5000],
                bomb,
            ]
        )
    )
    return "\n".join([*lines[:at], *trick, *lines[at:]])


# ---- fact files --------------------------------------------------------------------------------

SIZES = ["80GiB", "80 GB", "-1GiB", "1e3GiB", "GiB", "9" * 400 + "TiB", "0.5B", "1.5MiB", "infGiB"]


@st.composite
def fact_files(draw: st.DrawFn, text: str) -> bytes:
    """A fact file with a few facts of another value or kind, without fields, unknown or twice."""
    tree = copy.deepcopy(_read(text))
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(tree, dict):
            break
        what = draw(st.integers(0, 9))
        found = list(records(tree))
        if what > 2:
            tree = fields_changed(draw, tree, ["value"] * 8 + ["how", "of", "probe"])
        elif what > 1 and found:
            _, record = draw(st.sampled_from(found))
            record["value"] = draw(VALUES | st.sampled_from(SIZES) | NOT_PLAIN)
        else:
            tree = edited(draw, tree, NAMES, VALUES)
    written = yaml_text(tree)
    if draw(st.integers(0, 19)) == 0:
        written = with_yaml_tricks(draw, written)
    return dressed(draw, written)
