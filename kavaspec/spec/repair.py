"""What was probably meant: the nearest key for an unknown one, the right spelling of a wrong value.

A repair that is certain leads out: what it writes is a value that the key takes. Whatever else is
near is only named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from difflib import SequenceMatcher
from typing import Annotated, Any

import tomli
from pydantic import TypeAdapter, ValidationError

from kavaspec.decision import AUTO
from kavaspec.plain import freeze, show, toml, too_large
from kavaspec.sizes import read_bytes, read_seconds
from kavaspec.spec.schema import Key, choices, keys

NEAR, SAME, APART = 0.6, 0.85, 0.08
"""Likeness from which a name is near, from which it is surely a slip of the pen, and how much the
best has to lead for only one to be meant."""
SLIP = 0.7
"""The same for a word of a choice, of which there are few."""
UNSET = "{ unset = true }"
LONGEST = 4096
"""Characters that a text may have, as the schema says."""
_NOTHING = ("none", "null", "nil", "unset")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "adam_beta1": ("train.beta1",),
    "adam_beta2": ("train.beta2",),
    "adam_epsilon": ("train.epsilon",),
    "batch": ("train.global_batch", "train.micro_batch"),
    "batch_size": ("train.global_batch", "train.micro_batch"),
    "bf16": ("train.precision",),
    "context_length": ("data.max_length",),
    "dataloader_num_workers": ("loader.workers",),
    "dataset": ("data.source",),
    "dtype": ("train.precision",),
    "eval_steps": ("eval.every",),
    "fp16": ("train.precision",),
    "gpus": ("scheduler.gpus_per_node",),
    "grad_clip": ("train.clip",),
    "gradient_accumulation": ("train.accumulation",),
    "gradient_accumulation_steps": ("train.accumulation",),
    "iterations": ("train.steps",),
    "logging_steps": ("logging.every",),
    "lora_alpha": ("train.lora.alpha",),
    "lora_dropout": ("train.lora.dropout",),
    "lora_r": ("train.lora.rank",),
    "lora_rank": ("train.lora.rank",),
    "lr": ("train.learning_rate",),
    "lr_scheduler": ("train.schedule",),
    "lr_scheduler_type": ("train.schedule",),
    "max_grad_norm": ("train.clip",),
    "max_len": ("data.max_length",),
    "max_seq_len": ("data.max_length",),
    "max_seq_length": ("data.max_length",),
    "max_steps": ("train.steps",),
    "mem": ("scheduler.memory_bytes",),
    "num_epochs": ("train.epochs",),
    "num_gpus": ("scheduler.gpus_per_node",),
    "num_steps": ("train.steps",),
    "num_train_epochs": ("train.epochs",),
    "num_workers": ("loader.workers",),
    "optim": ("train.optimizer",),
    "out_dir": ("paths.output",),
    "output_dir": ("paths.output",),
    "per_device_train_batch_size": ("train.micro_batch",),
    "save_steps": ("checkpoint.every",),
    "seq_len": ("data.max_length",),
    "seq_length": ("data.max_length",),
    "student": ("model.student.source",),
    "student_model": ("model.student.source",),
    "teacher": ("model.teacher.source",),
    "teacher_model": ("model.teacher.source",),
    "time_limit": ("scheduler.walltime_s",),
    "torch_dtype": ("train.precision",),
    "walltime": ("scheduler.walltime_s",),
    "warmup": ("train.warmup_steps",),
    "wd": ("train.weight_decay",),
}
"""Names that other programs have for a key."""


def nearest_keys(dotted: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known names that may be meant, best first; exactly one where only one can be.

    A slip in the last name comes first, then the same name in another table, then the name that
    other programs have for it, then the rest.
    """
    parent, _, tail = dotted.rpartition(".")
    beside = [name for name in known if name.rpartition(".")[0] == parent]
    slip = _nearest(tail, beside)
    if slip and _alike(tail, _tail(slip[0])) >= SAME:
        return slip
    moved = [name for name in known if _tail(name) == tail]
    if moved:
        return tuple(sorted(moved, key=lambda name: -_alike(parent, name.rpartition(".")[0]))[:3])
    elsewhere = [name for name in _ELSEWHERE.get(tail.casefold(), ()) if name in known]
    return tuple(elsewhere) or slip or _nearest(tail, known)


