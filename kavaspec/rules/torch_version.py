"""software.torch: the version of torch that is installed where it will run."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule, Undecidable


def torch_version(version: str | None) -> Decision:
    """What is there: another version can change bits.

    Raises:
        Undecidable: if torch is not installed.
    """
    if version is None:
        raise Undecidable(
            "torch is not installed there",
            hint="pip install 'kavaspec[runtime]', then kavaspec lock --refresh",
            missing=True,
        )
    return Decision(
        value=version,
        because=f"torch {version} is installed there",
    )


RULE = Rule(key="software.torch", inputs={"version": "fact.torch.version"}, decide=torch_version)
