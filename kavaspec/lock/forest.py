"""What follows what, on several targets: trees laid over each other, so that what is alike is told once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar


class Node(Protocol):
    """One thing that is told, and the key of what it hangs below."""

    @property
    def key(self) -> str: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def content(self) -> Hashable:
        """What has to be equal for two targets to tell it in one line."""
        ...


N = TypeVar("N", bound=Node)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree(Generic[N]):
    """A node with everything that hangs below it, and the targets in which it is so."""

    node: N
    targets: tuple[str, ...]
    """Names of the forests; the empty name is left out."""
    below: tuple[Tree[N], ...]


Forest: TypeAlias = tuple[str, Mapping[str, N], Sequence[str]]
"""Name of a target, its nodes by key, and those of them that stand side by side."""


def lay_over(forests: Sequence[Forest[N]]) -> list[Tree[N]]:
    """The trees of several targets, the alike ones as one; causes before what follows, then by key."""
    alike: dict[Hashable, list[tuple[str, Mapping[str, N], str]]] = {}
    for name, nodes, roots in forests:
        for key in roots:
            alike.setdefault(nodes[key].content, []).append((name, nodes, key))
    trees = []
    for members in alike.values():
        _, nodes, key = members[0]
        below = [
            (name, found, [child for child, at in found.items() if at.parent == key])
            for name, found, key in members
        ]
        trees.append(
            Tree(
                node=nodes[key],
                targets=tuple(name for name, _, _ in members if name),
                below=tuple(lay_over(below)),
            )
        )
    return sorted(trees, key=lambda tree: (tree.node.key, tree.targets))


def roots(nodes: Mapping[str, N]) -> list[str]:
    """The keys that hang below nothing."""
    return [key for key, node in nodes.items() if node.parent is None]
