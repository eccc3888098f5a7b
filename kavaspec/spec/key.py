"""One key of the spec: its type, tier, unit and whether the machine may decide it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from kavaspec.decision import AUTO

Tier: TypeAlias = Literal["experiment", "numerics", "placement"]

REQUIRED: Any = ...
"""The default of a key that has none."""


def key(
    default: Any,
    tier: Tier,
    *,
    auto: bool = False,
    unit: str | None = None,
    since: int = 1,
    was: Sequence[Any] = (),
    **limits: Any,
) -> Any:
    """Declare one key. `default=AUTO` means: left out is the same as "auto".

    `since` is the version of the schema that introduced the key. A key that did not exist when a
    lock was made means the key's first default there, for ever; that is why a default never changes
    in place: the old one moves to the end of `was`, `default@1` first, and stays what it was.
    """
    may_be_auto = auto or AUTO in (default, *was)
    extra: dict[str, Any] = {"tier": tier, "auto": may_be_auto, "since": since}
    if was:
        extra["was"] = list(was)
    if unit is not None:
        extra["unit"] = unit
    return Field(default=default, json_schema_extra=extra, validate_default=False, **limits)


class Group(BaseModel):
    """A table of kava.toml. Strict: a string is never taken for a number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
