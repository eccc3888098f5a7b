"""The versions that a lock names are those that will run."""

from __future__ import annotations

from kavaspec.checks.check import Check, Same, error
from kavaspec.errors import Problem


def python_is_here(version: str, found: str | None) -> Problem | None:
    """`software.python`: another minor version can change bits."""
    return _differs("python", "Python", version, found)


def torch_is_here(version: str, found: str | None) -> Problem | None:
    """`software.torch`: another version can change bits."""
    return _differs("torch", "torch", version, found)


def transformers_is_here(version: str, found: str | None) -> Problem | None:
    """`software.transformers`: another version can change what a model computes."""
    return _differs("transformers", "transformers", version, found)


def _differs(key: str, name: str, version: str, found: str | None) -> Problem | None:
    if found is None or version == found:
        return None
    return error(
        f"software.{key} is {version}, but {name} {found} is installed there",
        key=f"software.{key}",
        hint=f'software.{key} = "auto", or install {name} {version} and lock with --refresh',
    )


CHECKS = (
    Check(
        name="python_is_here",
        code="KV0743",
        inputs={"version": "software.python", "found": "fact.python.version"},
        veto=python_is_here,
        judges="software.python",
        depends={"found": Same()},
    ),
    Check(
        name="torch_is_here",
        code="KV0744",
        inputs={"version": "software.torch", "found": "fact.torch.version"},
        veto=torch_is_here,
        judges="software.torch",
        depends={"found": Same()},
    ),
    Check(
        name="transformers_is_here",
        code="KV0745",
        inputs={"version": "software.transformers", "found": "fact.transformers.version"},
        veto=transformers_is_here,
        judges="software.transformers",
        depends={"found": Same()},
    ),
)
