"""software.python: the minor version of the Python that will run."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule


def python_version(version: str) -> Decision:
    """What is there: another version can change bits."""
    return Decision(
        value=version,
        because=f"Python {version} is what runs there",
    )


RULE = Rule(key="software.python", inputs={"version": "fact.python.version"}, decide=python_version)
