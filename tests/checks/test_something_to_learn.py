import pytest

from kavaspec.checks.something_to_learn import something_to_learn, weighted_has_weight


def kv(**change):
    weights = {
        "kind": "kv",
        "ce_weight": 0.0,
        "weight": 1.0,
        "tensors": ("key", "value"),
        "key_weight": 1.0,
        "value_weight": 1.0,
    }
    return something_to_learn(**(weights | change))


@pytest.mark.parametrize(
    "change",
    [{}, {"ce_weight": 1.0, "weight": 0.0}, {"value_weight": 0.0}],
    ids=["kv-alone", "ce-alone", "keys-alone"],
)
def test_one_weight_is_enough(change):
    assert kv(**change) is None


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 0.0},
        {"key_weight": 0.0, "value_weight": 0.0},
        {"tensors": ("key",), "key_weight": 0.0},
    ],
    ids=["no-kv-weight", "no-tensor-weight", "only-the-dead-tensor"],
)
def test_no_weight_at_all_is_refused(change):
    problem = kv(**change)
    assert problem.message == "every term of the objective has weight 0: nothing would be learned"
    assert problem.hint == "objective.ce_weight = 1.0, or objective.kv.weight = 1.0"
    assert problem.key == "objective.ce_weight"


def test_ce_without_its_weight_is_refused():
    problem = something_to_learn("ce", 0.0, None, None, None, None)
    assert (
        problem.message == 'objective.ce_weight is 0, and objective.kind = "ce" has no other term'
    )
    assert problem.hint == "objective.ce_weight = 1.0"


def test_a_weighted_mean_with_a_weight_passes():
    assert weighted_has_weight("weighted", 0.0, 1.0) is None
    assert weighted_has_weight("mean", 0.0, 0.0) is None


def test_a_weighted_mean_without_is_refused():
    problem = weighted_has_weight("weighted", 0.0, 0.0)
    assert problem.message == (
        'aggregate = "weighted" with weight_start and weight_stop 0 leaves no layer any weight'
    )
    assert problem.hint == "objective.kv.weight_stop = 1.0"
    assert problem.key == "objective.kv.weight_start"
