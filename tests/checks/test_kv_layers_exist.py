import pytest

from kavaspec.checks.kv_layers_exist import student_layers_exist, teacher_layers_exist

HYBRID = "3x0x0:linear+1x2x256"


@pytest.mark.parametrize(
    ("layers", "layout"),
    [((0, 23), "24x2x64"), ((3,), HYBRID), ((0,), "1x2x64:sliding")],
    ids=["full", "the-one-with-keys", "sliding"],
)
def test_layers_with_keys_and_values_pass(layers, layout):
    assert student_layers_exist(layers, layout) is None
    assert teacher_layers_exist(layers, layout) is None


@pytest.mark.parametrize(
    ("layers", "layout", "message", "hint"),
    [
        (
            (0, 4),
            "4x2x64",
            "student layer 4 does not exist, 4x2x64 has 0 to 3",
            "layers that can be compared: 0, 1, 2, 3",
        ),
        (
            (2, 3),
            HYBRID,
            "student layer 2 is linear and keeps no keys and values of its own",
            "layers that can be compared: 3",
        ),
        (
            (0,),
            "2x0x0:linear",
            "student layer 0 is linear and keeps no keys and values of its own",
            "layers that can be compared: none",
        ),
    ],
    ids=["out-of-range", "no-keys", "none-at-all"],
)
def test_others_are_named(layers, layout, message, hint):
    problem = student_layers_exist(layers, layout)
    assert (problem.message, problem.hint) == (message, hint)
    assert problem.key == "objective.kv.layers"


def test_a_teacher_layer_is_named_as_one():
    problem = teacher_layers_exist((28,), "28x2x128")
    assert problem.message == "teacher layer 28 does not exist, 28x2x128 has 0 to 27"
    assert problem.key == "objective.kv.layer_map"


def test_a_layout_that_cannot_be_read_is_left_to_its_rule():
    assert student_layers_exist((0,), "nonsense") is None
