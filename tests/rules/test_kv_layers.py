import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.kv_layers import kv_layers


@pytest.mark.parametrize(
    ("layout", "value", "because"),
    [
        ("4x2x64", (0, 1, 2, 3), "4 of the student's 4 layers keep keys and values"),
        (
            "1x2x64:sliding+1x2x64",
            (0, 1),
            "2 of the student's 2 layers keep keys and values",
        ),
        (
            "3x0x0:linear+1x2x256+3x0x0:linear+1x2x256",
            (3, 7),
            "2 of the student's 8 layers keep keys and values",
        ),
    ],
    ids=["all-full", "sliding-counts", "hybrid"],
)
def test_kv_layers(layout, value, because):
    decision = kv_layers(layout)
    assert (decision.value, decision.because) == (value, because)


def test_layers_left_out_are_named_with_their_kind():
    linear, shared = kv_layers("2x0x0:linear+1x2x64+1x2x64:shared").rejected
    assert (linear.value, linear.because) == (
        (0, 1),
        "linear layers keep no keys and values of their own",
    )
    assert (shared.value, shared.because) == (
        (3,),
        "shared layers keep no keys and values of their own",
    )


def test_a_layout_that_cannot_be_read_is_said():
    with pytest.raises(Undecidable) as stop:
        kv_layers("24 layers")
    assert stop.value.because == "'24 layers' is not a KV layout: expected one like 28x2x128"


def test_a_student_without_keys_and_values_cannot_learn_them():
    with pytest.raises(Undecidable) as stop:
        kv_layers("24x0x0:linear+2x1x512:latent")
    assert stop.value.because == (
        "none of the student's 26 layers keeps keys and values (2 latent, 24 linear)"
    )
    assert stop.value.hint == 'choose another student, or objective.kind = "ce"'