def is_slip(dotted: str, known: str) -> bool:
    """Whether a name is surely another, misspelt."""
    return _alike(_tail(dotted), _tail(known)) >= SLIP


def may_be_named(known: Iterable[str], value: object) -> list[str]:
    """Those of the known names that can hold such a value: tables hold keys, keys hold the rest.

    The table of a key that takes limits looks like a table, so a key may hold one too.
    """
    if not isinstance(value, Mapping):
        return [name for name in known if name in keys() or name in ("objective.preset", "facts")]
    looks_like_key = bool({"auto", "unset"} & value.keys())
    return [name for name in known if looks_like_key or name not in keys()]


def leads_out(key: Key | None, value: object) -> bool:
    """Whether a key takes a value, at once or with a certain repair."""
    if key is None:
        return True
    if isinstance(value, Mapping):
        return (dict(value) == {"unset": True} and optional(key)) or _leaves_it_open(key, value)
    return accepts(key, value) or repair_of(key, value)[1] is not None


def _leaves_it_open(key: Key, table: Mapping[str, Any]) -> bool:
    """Whether a table is a constrained auto that suits the key."""
    limits = {name: limit for name, limit in table.items() if name != "auto"}
    options = limits.pop("one_of", [])
    return (
        key.auto
        and table.get("auto") is True
        and limits.keys() <= {"min", "max", "multiple_of"}
        and (not limits or key.field.annotation is int)
        and all(isinstance(limit, int) and limit is not True for limit in limits.values())
        and isinstance(options, list)
        and all(accepts(key, option) for option in options)
    )


def nearest_word(word: str, words: Iterable[str]) -> tuple[str, bool] | None:
    """The word of a choice that is nearest, and whether only it can be meant; None when none is.

    A digit is no slip of the pen: float64 is not float16.
    """
    known = list(words)
    by_case = {name.casefold(): name for name in known}
    low = word.strip().casefold()
    if low in by_case:
        return by_case[low], True
    near = _nearest(low, [name for name in known if _digits(name) in ("", _digits(low))])
    certain = len(near) == 1 and _alike(low, near[0]) >= SLIP and _digits(near[0]) == _digits(low)
    return (near[0], certain) if near else None


_SHORT = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp32": "float32",
}
"""Other names of dtypes, as people write them."""


def repair_of(key: Key, value: Any) -> tuple[str | None, str | None]:
    """For a value that the key does not accept: a hint, and what to write where only one can be meant."""
    hint, text = _repair_of(key, value)
    return hint, text if text is not None and _taken(key, text) else None


def _repair_of(key: Key, value: Any) -> tuple[str | None, str | None]:
    if isinstance(value, str):
        return _repair_of_text(key, value)
    if isinstance(value, list | tuple):
        return _repair_of_list(key, list(value))
    if value is False and optional(key):
        return f"write {UNSET}", UNSET
    if accepts(key, [value]):
        return f"it is a list: write [{toml(value)}]", f"[{toml(value)}]"
    if isinstance(value, time) and key.unit == "seconds":
        seconds = value.hour * 3600 + value.minute * 60 + value.second
        return f"write {seconds}: it counts seconds", str(seconds)
    if isinstance(value, float) and not math.isfinite(value):
        return "write a finite number", None
    if isinstance(value, float) and value.is_integer() and accepts(key, int(value)):
        return f"write {int(value)}", str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if too_large(value):
            return "a TOML integer has 64 bits", None
        if value in (0, 1) and accepts(key, bool(value)):
            return f"write {toml(bool(value))}", toml(bool(value))
        if accepts(key, str(value)):
            return "put it in quotes", None  # 2.10 is read as 2.1: only its writer knows
    return None, None


