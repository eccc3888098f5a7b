"""What the lock decided, read by key and by type; a key that the lock lacks is an error, never a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.lock.model import Lock
from kavaspec.plain import Plain, show


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All values of one target. Only `build` reads them; everything else is given what it needs."""

    values: Mapping[str, Plain]
    provisional: frozenset[str]
    """Keys whose value rests on something that nobody measured yet."""

    @classmethod
    def of(cls, lock: Lock, target: str) -> Settings:
        """The values of `target`, experiment included."""
        blocks = lock.blocks(target)
        return cls(
            values=lock.values(target),
            provisional=frozenset(key for key, block in blocks.items() if block.provisional),
        )

    def has(self, key: str) -> bool:
        """Whether the lock decides the key: keys of another `objective.kind` are left out."""
        return key in self.values

    def text(self, key: str) -> str:
        value = self._value(key)
        if isinstance(value, str):
            return value
        raise _wrong(key, value, "a text")

    def flag(self, key: str) -> bool:
        value = self._value(key)
        if isinstance(value, bool):
            return value
        raise _wrong(key, value, "true or false")

    def whole(self, key: str) -> int:
        value = self._value(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise _wrong(key, value, "a whole number")

    def number(self, key: str) -> float:
        value = self._value(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise _wrong(key, value, "a number")

    def limit(self, key: str) -> float | None:
        """A number, or None for "no limit"."""
        return None if self._value(key) is None else self.number(key)

    def texts(self, key: str) -> tuple[str, ...]:
        items = self._items(key)
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) == len(items):
            return texts
        raise _wrong(key, items, "a list of texts")

    def wholes(self, key: str) -> tuple[int, ...]:
        items = self._items(key)
        wholes = tuple(i for i in items if isinstance(i, int) and not isinstance(i, bool))
        if len(wholes) == len(items):
            return wholes
        raise _wrong(key, items, "a list of whole numbers")

    def widths(self, key: str) -> tuple[int, ...]:
        """A width, or one for each pair of layers: always a tuple."""
        return (self.whole(key),) if isinstance(self._value(key), int) else self.wholes(key)

    def _value(self, key: str) -> Plain:
        if key not in self.values:
            raise fail(
                f"{key} is not decided by this lock",
                Exit.UNLOCKED,
                code="KV0503",
                key=key,
                hint="run `kavaspec lock` with this version of kavaspec",
            )
        return self.values[key]

    def _items(self, key: str) -> Sequence[Plain]:
        value = self._value(key)
        if isinstance(value, list | tuple):
            return value
        raise _wrong(key, value, "a list")


def _wrong(key: str, value: Plain, expected: str) -> KavaError:
    return fail(
        f"{key} is {show(value)}, expected {expected}",
        Exit.BROKEN,
        code="KV0608",
        key=key,
        hint="the lock was made by hand or is damaged; run `kavaspec lock`",
    )
