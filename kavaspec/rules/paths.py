"""paths.data, paths.models, paths.output, paths.cache: where to look, in order, on any machine.

First the variable that people export, then the scratch places of the site, then the project itself.
The list stays symbolic: `$SCRATCH/kava/data` is expanded by the machine that runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rejected, Rule

CONVENTIONS = (
    "$SCRATCH",
    "$PSCRATCH",
    "$WORK",
    "$SCRATCHDIR",
    "$LOCAL_SCRATCH",
    "/scratch/$USER",
    "/work/$USER",
)
"""How sites name their large, fast, shared disks; `$LOCAL_SCRATCH` belongs to one node and job."""


def paths_data(places: Sequence[str] | None) -> Decision:
    """Where data sets lie."""
    return _places("$KAVA_DATA_PATH", "data", places or ())


def paths_models(places: Sequence[str] | None) -> Decision:
    """Where models lie."""
    return _places("$KAVA_MODEL_PATH", "models", places or ())


def paths_output(places: Sequence[str] | None) -> Decision:
    """Where run folders go: never to a disk that is emptied when the job ends."""
    shared = [place for place in places or () if place != "$LOCAL_SCRATCH"]
    return _places("$KAVA_OUTPUT_PATH", "runs", shared, local="is emptied when the job ends")


def paths_cache(places: Sequence[str] | None) -> Decision:
    """Where things go that can be made again: to the node's own disk first."""
    local_first = sorted(places or (), key=lambda place: place != "$LOCAL_SCRATCH")
    return _places("$KAVA_CACHE_PATH", "cache", local_first)


def _places(
    variable: str, folder: str, places: Sequence[str], *, local: str | None = None
) -> Decision:
    count = f"{len(places)} scratch place{'' if len(places) == 1 else 's'} of this site, then "
    return Decision(
        value=(variable, *(f"{place}/kava/{folder}" for place in places), f"./{folder}"),
        because=f"{variable} comes first, then {count if places else ''}the project",
        rejected=tuple(
            Rejected(
                value=f"{place}/kava/{folder}",
                because=local
                if local and place == "$LOCAL_SCRATCH"
                else "no such place to write here",
            )
            for place in CONVENTIONS
            if place not in places
        ),
    )


RULES = (
    Rule(key="paths.data", inputs={"places": "fact.disk.places"}, decide=paths_data),
    Rule(key="paths.models", inputs={"places": "fact.disk.places"}, decide=paths_models),
    Rule(key="paths.output", inputs={"places": "fact.disk.places"}, decide=paths_output),
    Rule(key="paths.cache", inputs={"places": "fact.disk.places"}, decide=paths_cache),
)
