"""The form of the answers that the probe process gives."""

from __future__ import annotations

from typing import Any, TypeAlias

Answer: TypeAlias = dict[str, Any]


class Refusal(Exception):
    """The question cannot be answered, because of what it is about; with the way out."""

    def __init__(self, message: str, *, hint: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.hint, self.key = hint, key


def seen(value: object, evidence: str) -> Answer:
    """One fact."""
    return {"value": value, "evidence": evidence}


def missing(fact: str, because: str, *, hint: str | None = None) -> Answer:
    """One fact that could not be established."""
    return {"fact": fact, "because": because, "hint": hint}
