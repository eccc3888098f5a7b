"""The schema of kava.toml for editors (JSON Schema, draft 2020-12), and the reference page of all keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import TypeAdapter

from kavaspec.decision import AUTO
from kavaspec.plain import toml
from kavaspec.spec.key import Tier
from kavaspec.spec.objectives import OBJECTIVES
from kavaspec.spec.repair import optional
from kavaspec.spec.schema import Key, describe, groups, keys

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TARGET_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
PATH = {"type": "string", "minLength": 1}
FACTS = {
    "title": "facts",
    "description": "Files with facts about the models and the data, for machines that do not have "
    "them; made by `kavaspec facts --spec kava.toml --save NAME`.",
    "anyOf": [PATH, {"type": "array", "items": PATH}],
}
TARGET_FACTS = {
    "title": "facts",
    "description": "The fact file that describes this target, relative to kava.toml; made on that "
    "machine by `kavaspec facts --save NAME`. Left out: the machine that locks.",
    **PATH,
}
TIERS: Mapping[Tier, str] = {
    "experiment": "the scientific claim: the same on every machine",
    "numerics": "may change bits, not the claim",
    "placement": "changes neither: where, and how often",
}
Schema = dict[str, Any]
_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def json_schema() -> Schema:
    """What a kava.toml may be, with meaning, unit, tier and default of every key."""
    root = _table("", keys())
    root["properties"] |= {"facts": FACTS, "targets": _targets()}
    return {
        "$schema": DRAFT,
        "title": "kava.toml",
        "description": "A kavaspec spec: what an experiment is. Leave out, or write "
        '"auto", what the machine should decide.',
        **root,
        "required": ["data"],
        "allOf": [_with_kind(kind) for kind in OBJECTIVES],
    }


def key_schema(key: Key) -> Schema:
    """What one key may be."""
    base = _base(key)
    options = [base]
    if base.get("type") == "string" and "enum" not in base:
        base["not"] = {"const": AUTO}
    if key.auto:
        options += [_auto(), _limited(key, base)]
    if optional(key):
        options.append(_unset())
    kind = options[0] if len(options) == 1 else {"oneOf": options}
    extra = {"x-tier": key.tier, "x-auto": key.auto} | ({"x-unit": key.unit} if key.unit else {})
    head: Schema = {"title": key.name, "description": description(key)}
    return head | kind | ({} if key.required else {"default": _default(key)}) | extra


def description(key: Key) -> str:
    """Meaning, unit, tier, and whether the machine may decide it."""
    unit = f" Counted in {key.unit}." if key.unit else ""
    auto = ' "auto": the machine decides it.' if key.auto else ""
    off = " { unset = true } switches it off." if optional(key) else ""
    return f"{key.meaning}{unit} Tier {key.tier}: {TIERS[key.tier]}.{auto}{off}"


def markdown() -> str:
    """docs/keys.md: every key, by table."""
    lines = [
        "# Every key of kava.toml",
        "",
        "Written by `kavaspec schema --markdown`. A key that is left out has its default; `auto` is",
        "decided by `kavaspec lock`, and may carry limits: `{ auto = true, max = 8 }` with `min`,",
        "`max`, `multiple_of` and `one_of`. A key that takes none is switched off with",
        "`{ unset = true }`.",
        "",
        "| tier | means |",
        "|---|---|",
        *(f"| {tier} | {means} |" for tier, means in TIERS.items()),
    ]
    for name in groups():
        rows = [key for key in keys().values() if key.name.rpartition(".")[0] == name]
        if rows:
            lines += ["", f"## {f'[{name}]' if name else 'At the top'}", ""]
            lines += ["| key | takes | default | tier | means |", "|---|---|---|---|---|"]
            lines += [_row(key) for key in rows]
        if name == "objective":
            lines += ["", *_presets()]
    return "\n".join([*lines, "", *_syntax(), ""])


def _syntax() -> Iterator[str]:
    yield "## [targets.NAME]"
    yield ""
    yield "A target is a named place to run. It may set every key of the tiers numerics and placement,"
    yield "and `facts`, the path of the fact file that describes it. Without any, there is one target,"
    yield "`here`: the machine that locks."
    yield ""
    yield "## facts"
    yield ""
    yield str(FACTS["description"])


def _presets() -> Iterator[str]:
    yield "`preset` chooses defaults of the experiment:"
    yield ""
    for kind, objective in OBJECTIVES.items():
        for preset, says in objective.presets.items():
            told = ", ".join(f"`{name} = {toml(value)}`" for name, value in says.items())  # type: ignore[arg-type]  # presets hold plain values
            yield f"- `{preset}` (`kind = {toml(kind)}`): {told or 'what the defaults say'}"


def _row(key: Key) -> str:
    unit = f" ({key.unit})" if key.unit else ""
    default = "needed" if key.required else f"`{toml(_default(key))}`"
    cells = (
        f"`{key.name.rpartition('.')[2]}`",
        describe(key.field, auto=key.auto) + (" or none" if optional(key) else "") + unit,
        default,
        key.tier,
        key.meaning,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(name: str, wanted: Mapping[str, Key]) -> Schema:
    """A group with those of its keys that are wanted; tables inside without any are left out."""
    prefix = f"{name}." if name else ""
    properties: Schema = {}
    for key in wanted.values():
        head, _, tail = key.name.removeprefix(prefix).partition(".")
        if not key.name.startswith(prefix) or head in properties:
            continue
        properties[head] = _table(prefix + head, wanted) if tail else key_schema(key)
    table: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    means = " ".join((groups()[name].__doc__ or "").split())
    if name:
        table = {"title": name, "description": means, **table}
    if name == "objective":
        presets = [preset for it in OBJECTIVES.values() for preset in it.presets]
        properties["preset"] = {
            "title": "objective.preset",
            "description": "A set of defaults for this kind of objective.",
            "enum": list(dict.fromkeys(presets)),
        }
    return table


def _targets() -> Schema:
    local = {name: key for name, key in keys().items() if key.tier != "experiment"}
    target = _table("", local)
    target["properties"] |= {"facts": TARGET_FACTS}
    return {
        "title": "targets",
        "description": "Named places to run: each may set keys of the tiers numerics and placement.",
        "type": "object",
        "propertyNames": {"pattern": TARGET_NAME},
        "additionalProperties": target,
    }


def _base(key: Key) -> Schema:
    """The type as pydantic has it, without the null that TOML does not have."""
    kind: Any = key.field.annotation
    if key.field.metadata:
        kind = Annotated[(kind, *key.field.metadata)]
    schema: Schema = TypeAdapter(kind).json_schema()
    for name in _LIMITS & schema.keys():  # typing may hand out 0 for 0.0, whichever came first
        schema[name] = int(schema[name]) if float(schema[name]).is_integer() else schema[name]
    options = [it for it in schema.get("anyOf", []) if it != {"type": "null"}]
    if len(options) == 1:
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        return {**options[0], **rest}
    return {**schema, "anyOf": options} if options else schema


def _auto() -> Schema:
    return {"const": AUTO, "description": "Decided by `kavaspec lock`."}


def _limited(key: Key, base: Schema) -> Schema:
    """`{ auto = true, max = 8 }`."""
    properties: Schema = {"auto": {"const": True}, "one_of": {"type": "array", "minItems": 1}}
    properties["one_of"]["items"] = {name: value for name, value in base.items() if name != "not"}
    if key.field.annotation is int:
        whole = {"type": "integer"}
        properties |= {"min": whole, "max": whole, "multiple_of": whole | {"minimum": 1}}
    return {
        "type": "object",
        "description": "Decided by `kavaspec lock`, within limits.",
        "properties": properties,
        "required": ["auto"],
        "additionalProperties": False,
    }


def _unset() -> Schema:
    return {
        "type": "object",
        "description": "Switched off.",
        "properties": {"unset": {"const": True}},
        "required": ["unset"],
        "additionalProperties": False,
    }


def _default(key: Key) -> Any:
    return {"unset": True} if key.default is None else key.default


def _with_kind(kind: str) -> Schema:
    """With a kind of objective: what it needs, and what means nothing with it."""
    from kavaspec.spec.load import applicable_keys

    applies = set(applicable_keys(kind))
    is_kind: Schema = {"properties": {"objective": {"properties": {"kind": {"const": kind}}}}}
    if kind != keys()["objective.kind"].default:
        is_kind["properties"]["objective"]["required"] = ["kind"]
        is_kind["required"] = ["objective"]
    then: Schema = {"properties": {}}
    for name in sorted(applies):
        if keys()[name].required:
            _require(then, name.split("."))
    target = then["properties"].setdefault("targets", {}).setdefault("additionalProperties", {})
    for name in sorted(_idle(applies)):
        _forbid(then, name.split("."))
        _forbid(target, name.split("."))
    preset = {"enum": list(OBJECTIVES[kind].presets)} if OBJECTIVES[kind].presets else False
    objective = then["properties"].setdefault("objective", {}).setdefault("properties", {})
    objective["preset"] = preset
    return {"if": is_kind, "then": then}


def _idle(applies: set[str]) -> Iterator[str]:
    """The largest tables, and then the keys, of which nothing applies."""
    idle = set(keys()) - applies
    tables = [name for name in groups() if name and _all_in(name, idle)]
    for table in tables:
        if not any(table.startswith(f"{other}.") for other in tables):
            yield table
    yield from (name for name in idle if not any(name.startswith(f"{it}.") for it in tables))


def _all_in(table: str, names: set[str]) -> bool:
    return all(name in names for name in keys() if name.startswith(f"{table}."))


def _require(schema: Schema, path: list[str]) -> None:
    for name in path:
        schema.setdefault("required", [])
        if name not in schema["required"]:
            schema["required"].append(name)
        schema = schema.setdefault("properties", {}).setdefault(name, {})


def _forbid(schema: Schema, path: list[str]) -> None:
    *above, last = path
    for name in above:
        schema = schema.setdefault("properties", {}).setdefault(name, {})
    schema.setdefault("properties", {})[last] = False
