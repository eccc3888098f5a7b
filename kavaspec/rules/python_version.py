"""software.python: the minor version of the Python that will run."""

from __future__ import annotations

from kavaspec.decision import Decision, Guard, Rule


def python_version(version: str) -> Decision:
    """What is there: another version can change bits."""
    return Decision(
        value=version,
        because=f"Python {version} is what runs there",
        guard=(Guard(fact="fact.python.version", op="==", value=version),),
    )


RULE = Rule(key="software.python", inputs={"version": "fact.python.version"}, decide=python_version)
