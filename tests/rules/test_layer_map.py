import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.layer_map import layer_map

QWEN_MAP = (0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 25, 26, 27)


@pytest.mark.parametrize(
    ("aggregate", "layers", "student", "teacher", "value", "because"),
    [
        (
            "none",
            range(24),
            "24x2x64",
            "28x2x128",
            QWEN_MAP,
            "same depth: 24 student layers over 28 teacher layers, ends kept",
        ),
        (
            "none",
            range(8),
            "8x3x64",
            "30x3x64",
            (0, 4, 8, 12, 17, 21, 25, 29),
            "same depth: 8 student layers over 30 teacher layers, ends kept",
        ),
        (
            "none",
            (12,),
            "24x2x64",
            "28x2x128",
            (14,),
            "same depth: 24 student layers over 28 teacher layers, ends kept",
        ),
        (
            "none",
            (0,),
            "1x2x64",
            "28x2x128",
            (27,),
            "a student with 1 layer learns from the last of 28",
        ),
        (
            "none",
            (1, 3),
            "1x0x0:linear+1x2x64+1x0x0:linear+1x2x64",
            "2x0x0:linear+3x2x64",
            (2, 4),
            "same depth: 2 student layers over 3 teacher layers, ends kept",
        ),
        (
            "concat",
            range(24),
            "24x2x64",
            "28x2x128",
            tuple(range(28)),
            "concat takes in all 28 teacher layers",
        ),
        (
            "mean",
            (0,),
            "1x2x64",
            "2x0x0:linear+1x2x64",
            (2,),
            "mean takes in all 1 teacher layers",
        ),
    ],
    ids=[
        "qwen-pair",
        "smollm2-pair",
        "one-layer-picked",
        "one-layer-student",
        "hybrids",
        "concat",
        "mean-of-hybrid",
    ],
)
def test_layer_map(aggregate, layers, student, teacher, value, because):
    decision = layer_map(aggregate, tuple(layers), student, teacher)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize("depth", [2, 3, 12, 28])
def test_equal_depth_is_the_identity(depth):
    layout = f"{depth}x2x64"
    assert layer_map("none", tuple(range(depth)), layout, layout).value == tuple(range(depth))


@pytest.mark.parametrize("students", range(2, 33))
@pytest.mark.parametrize("teachers", [8, 28, 30])
def test_ends_are_kept_and_the_order_too(students, teachers):
    value = layer_map("none", tuple(range(students)), f"{students}x1x8", f"{teachers}x1x8").value
    assert (value[0], value[-1]) == (0, teachers - 1)
    assert list(value) == sorted(value)


def test_the_last_aligned_map_is_turned_down():
    [no] = layer_map("none", (0, 1, 2), "3x2x64", "5x2x64").rejected
    assert (no.value, no.because) == ((2, 3, 4), "would never look at the teacher's first 2 layers")


def test_one_unused_layer_is_enough_to_turn_it_down():
    [no] = layer_map("none", (0, 1), "2x2x64", "3x2x64").rejected
    assert no.value == (1, 2)


def test_nothing_is_turned_down_when_the_teacher_is_no_deeper():
    assert layer_map("none", (0, 1, 2), "3x2x64", "3x2x64").rejected == ()
    assert layer_map("none", (0, 1, 2), "3x2x64", "2x2x64").rejected == ()


def test_the_arithmetic_of_the_ends_and_the_middle_is_shown():
    terms = layer_map("none", tuple(range(24)), "24x2x64", "28x2x128").terms
    assert [(term.name, term.formula, term.value) for term in terms] == [
        ("for layer 0", "(2 * 0 * 27 + 23) // (2 * 23)", 0),
        ("for layer 12", "(2 * 12 * 27 + 23) // (2 * 23)", 14),
        ("for layer 23", "(2 * 23 * 27 + 23) // (2 * 23)", 27),
    ]


def test_a_teacher_without_a_cache_teaches_nothing():
    with pytest.raises(Undecidable) as stop:
        layer_map("none", (0,), "1x2x64", "4x0x0:linear")
    assert stop.value.because == "no layer of the teacher keeps keys and values (4x0x0:linear)"
    assert stop.value.hint == 'choose another teacher, or objective.kind = "ce"'


def test_a_student_layer_without_keys_has_no_partner():
    with pytest.raises(Undecidable) as stop:
        layer_map("none", (0, 1), "1x0x0:linear+1x2x64", "4x2x64")
    assert stop.value.because == "student layer 0 keeps no keys and values (1x0x0:linear+1x2x64)"
    assert stop.value.hint == "leave objective.kv.layers out, or name layers that do"
