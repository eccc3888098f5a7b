"""YAML 1.2 as libyaml reads it, into plain dicts and lists: for locks, and for fact files without a mistake."""

from __future__ import annotations

from typing import Any

from kavaspec.plain import held_within_bounds

UNREADABLE = (ValueError, LookupError, AttributeError, RecursionError)
"""What the library raises, beside its own errors, at numbers, depths and `!!tags` that it does not
get through."""


def fast_yaml(text: str) -> Any:
    """The tree of a text.

    Raises:
        YAMLError: of ruamel, and those in `UNREADABLE`, when it is not YAML.
        TypeError: when it is a tree that nobody can copy or print.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=False)
    yaml.version = (1, 2)
    return held_within_bounds(yaml.load(text))


def first_words(error: Exception) -> str:
    """What a message of the library begins with."""
    return (str(error).splitlines() or [""])[0].partition(";")[0]
