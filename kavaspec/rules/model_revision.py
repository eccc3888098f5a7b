"""model.teacher.revision, model.student.revision: the commit of a model from a hub."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule


def model_revision(revision: str | None) -> Decision:
    """The commit of the copy that was found; none for a folder, a file or a builtin."""
    if revision is None:
        return Decision(value=None, because="it has no commit on a hub; the digest says what it is")
    return Decision(value=revision, because=f"the copy found here is commit {revision[:12]}")


RULES = (
    Rule(
        key="model.teacher.revision",
        inputs={"revision": "fact.teacher.revision"},
        decide=model_revision,
    ),
    Rule(
        key="model.student.revision",
        inputs={"revision": "fact.student.revision"},
        decide=model_revision,
    ),
)
