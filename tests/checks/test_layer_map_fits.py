import pytest

from kavaspec.checks.layer_map_fits import layer_map_fits


@pytest.mark.parametrize(
    ("aggregate", "layers", "layer_map"),
    [("none", (0, 1), (0, 5)), ("concat", (0, 1), (0, 1, 2))],
    ids=["pairs", "aggregated"],
)
def test_what_fits(aggregate, layers, layer_map):
    assert layer_map_fits(aggregate, layers, layer_map) is None


def test_pairs_need_as_many_on_both_sides():
    problem = layer_map_fits("none", (0, 1), (0, 1, 2))
    assert problem.message == (
        "objective.kv.layers names 2 student layers and objective.kv.layer_map 3 teacher layers, "
        'but aggregate = "none" compares them in pairs'
    )
    assert problem.hint == 'leave objective.kv.layer_map out, or write it as "auto"'
    assert problem.key == "objective.kv.layer_map"
