import math

import pytest

from kavaspec_tui import units


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (2.431, "2.431"),
        (8260, "8.26k"),
        (1_234_567, "1.235M"),
        (-21_400, "-21.4k"),
        (0.00024, "2.4e-4"),
        (0.001, "0.001"),
        (1e-12, "1e-12"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_have_four_digits_and_a_prefix(value, shown):
    assert units.si(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (200, "3m20s"), (7805, "2h10m"), (100_000, "1d03h"), (-5, "-5s"), (math.inf, "?")],
)  # fmt: skip
def test_durations_have_two_units(seconds, shown):
    assert units.duration(seconds) == shown


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (41_234_567, "39.3 MiB"),
        (85_899_345_920, "80 GiB"),
    ],
)
def test_sizes_are_binary(n_bytes, shown):
    assert units.size(n_bytes) == shown


def test_a_metric_is_shown_in_its_declared_unit():
    assert units.quantity(1.61e9, "bytes") == "1.5 GiB"
    assert units.quantity(0.31, "s") == "0.31 s"
    assert units.quantity(125, "s") == "2m05s"
    assert units.quantity(21_400, "tokens/s") == "21.4k"
    assert units.quantity(math.nan, "bytes") == "nan"


def test_whole_numbers_are_exact_and_grouped():
    assert units.count(20_000) == "20 000"


def test_round_sizes_are_round_in_binary():
    assert [units.grain(v, "bytes") for v in (10, 5000, 3e9)] == [1, 1024, 1024**3]
    assert units.grain(3e9, "tokens/s") == 1
