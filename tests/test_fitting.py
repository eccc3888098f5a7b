"""What a step takes between and beyond the rows that were tried, and beside its tensors."""

from hypothesis import given
from hypothesis import strategies as st

from kavaspec.fitting import Curve, device_of

GIB = 1 << 30


def test_what_was_tried_is_as_it_was_seen():
    curve = Curve.of([[1, 100], [4, 130], [32, 900]])
    assert [curve.bytes(rows) for rows in (1, 4, 32)] == [100, 130, 900]
    assert curve.term(4).formula == "130"


def test_between_two_tries_it_rises_evenly_and_beyond_the_last_as_before():
    curve = Curve.of([[1, 100], [4, 130], [32, 900]])
    assert (curve.bytes(2), curve.bytes(3)) == (110, 120)
    assert curve.bytes(18) == 130 + (900 - 130) // 2
    assert curve.bytes(60) == 900 + (900 - 130)
    assert curve.term(2).formula == "100 + (130 - 100) * (2 - 1) // (4 - 1)"


lines = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**7)), min_size=1, max_size=5)


@given(lines, st.integers(1, 32))
def test_a_peak_is_never_guessed_too_small_between_what_was_tried(parts, rows):
    """Each moment of a step takes a constant and so much for a row; the peak is the most of them."""

    def peak(rows: int) -> int:
        return max(constant + each * rows for constant, each in parts)

    curve = Curve.of([(tried, peak(tried)) for tried in (1, 4, 32)])
    assert curve.bytes(rows) >= peak(rows) - 1  # whole bytes


@given(lines)
def test_more_rows_never_take_less(parts):
    peaks = [
        (tried, max(constant + each * tried for constant, each in parts)) for tried in (1, 4, 32)
    ]
    sizes = [Curve.of(peaks).bytes(rows) for rows in range(1, 100)]
    assert sizes == sorted(sizes)


def test_a_process_takes_more_than_its_tensors_and_may_not_take_all_there_is():
    there = device_of("cuda", 8 * GIB, False, 32 * GIB, None)
    assert there.fact == "fact.gpu.memory_bytes"
    assert there.process_bytes(GIB) == GIB + GIB * 5 // 100 + 768 * 2**20
    assert there.room_bytes == 8 * GIB - 8 * GIB * 5 // 100


def test_what_was_measured_on_the_device_stands_instead_of_what_is_supposed():
    there = device_of("cuda", 8 * GIB, False, 32 * GIB, {"device_bytes": 7, "allocator_percent": 1})
    assert there.process_bytes(1000) == 1000 + 10 + 7


def test_a_card_that_shares_its_memory_has_the_machines():
    there = device_of("rocm", 8 * GIB, True, 32 * GIB, None)
    assert (there.fact, there.memory_bytes) == ("fact.memory.total_bytes", 32 * GIB)


def test_without_known_memory_there_is_nothing_to_fit_into():
    assert device_of("cuda", None, False, 32 * GIB, None) is None
