"""The folder of a spec on this machine: where relative paths start and symbolic places end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kavaspec.plain import Plain
from kavaspec.sources import parse_source
from kavaspec.sources.locate import What, expand, locate


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What compiling and preflight may know of where they are."""

    folder: Path
    env: Mapping[str, str]

    def expand(self, symbolic: str) -> Path | None:
        """`$SCRATCH/kava` as a path here; None when a variable is not set."""
        return expand(symbolic, self.env, self.folder)

    def places(self, symbolic: Iterable[Plain]) -> list[Path]:
        """The places that can be meant here, in order."""
        found = [self.expand(str(place)) for place in symbolic]
        return [place for place in found if place is not None]

    def find(
        self, source: Plain, what: What, *, revision: Plain, places: Iterable[Plain]
    ) -> Path | None:
        """Where a source lies here; None for none, and for data that is built in.

        Raises:
            KavaError: exit 8 with every place that was looked at.
        """
        if source is None:
            return None
        if what == "data" and parse_source(str(source)).kind == "builtin":
            return None
        return locate(
            str(source),
            what=what,
            revision=None if revision is None else str(revision),
            places=self.places(places),
            project=self.folder,
            env=self.env,
        )
