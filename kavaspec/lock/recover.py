"""The spec behind a lock, as far as the lock tells: for explaining a lock whose kava.toml is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kavaspec.decision import Allowed
from kavaspec.lock.model import Block, Lock
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Asked, Spec, TargetSpec

LITERAL = ("spec", "set", "target")


def recover_spec(lock: Lock) -> Spec:
    """A spec that resolves to this lock. It has no text, hence no positions."""
    return Spec(
        path="kava.toml",
        text="",
        experiment=_asked(lock.experiment),
        targets=MappingProxyType(
            {
                name: TargetSpec(facts=None, asked=_asked(target.decisions))
                for name, target in lock.targets.items()
            }
        ),
        set=lock.set,
        preset=preset_of(lock),
    )


def preset_of(lock: Lock) -> str:
    """The preset that some key has its value from; the one without a word of its own otherwise."""
    said = (block.by for block in lock.experiment.values() if block.by.startswith("preset "))
    return next((by.removeprefix("preset ").rpartition("@")[0] for by in said), "safe")


def _asked(blocks: Mapping[str, Block]) -> Mapping[str, Asked]:
    return MappingProxyType({key: _one(key, block) for key, block in blocks.items()})


def _one(key: str, block: Block) -> Asked:
    said = block.by in LITERAL or block.by.startswith(("preset ", "default@"))
    limits = block.inputs.get("auto")
    return Asked(
        tier=keys()[key].tier,
        value=block.value if said else None,
        auto=not said,
        allowed=Allowed.of(limits) if isinstance(limits, Mapping) else Allowed(),
        by=block.by if said else "spec",
    )
