"""A list that only grows, shared by every `State` that saw a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Appended(Sequence[T], Generic[T]):
    """An immutable sequence whose `add` costs O(1).

    Old and new share one list; each knows how much of it is its own. Adding to an old one, whose
    list has grown since, copies first. So a value never changes under its owner.
    """

    _items: list[T] = field(default_factory=list)
    _count: int = 0

    def add(self, *more: T) -> Appended[T]:
        """The same items and `more`."""
        items = self._items if len(self._items) == self._count else self._items[: self._count]
        items.extend(more)
        return Appended(items, len(items))

    def last(self, n: int) -> list[T]:
        """The newest `n` items, oldest first."""
        return self._items[max(0, self._count - n) : self._count]

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._items[index if index >= 0 else self._count + index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items[: self._count])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Appended) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Appended({list(self)!r})"


def appended(items: Iterable[T] = ()) -> Appended[T]:
    """A new one, holding a copy of `items`."""
    copied = list(items)
    return Appended(copied, len(copied))
