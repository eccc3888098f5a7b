"""Data order is a function of a position: nothing is lost, nothing repeats, nothing else matters."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec.errors import KavaError
from kavaspec_runtime.order import Order, Permutation
from kavaspec_runtime.randomness import seed_of

lengths = st.lists(st.integers(1, 500), min_size=1, max_size=120)


def order_of(lengths, global_batch=8, window=4, tail="drop", seed=0) -> Order:
    return Order(lengths=lengths, global_batch=global_batch, window=window, tail=tail, seed=seed)


@given(size=st.integers(1, 3000), key=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_a_permutation_names_every_number_once(size, key):
    permutation = Permutation(size, key)
    assert sorted(permutation[place] for place in range(size)) == list(range(size))


def test_permutations_of_different_keys_differ():
    a, b = Permutation(1000, 1), Permutation(1000, 2)
    assert sum(a[place] == b[place] for place in range(1000)) < 20


def test_a_permutation_is_the_same_on_every_machine():
    permutation = Permutation(10, seed_of(0, "epoch", 0))
    assert [permutation[place] for place in range(10)] == [3, 8, 7, 0, 9, 5, 1, 2, 4, 6]


def test_a_place_outside_is_an_error():
    with pytest.raises(IndexError, match="10 is outside a permutation of 10"):
        Permutation(10, 1)[10]


@given(lengths=lengths, global_batch=st.integers(1, 20), window=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_an_epoch_reads_no_row_twice_and_drops_only_what_does_not_fill_a_batch(
    lengths, global_batch, window
):
    if len(lengths) < global_batch:
        return
    order = order_of(lengths, global_batch, window)
    for epoch in range(2):
        steps = range(epoch * order.batches_per_epoch, (epoch + 1) * order.batches_per_epoch)
        rows = [row for step in steps for row in order.rows(step)]
        assert len(rows) == len(set(rows)) == len(lengths) // global_batch * global_batch


@given(lengths=lengths, global_batch=st.integers(1, 20), window=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_wrap_reads_every_row_and_fills_the_last_batch_from_the_same_epoch(
    lengths, global_batch, window
):
    order = order_of(lengths, global_batch, window, tail="wrap")
    rows = [row for step in range(order.batches_per_epoch) for row in order.rows(step)]
    assert set(rows) == set(range(len(lengths)))
    assert len(rows) == order.batches_per_epoch * global_batch
    assert len(rows) - len(lengths) < global_batch


@given(lengths=lengths, window=st.integers(1, 7), step=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_resumed_run_asks_for_a_step_and_gets_what_the_whole_run_got(lengths, window, step):
    whole, resumed = order_of(lengths, 4, window, "wrap"), order_of(lengths, 4, window, "wrap")
    for earlier in range(step):
        whole.rows(earlier)
    assert whole.rows(step) == resumed.rows(step)


def test_nothing_but_experiment_keys_can_change_the_order():
    names = set(inspect.signature(Order.__init__).parameters) - {"self"}
    assert names == {"lengths", "global_batch", "window", "tail", "seed"}


def test_batches_hold_rows_of_like_length():
    lengths = [(17 * row) % 401 for row in range(512)]
    order = order_of(lengths, 8, 16)
    spread = [
        max(lengths[row] for row in rows) - min(lengths[row] for row in rows)
        for rows in map(order.rows, range(order.batches_per_epoch))
    ]
    mixed = order_of(lengths, 8, 1)
    unsorted = [
        max(lengths[row] for row in rows) - min(lengths[row] for row in rows)
        for rows in map(mixed.rows, range(mixed.batches_per_epoch))
    ]
    assert sum(spread) < sum(unsorted) / 5


def test_short_and_long_batches_take_turns():
    lengths = list(range(128))
    order = order_of(lengths, 8, 16)
    firsts = [min(order.rows(step)) // 8 for step in range(16)]
    assert firsts != sorted(firsts)


def test_epochs_and_seeds_have_their_own_order():
    order = order_of([1] * 64)
    assert order.rows(0) != order.rows(order.batches_per_epoch)
    assert order.rows(0) != order_of([1] * 64, seed=1).rows(0)


def test_too_few_rows_for_one_batch_are_refused():
    with pytest.raises(KavaError) as caught:
        order_of([1] * 5)
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (7, "train.global_batch")
    assert problem.message == "5 training rows do not fill one global batch of 8"
    assert problem.hint == 'set train.global_batch to at most 5, or data.tail = "wrap"'


def test_seeds_depend_on_every_part_of_the_place():
    places = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (0, "a", "1"), (0, "a", 1, 0)]
    assert len({seed_of(*place) for place in places}) == len(places)
    assert all(0 <= seed_of(*place) < 2**63 for place in places)
