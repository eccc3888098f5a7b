"""Sizes and times as people write and read them."""

import pytest

from kavaspec.sizes import read_bytes, spelled, with_size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("24GiB", 24 * 2**30),
        ("16GB", 16 * 10**9),
        ("16 GB", 16 * 10**9),
        ("1.5TiB", 3 * 2**39),
        ("0.1kB", 100),
        ("512B", 512),
        ("24", None),
        ("-1GiB", None),
        ("24gib", None),
        ("many", None),
    ],
)
def test_a_size_is_read_with_either_kind_of_unit(text, count):
    assert read_bytes(text) == count


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (84_930_000_000, "bytes", "84930000000 (79.1 GiB)"),
        (85_899_345_920, "bytes", "85899345920 (80 GiB)"),
        (1023, "bytes", "1023"),
        (1 << 50, "bytes", "1125899906842624 (1024 TiB)"),
        (14_400, "seconds", "14400 (4h)"),
        (5_430, "seconds", "5430 (1h 30m 30s)"),
        (59, "seconds", "59"),
        (8, "rows", "8"),
        (True, "bytes", "true"),
        (None, "bytes", "none"),
    ],
)
def test_a_number_is_followed_by_what_people_call_it(value, unit, text):
    assert with_size(value, unit) == text
    assert spelled(value, unit) in text
