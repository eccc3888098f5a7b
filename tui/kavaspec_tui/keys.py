"""The names of keys, and the page that lists them: both made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import ActiveBinding

from kavaspec_tui.rows import Row

_NAMES = {
    "question_mark": "?", "slash": "/", "plus": "+", "equals_sign": "=", "minus": "-", "comma": ",",
    "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">", "left_square_bracket": "[",
    "right_square_bracket": "]", "backslash": "\\", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup",
}  # fmt: skip


def key_name(key: str) -> str:
    """How a key is written for people: `^s`, `shift+tab`, `?`."""
    name = _NAMES.get(key, key)
    return f"^{name.removeprefix('ctrl+')}" if name.startswith("ctrl+") else name


def help_rows(active: Iterable[ActiveBinding]) -> list[Row]:
    """Every key that works on a screen: keys of one action together, in the order of the bindings."""
    keys: dict[tuple[str, str], list[str]] = {}
    for one in active:
        if one.binding.description and not one.binding.system:
            keys.setdefault((one.binding.action, one.binding.description), []).append(
                key_name(one.binding.key)
            )
    shown = [(" ".join(dict.fromkeys(names)), what) for (_, what), names in keys.items()]
    wide = max((len(names) for names, _ in shown), default=0)
    return [[(f"{names:>{wide}}  ", "key"), (what, "text")] for names, what in shown]
