import pytest
from hypothesis import given
from hypothesis import strategies as st

from kavaspec.kv_layout import (
    Layer,
    LayoutError,
    holders,
    parse_layout,
    select,
    spell,
    sum_of_widths,
    write_layout,
)

layers = st.lists(
    st.builds(
        Layer,
        heads=st.integers(0, 64),
        head_dim=st.integers(0, 512),
        kind=st.sampled_from(["full", "sliding", "linear", "latent", "shared"]),
    ),
    min_size=1,
    max_size=40,
).map(tuple)


@given(layers)
def test_a_layout_survives_being_written(some):
    assert parse_layout(write_layout(some)) == some


@pytest.mark.parametrize(
    "layout", ["28x2x128", "5x4x256:sliding+1x4x256", "3x0x0:linear+1x2x256", "1x1x576:latent"]
)
def test_a_layout_is_written_as_it_was_read(layout):
    assert write_layout(parse_layout(layout)) == layout


@pytest.mark.parametrize("text", ["", "28x2", "axbxc", "28x2x128:FULL", "28 x 2 x 128"])
def test_anything_else_is_no_layout(text):
    with pytest.raises(LayoutError) as wrong:
        parse_layout(text)
    assert str(wrong.value) == f"{text!r} is not a KV layout: expected one like 28x2x128"


def test_only_full_and_sliding_layers_hold_keys_and_values():
    layout = "1x2x64+1x2x64:sliding+1x0x0:linear+1x1x576:latent+1x2x64:shared"
    assert holders(layout) == (0, 1)


def test_select_keeps_the_order_that_was_asked_for():
    assert [layer.width for layer in select("1x2x64+1x4x64", (1, 0))] == [256, 128]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, "layer 2 does not exist, 1x2x64+1x0x0:linear has 0 to 1"),
        (-1, "layer -1 does not exist, 1x2x64+1x0x0:linear has 0 to 1"),
        (1, "layer 1 is linear and keeps no keys and values of its own"),
    ],
    ids=["beyond", "negative", "linear"],
)
def test_select_names_the_layer_that_cannot_be(index, message):
    with pytest.raises(LayoutError) as wrong:
        select("1x2x64+1x0x0:linear", (0, index))
    assert str(wrong.value) == message


def test_the_sum_is_grouped_by_equal_neighbours():
    assert (
        sum_of_widths(parse_layout("2x2x64+1x4x64+1x2x64"))
        == "2 * 2 * 64 + 1 * 4 * 64 + 1 * 2 * 64"
    )


@pytest.mark.parametrize(
    ("width", "words"),
    [(3072, "3072"), ((128,) * 24, "24 of 128"), ((128, 256), "2 of 128 to 256")],
    ids=["one", "equal", "different"],
)
def test_widths_in_few_words(width, words):
    assert spell(width) == words


def test_the_segment_that_is_wrong_is_named():
    with pytest.raises(LayoutError) as wrong:
        parse_layout("28x2x128+4x2")
    assert str(wrong.value) == "'28x2x128+4x2' is not a KV layout: expected one like 28x2x128"
