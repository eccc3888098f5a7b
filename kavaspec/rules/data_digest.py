"""data.digest: what the rows are, wherever they lie."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule


def data_digest(digest: str) -> Decision:
    """The digest that was read from the rows of both splits."""
    return Decision(value=digest, because=f"the rows of both splits hash to {digest[:15]}")


RULE = Rule(key="data.digest", inputs={"digest": "fact.data.digest"}, decide=data_digest)