def accepts(key: Key, value: Any) -> bool:
    """Whether the schema takes a value for a key; `"auto"` where it may be decided."""
    if value == AUTO and isinstance(value, str):
        return key.auto
    if too_large(value):
        return False
    kind: Any = key.field.annotation
    if key.field.metadata:
        kind = Annotated[(kind, *key.field.metadata)]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return not isinstance(value, float) or math.isfinite(value)


def optional(key: Key) -> bool:
    """Whether the key may be switched off."""
    return type(None) in getattr(key.field.annotation, "__args__", ())


def any_of(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _taken(key: Key, text: str) -> bool:
    """Whether a text of TOML is a value that the key takes."""
    try:
        value = tomli.loads(f"v = {text}")["v"]
    except ValueError:
        return False
    return accepts(key, value) or (value == {"unset": True} and optional(key))


def _repair_of_list(key: Key, items: list[Any]) -> tuple[str | None, str | None]:
    if not items:
        return "put something into it, or leave the key out", None
    if len(items) == 1 and accepts(key, items[0]):
        return "it is one value: remove the brackets", toml(items[0])
    read = [_literal(item) if isinstance(item, str) else item for item in items]
    for meant in (read, [show(item) for item in items]):
        if None not in meant and accepts(key, meant):
            return f"write {toml(freeze(meant))}", toml(freeze(meant))
    return None, None


def _repair_of_text(key: Key, text: str) -> tuple[str | None, str | None]:
    low = text.strip().casefold()
    if optional(key) and low in _NOTHING:
        return f"write {UNSET}", UNSET
    literal = _literal(text)
    if literal is not None and accepts(key, literal):
        return "remove the quotes", _as_written(text.strip(), literal)
    if low in _TRUTHS and accepts(key, _TRUTHS[low]):
        return f"write {toml(_TRUTHS[low])}", toml(_TRUTHS[low])
    number = _quantity(key, text)
    if number is not None and accepts(key, number):
        return f"write {number}: it counts {key.unit}", str(number)
    if text and accepts(key, [text]):
        return f"it is a list: write [{toml(text)}]", f"[{toml(text)}]"
    parts = [_literal(part) for part in text.split(",")]
    if "," in text and None not in parts and accepts(key, parts):
        return f"it is a list: write {toml(freeze(parts))}", toml(freeze(parts))
    if len(text) > LONGEST:
        return f"it has {len(text)} characters; at most {LONGEST} are taken", None
    return _repair_of_word(key, text)


def _repair_of_word(key: Key, text: str) -> tuple[str | None, str | None]:
    words = (*choices(key.field), *((AUTO,) if key.auto else ()))
    if text.casefold() == "gpu" and "cuda" in words:
        return 'write "cuda", "rocm" or "mps"; "auto" takes the one that is here', None
    device, colon, number = text.casefold().partition(":")
    if colon and number.isdigit() and device in words:
        return f'write "{device}"; which of them is the affair of the job', None
    if key.name == "name":
        cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
        return (f'write for example "{cleaned}"' if accepts(key, cleaned) else None), None
    meant = _SHORT.get(text.strip().casefold())
    if meant in words:
        return f'did you mean "{meant}"?', toml(meant)
    near = nearest_word(text, words)
    if near is None:
        return None, None
    word, certain = near
    return f'did you mean "{word}"?', toml(word) if certain else None


def _quantity(key: Key, text: str) -> int | None:
    """A number with its unit behind it: `16GiB`, `12:00:00`, `10 steps`."""
    if key.unit == "bytes":
        return read_bytes(text)
    if key.unit == "seconds":
        return read_seconds(text)
    match = re.fullmatch(r"\s*(\d{1,18})\s*([A-Za-z-]+)\s*", text)
    unit = match[2].casefold().rstrip("s") if match else ""
    counted = [word.rstrip("s") for word in key.unit.casefold().split()]
    return int(match[1]) if match and unit in counted else None


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
        if isinstance(number, int):
            return None if too_large(number) else number
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


def _digits(word: str) -> str:
    return "".join(filter(str.isdigit, word))


def _tail(name: str) -> str:
    return name.rpartition(".")[2]


def _alike(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()
