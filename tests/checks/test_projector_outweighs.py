import pytest

from kavaspec.checks.projector_outweighs import projector_outweighs
from kavaspec_runtime.project import Projector, Shape

ORIGINAL = {
    "kind": "mlp",
    "in_dim": 7168,
    "hidden_dim": 7168,
    "out_dim": 3072,
    "tensors": ("key", "value"),
    "share_kv": False,
    "parameters": 494_032_768,
}


def test_the_original_s_projector_is_smaller_than_its_student():
    assert projector_outweighs(**ORIGINAL) is None


def test_one_that_is_larger_is_worth_a_word():
    problem = projector_outweighs(**ORIGINAL | {"parameters": 100_000_000})
    assert problem.severity == "warning"
    assert problem.message == (
        "the mlp projector has 146849792 parameters, more than the student's 100000000: most of "
        "what is trained is thrown away"
    )
    assert problem.hint == 'objective.kv.projector.kind = "low_rank"'


@pytest.mark.parametrize("share_kv", [False, True])
@pytest.mark.parametrize("kind", ["none", "linear", "low_rank", "mlp"])
def test_it_counts_what_the_runtime_builds(kind, share_kv):
    shapes = [Shape(kind=kind, in_dim=6, hidden_dim=4, out_dim=6, dropout=0.0)] * 3
    built = Projector(shapes, ("key", "value"), share_kv=share_kv)
    count = sum(weight.numel() for weight in built.parameters())
    widths = {"in_dim": (6, 6, 6), "hidden_dim": (4, 4, 4), "out_dim": (6, 6, 6)}
    told = ORIGINAL | widths | {"kind": kind, "share_kv": share_kv}
    assert projector_outweighs(**told | {"parameters": count}) is None
    if count:
        assert projector_outweighs(**told | {"parameters": count - 1}) is not None


def test_without_a_known_student_nothing_is_said():
    assert projector_outweighs(**ORIGINAL | {"parameters": None}) is None


def test_widths_that_do_not_match_are_another_check_s_business():
    assert projector_outweighs(**ORIGINAL | {"in_dim": (3, 3), "parameters": 1}) is None
