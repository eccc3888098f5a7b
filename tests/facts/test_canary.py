"""fact.canary.*: a small training step in 16 bits, right and faster than float32?"""

from __future__ import annotations

import re

import pytest
import torch

from kavaspec_runtime import probe_canary
from kavaspec_runtime.probe_canary import canary

SMALL = probe_canary.Size(tokens=8, width=32, heads=2, vocabulary=64)


@pytest.fixture(autouse=True)
def small_and_timed_by_hand(monkeypatch):
    """A tiny step; `speed` fixes how long each dtype takes, so that no test depends on a clock."""
    monkeypatch.setattr(probe_canary, "ON_CPU", SMALL)


@pytest.fixture
def speed(monkeypatch):
    def fix(ratio):
        def timed(_torch, _device, step):
            return (ratio if step.dtype == torch.float32 else 1.0), step.gradients()

        monkeypatch.setattr(probe_canary, "_timed", timed)

    return fix


@pytest.mark.parametrize(
    ("ratio", "outcome", "said"),
    [
        (3.0, "faster", "3 times"),
        (1.16, "faster", "1.2 times"),
        (1.14, "slower", "1.1 times"),
        (0.05, "slower", "0.05 times"),
    ],
)
def test_it_has_to_be_15_percent_faster(speed, ratio, outcome, said):
    speed(ratio)
    seen, evidence = canary(torch, "cpu", "bfloat16")
    assert seen == outcome
    assert re.fullmatch(rf"{said} the speed of float32, gradients within \d\.\d% on cpu", evidence)


def test_a_dtype_that_computes_nonsense_is_wrong_however_fast(speed, monkeypatch):
    speed(9.0)
    real = probe_canary._Step.gradients

    def scaled(step):
        return [g * (1.5 if step.dtype == torch.bfloat16 else 1.0) for g in real(step)]

    monkeypatch.setattr(probe_canary._Step, "gradients", scaled)
    assert canary(torch, "cpu", "bfloat16")[0] == "wrong"


def test_a_result_that_is_no_number_is_wrong(speed, monkeypatch):
    speed(9.0)
    real = probe_canary._Step.gradients

    def nan(step):
        first, *rest = real(step)
        return [first * float("nan"), *rest] if step.dtype == torch.float16 else [first, *rest]

    monkeypatch.setattr(probe_canary._Step, "gradients", nan)
    assert canary(torch, "cpu", "float16") == ("wrong", "gradients are off by nan% on cpu")


def test_a_dtype_that_a_kernel_refuses_is_unsupported(monkeypatch):
    real = probe_canary._Step.gradients

    def refuse(step):
        if step.dtype == torch.float16:
            raise RuntimeError('"addmm_impl_cpu_" not implemented for "Half"\nmore')
        return real(step)

    monkeypatch.setattr(probe_canary._Step, "gradients", refuse)
    assert canary(torch, "cpu", "float16") == (
        "unsupported",
        'refused ("addmm_impl_cpu_" not implemented for "Half") on cpu',
    )


@pytest.fixture
def tries(monkeypatch):
    """Steps that take 1 s in float32, and these seconds in bfloat16, one after the other."""

    def fix(*narrow_s):
        left = list(narrow_s)

        def timed(_torch, _device, step):
            return (1.0 if step.dtype == torch.float32 else left.pop(0)), step.gradients()

        monkeypatch.setattr(probe_canary, "_timed", timed)
        return left

    return fix


def test_on_a_cpu_a_hopeless_dtype_is_not_tried_twice(tries):
    left = tries(9.0, 0.1)
    assert canary(torch, "cpu", "bfloat16")[0] == "slower"
    assert left == [0.1]


@pytest.mark.parametrize("where", ["cuda", "rocm", "mps"])
def test_the_first_try_of_a_card_says_nothing_because_it_loads_kernels(tries, monkeypatch, where):
    weights = probe_canary._weights
    monkeypatch.setattr(probe_canary, "_weights", lambda t, _, __: weights(t, SMALL, "cpu"))
    tries(9.0, 0.1)
    outcome, evidence = canary(torch, where, "bfloat16")
    assert outcome == "faster"
    assert evidence.startswith("10 times the speed of float32")
    assert evidence.endswith(f" on {where}")


@pytest.mark.parametrize(("device", "module"), [("cuda", "cuda"), ("mps", "mps")])
def test_a_card_is_waited_for_before_and_after(monkeypatch, device, module):
    waited = []
    monkeypatch.setattr(getattr(torch, module), "synchronize", lambda: waited.append(module))
    weights = probe_canary._weights(torch, SMALL, "cpu")
    step = probe_canary._Step(torch, weights, torch.float32)
    probe_canary._timed(torch, device, step)
    assert waited == [module, module]


def test_the_number_of_threads_is_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        canary(torch, "cpu", "bfloat16")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_on_this_cpu_16_bit_gradients_are_right(dtype):
    assert canary(torch, "cpu", dtype)[0] in ("faster", "slower")
