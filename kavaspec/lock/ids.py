"""The two ids of a lock: `kx1:` names the experiment, `kn1:` its numerics on one target.

They are computed from typed values only, never stored: same `kx` = same experiment; same `kx` and
`kn` on the same device class = bit-identical results expected. Rules, facts, places, comments and
order do not count, and a key that is younger than a lock counts only when it departs from what its
absence meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kavaspec.lock.canon import digest
from kavaspec.lock.model import Block, Lock
from kavaspec.spec.schema import keys

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
        if keys()[key].tier == "numerics"
    }
    return Ids(
        kx=_id("kx1", lock.experiment),
        kn=_id("kn1", numerics),
        kx_provisional=any(block.provisional for block in lock.experiment.values()),
        kn_provisional=any(block.provisional for block in numerics.values()),
    )


def spell(target: str, found: Ids) -> str:
    """Both ids of a target in one line for people."""
    kx = _short(found.kx, provisional=found.kx_provisional)
    kn = _short(found.kn, provisional=found.kn_provisional)
    return f"target {target}: experiment {kx}, numerics {kn}"


def _short(full: str, *, provisional: bool) -> str:
    """`kx1:4f9a22c7`, with a mark when it may still change."""
    name, _, digits = full.partition(":")
    return f"{name}:{digits[:8]}" + (" (provisional)" if provisional else "")


def _id(name: str, blocks: Mapping[str, Block]) -> str:
    pairs = [
        [key, block.value]
        for key, block in sorted(blocks.items())
        if keys()[key].since == FIRST_SCHEMA or block.value != keys()[key].default
    ]
    return f"{name}:{digest(f'kavaspec/{name}', pairs)}"
