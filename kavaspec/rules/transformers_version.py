"""software.transformers: the version of transformers that is installed where it will run."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule, Undecidable


def transformers_version(version: str | None) -> Decision:
    """What is there: another version can change bits.

    Raises:
        Undecidable: if transformers is not installed.
    """
    if version is None:
        raise Undecidable(
            "transformers is not installed there",
            hint="pip install 'kavaspec[runtime]', then kavaspec lock --refresh",
            missing=True,
        )
    return Decision(
        value=version,
        because=f"transformers {version} is installed there",
    )


RULE = Rule(
    key="software.transformers",
    inputs={"version": "fact.transformers.version"},
    decide=transformers_version,
)
