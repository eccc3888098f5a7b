"""Words for why a decision is other than it was, the same in every report."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.lock.model import Block
from kavaspec.plain import same

_WHO = {"spec": "kava.toml", "set": "--set", "target": "kava.toml, for this target,"}


def moved(a: Block, b: Block) -> tuple[str, ...]:
    """Names of the inputs that one has and the other has not, or has with another value."""
    return tuple(
        name
        for name in sorted({*a.inputs, *b.inputs})
        if (name in a.inputs) != (name in b.inputs)
        or not same(a.inputs.get(name), b.inputs.get(name))
    )


def who(by: str) -> str:
    """Who decided, for people: `kava.toml`, `--set`, `precision@1`."""
    return _WHO.get(by, by)


def decided_by_another(a: Block, b: Block) -> str:
    """`kava.toml decides it now; before precision@1`."""
    return f"{who(b.by)} decides it now; before {who(a.by).rstrip(',')}"


def follows(names: Sequence[str]) -> str:
    """`follows train.steps`; nothing when it follows nothing."""
    told = ", ".join("its limits in kava.toml" if name == "auto" else name for name in names)
    return f"follows {told}" if told else ""
