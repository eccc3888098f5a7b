import pytest

from kavaspec.checks.dead_projector import dead_projector


def veto(**change):
    seed = {
        "tensors": ("key", "value"),
        "key_weight": 1.0,
        "value_weight": 0.0,
        "weight": 1.0,
        "kind": "mlp",
        "share_kv": False,
    }
    return dead_projector(**(seed | change))


@pytest.mark.parametrize(
    "change",
    [{"value_weight": 1.0}, {"tensors": ("key",)}, {"kind": "none"}, {"share_kv": True}],
    ids=["both-weighed", "not-built", "no-projector", "shared-with-a-live-one"],
)
def test_no_warning(change):
    assert veto(**change) is None


def test_the_value_projector_of_the_original_is_warned_about():
    problem = veto()
    assert problem.message == (
        "objective.kv.value_weight is 0, so the projector of the values is built and never trained"
    )
    assert problem.hint == 'leave "value" out of objective.kv.tensors'
    assert (problem.key, problem.severity) == ("objective.kv.value_weight", "warning")


def test_a_shared_projector_with_no_live_term_is_warned_about():
    problem = veto(key_weight=0.0, share_kv=True)
    assert problem.key == "objective.kv.key_weight"
