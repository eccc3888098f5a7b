"""model.teacher.digest, model.student.digest: what the model is, wherever it lies."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule


def model_digest(digest: str) -> Decision:
    """The digest that was read from the model's files."""
    return Decision(value=digest, because=f"what it is made of hashes to {digest[:15]}")


RULES = (
    Rule(key="model.teacher.digest", inputs={"digest": "fact.teacher.digest"}, decide=model_digest),
    Rule(key="model.student.digest", inputs={"digest": "fact.student.digest"}, decide=model_digest),
)
