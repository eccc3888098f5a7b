"""data.revision: the commit of a data set from a hub."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule


def data_revision(revision: str | None) -> Decision:
    """The commit of the copy that was found; none for a folder, a file or a builtin."""
    if revision is None:
        return Decision(
            value=None, because="they have no commit on a hub; the digest says what they are"
        )
    return Decision(value=revision, because=f"the copy found here is commit {revision[:12]}")


RULE = Rule(key="data.revision", inputs={"revision": "fact.data.revision"}, decide=data_revision)
