import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.kv_width import kv_width


@pytest.mark.parametrize(
    ("layout", "formula", "value"),
    [
        ("28x2x128", "28 * 2 * 128", 7168),
        ("24x2x64", "24 * 2 * 64", 3072),
        ("30x3x64", "30 * 3 * 64", 5760),
        ("8x3x64", "8 * 3 * 64", 1536),
    ],
    ids=["qwen2.5-1.5b", "qwen2.5-0.5b", "smollm2-135m", "smollm2-first-8"],
)
def test_concat_of_all_layers(layout, formula, value):
    """The widths of the two real pairs: never hidden_size, which is 1536 and 896 for Qwen."""
    count = int(layout.partition("x")[0])
    decision = kv_width(layout, tuple(range(count)), "concat")
    assert decision.value == value
    spelled = formula.replace("*", "x")
    assert decision.because == f"concat puts {count} layers side by side: {spelled} = {value}"
    [term] = decision.terms
    assert (term.name, term.formula, term.value) == ("layers x heads x head_dim", formula, value)


@pytest.mark.parametrize(
    ("layout", "layers", "aggregate", "value", "because"),
    [
        (
            "28x2x128",
            range(28),
            "mean",
            256,
            "mean of 28 layers is as wide as one: 2 x 128 = 256",
        ),
        (
            "24x2x64",
            range(24),
            "weighted",
            128,
            "weighted of 24 layers is as wide as one: 2 x 64 = 128",
        ),
        (
            "3x2x64",
            range(3),
            "none",
            (128, 128, 128),
            "each of the 3 layers is compared by itself: 2 x 64 = 128",
        ),
        (
            "2x2x64+1x4x64",
            range(3),
            "none",
            (128, 128, 256),
            "each layer is compared by itself: 128 to 256 wide",
        ),
        (
            "2x2x64+1x4x64",
            (2, 0),
            "concat",
            384,
            "concat puts 2 layers side by side: 1 x 4 x 64 + 1 x 2 x 64 = 384",
        ),
        (
            "+".join(["1x2x64", "1x4x64"] * 20),
            range(40),
            "concat",
            7680,
            "concat puts 40 layers side by side: 7680 in all",
        ),
        (
            "3x0x0:linear+1x2x256",
            (3,),
            "concat",
            512,
            "concat puts 1 layers side by side: 1 x 2 x 256 = 512",
        ),
    ],
    ids=["mean", "weighted", "by-layer", "mixed", "some-layers", "many-kinds", "hybrid"],
)
def test_kv_width(layout, layers, aggregate, value, because):
    decision = kv_width(layout, tuple(layers), aggregate)
    assert (decision.value, decision.because) == (value, because)


def test_each_kind_of_layer_shows_its_arithmetic_once():
    terms = kv_width("2x2x64+1x4x64", (0, 1, 2), "none").terms
    assert [(term.name, term.formula, term.value) for term in terms] == [
        ("heads x head_dim", "2 * 64", 128),
        ("heads x head_dim", "4 * 64", 256),
    ]


def test_a_mixed_concat_turns_down_the_width_of_its_first_layer():
    [no] = kv_width("1x2x64+1x4x64", (0, 1), "concat").rejected
    assert no.value == 128


def test_concat_is_not_the_width_of_one_layer():
    [no] = kv_width("28x2x128", tuple(range(28)), "concat").rejected
    assert (no.value, no.because) == (256, "is one layer; concat takes 28")


@pytest.mark.parametrize(
    ("layout", "layers", "aggregate", "because", "hint"),
    [
        (
            "2x2x64+1x4x64",
            (0, 1, 2),
            "mean",
            "mean needs layers of one width, these are 128 and 256 wide",
            'objective.kv.aggregate = "none" or "concat", or objective.kv.layers of one width',
        ),
        (
            "24x2x64",
            (0, 24),
            "none",
            "layer 24 does not exist, 24x2x64 has 0 to 23",
            "name layers that keep keys and values",
        ),
        (
            "3x0x0:linear+1x2x256",
            (2, 3),
            "concat",
            "layer 2 is linear and keeps no keys and values of its own",
            "name layers that keep keys and values",
        ),
    ],
    ids=["unequal-mean", "no-such-layer", "no-keys"],
)
def test_widths_that_do_not_exist(layout, layers, aggregate, because, hint):
    with pytest.raises(Undecidable) as stop:
        kv_width(layout, layers, aggregate)
    assert (stop.value.because, stop.value.hint) == (because, hint)
