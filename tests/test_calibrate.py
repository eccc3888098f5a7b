"""What a process takes beside its tensors, by measured runs: the laws of the choice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kavaspec.calibrate import MIB, Measured, calibrated, off
from kavaspec.fitting import SUPPOSED, Overhead

GIB = 2**30


def of(*pairs: tuple[int, int], device: str = "cuda") -> list[Measured]:
    """Runs by their tensors and what their process took."""
    return [
        Measured(run=str(n), device=device, card=None, tensors_bytes=tensors, process_bytes=process)
        for n, (tensors, process) in enumerate(pairs)
    ]


def taking(overhead: Overhead, *tensors: int) -> list[Measured]:
    return of(*((size, overhead.process_bytes(size)) for size in tensors))


sizes = st.integers(10 * MIB, 100 * GIB)


@given(percent=st.integers(0, 100), libraries=st.integers(0, 4000))
def test_two_runs_of_different_size_tell_gaps_from_libraries(percent: int, libraries: int):
    planted = Overhead(device_bytes=libraries * MIB, allocator_percent=percent)
    assert calibrated(taking(planted, 4 * GIB, 40 * GIB)) == planted


@given(pairs=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=6))
def test_no_measured_run_takes_more_than_is_then_predicted(pairs: list[tuple[int, int]]):
    runs = of(*pairs)
    found = calibrated(runs)
    assert all(off(found, run) >= 0 for run in runs)
    assert found.device_bytes % MIB == 0


@given(pairs=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4))
def test_no_other_percentage_is_nearer_to_the_runs(pairs: list[tuple[int, int]]):
    runs = of(*pairs)
    found = calibrated(runs)
    above = sum(off(found, run) for run in runs)
    for percent in range(101):
        gaps = Overhead(device_bytes=0, allocator_percent=percent)
        beside = max(0, *(-off(gaps, run) for run in runs))
        other = Overhead(device_bytes=beside, allocator_percent=percent)
        assert above <= sum(off(other, run) for run in runs) + MIB * len(runs)


@pytest.mark.parametrize("device", SUPPOSED)
def test_one_run_alone_leaves_the_supposed_gaps(device: str):
    supposed = SUPPOSED[device]
    (run,) = taking(Overhead(device_bytes=300 * MIB, allocator_percent=supposed.allocator_percent), 5 * GIB)  # fmt: skip
    (run,) = of((run.tensors_bytes, run.process_bytes), device=device)
    assert calibrated([run]) == Overhead(
        device_bytes=300 * MIB, allocator_percent=supposed.allocator_percent
    )


def test_a_process_below_its_tensors_is_predicted_by_the_tensors_alone():
    assert calibrated(of((4 * GIB, 3 * GIB))) == Overhead(device_bytes=0, allocator_percent=0)
