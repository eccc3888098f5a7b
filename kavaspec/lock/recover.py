"""The spec behind a lock, as far as the lock tells: for explaining a lock whose kava.toml is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kavaspec.decision import AUTO, Allowed
from kavaspec.lock.model import Block, Lock
from kavaspec.plain import freeze
from kavaspec.spec.load import applicable_keys
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Asked, Spec, TargetSpec

LITERAL = ("spec", "set", "target")


def recover_spec(lock: Lock) -> Spec:
    """A spec that resolves to this lock. It has no text, hence no positions.

    What rules read stands in it even where its block was cut out: as if nothing had been said of it.
    """
    experiment, shared = _silent(lock)
    return Spec(
        path="kava.toml",
        text="",
        experiment=MappingProxyType({**experiment, **_asked(lock.experiment)}),
        targets=MappingProxyType(
            {
                name: TargetSpec(
                    facts=None, asked=MappingProxyType({**shared, **_asked(target.decisions)})
                )
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


def _silent(lock: Lock) -> tuple[dict[str, Asked], dict[str, Asked]]:
    """Keys of the experiment, and those of targets, as they are asked for in a spec that is silent."""
    kind = lock.experiment["objective.kind"].value if "objective.kind" in lock.experiment else "kv"
    asked = {
        key.name: Asked(
            tier=key.tier,
            value=freeze(key.default),
            auto=key.default == AUTO,
            by=f"default@{key.default_version}",
        )
        for key in map(keys().__getitem__, applicable_keys(str(kind)))
        if not key.required
    }
    experiment = {name: it for name, it in asked.items() if it.tier == "experiment"}
    return experiment, {name: it for name, it in asked.items() if name not in experiment}


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
