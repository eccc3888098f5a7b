import pytest

from kavaspec.checks.digests_match import (
    data_digest_matches,
    student_digest_matches,
    teacher_digest_matches,
)

ONE, OTHER = "sha256:" + "6f1c02ab" * 8, "sha256:" + "0a1b2c3d" * 8

every_one = pytest.mark.parametrize(
    ("veto", "group"),
    [
        (teacher_digest_matches, "model.teacher"),
        (student_digest_matches, "model.student"),
        (data_digest_matches, "data"),
    ],
    ids=["teacher", "student", "data"],
)


@every_one
@pytest.mark.parametrize("found", [ONE, None], ids=["same", "unknown"])
def test_no_veto(veto, group, found):
    assert veto(ONE, found) is None


@every_one
def test_other_files_are_refused(veto, group):
    problem = veto(ONE, OTHER)
    assert problem.message == (
        f"{group}.digest is sha256:6f1c02ab, but what was found at {group}.source "
        "hashes to sha256:0a1b2c3d"
    )
    assert problem.hint == f"bring the right files, or leave {group}.digest out to take these"
    assert problem.key == f"{group}.digest"
