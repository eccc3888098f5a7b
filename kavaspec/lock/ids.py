"""The two ids of a lock: `kx1:` names the experiment, `kn1:` its numerics on one target.

They are computed from typed values only, never stored: same `kx` = same experiment; same `kx` and
`kn` on the same device class = bit-identical results expected. Rules, facts, places, comments and
order do not count, and a key that is younger than a lock counts only when it departs from what its
absence meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kavaspec.canon import digest
from kavaspec.errors import Exit, fail
from kavaspec.lock.model import Block, Lock
from kavaspec.plain import freeze, same
from kavaspec.spec.key import Tier
from kavaspec.spec.schema import Key, keys

FIRST_SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """Both ids of one target, in full, and whether some value behind them is not yet confirmed."""

    kx: str
    kn: str
    kx_provisional: bool
    kn_provisional: bool

    @property
    def kx8(self) -> str:
        """The first eight digits, as folders carry them."""
        return self.kx.partition(":")[2][:8]


def ids(lock: Lock, target: str) -> Ids:
    """The ids of a lock on one target."""
    numerics = {
        key: block
        for key, block in lock.targets[target].decisions.items()
        if tier_of(key) == "numerics"
    }
    return Ids(
        kx=_id("kx1", lock.experiment),
        kn=_id("kn1", numerics),
        kx_provisional=any(block.provisional for block in lock.experiment.values()),
        kn_provisional=any(block.provisional for block in numerics.values()),
    )


def spell(target: str, found: Ids) -> str:
    """Both ids of a target in one line for people."""
    kx = short(found.kx, provisional=found.kx_provisional)
    kn = short(found.kn, provisional=found.kn_provisional)
    return f"target {target}: experiment {kx}, numerics {kn}"


def short(full: str, *, provisional: bool) -> str:
    """`kx1:4f9a22c7`, with a mark when it may still change."""
    name, _, digits = full.partition(":")
    return f"{name}:{digits[:8]}" + (" (provisional)" if provisional else "")


def _id(name: str, blocks: Mapping[str, Block]) -> str:
    pairs = [
        [key, block.value]
        for key, block in sorted(blocks.items())
        if not means_its_absence(key, block)
    ]
    return f"{name}:{digest(f'kavaspec/{name}', pairs)}"


def means_its_absence(name: str, block: Block) -> bool:
    """A key that is younger than the first schema, with the default that it came with."""
    key = _key(name)
    return key.since > FIRST_SCHEMA and same(block.value, freeze(key.default_at(1)))


def tier_of(name: str) -> Tier:
    """The tier of a key of a lock.

    Raises:
        KavaError: exit 6, for a key that only a newer kavaspec knows.
    """
    return _key(name).tier


def _key(name: str) -> Key:
    if name not in keys():
        hint = "use the kavaspec that wrote it, or a newer one; nothing was changed"
        raise fail(
            f"the lock decides {name}, which this kavaspec does not know",
            Exit.BROKEN,
            code="KV0607",
            hint=hint,
        )
    return keys()[name]
