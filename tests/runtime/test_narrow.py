"""AdamW with few bits: what is rounded away in one step must not be lost in many."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from kavaspec_runtime import narrow
from kavaspec_runtime.eight_bit import BLOCK, blocks, decode, encode
from kavaspec_runtime.narrow import NarrowAdamW, rounded

SIZES = st.integers(1, 3 * BLOCK)
SEEDS = st.integers(0, 2**31)


def numbers(count: int, seed: int) -> Tensor:
    """Of very different sizes, as moments are: six powers of ten."""
    draw = torch.Generator().manual_seed(seed)
    size = torch.rand(count, generator=draw) * 6 - 6
    return torch.randn(count, generator=draw) * 10**size


# ---- 8 bits


@given(SIZES, SEEDS)
def test_a_number_is_read_back_within_a_share_of_the_largest_beside_it(count: int, seed: int):
    values = numbers(count, seed)
    for signed, written, most in ((True, values, 0.0073), (False, values.square(), 0.0038)):
        codes, factors = encode(written, signed=signed, draw=None)
        assert codes.shape == (count,)
        assert codes.dtype == torch.uint8
        assert factors.shape == (blocks(count),)
        again = decode(codes, factors, signed=signed)
        largest = factors.repeat_interleave(BLOCK)[:count]
        assert torch.all((again - written).abs() <= most * largest)


@given(SIZES, SEEDS)
def test_the_second_moment_is_never_rounded_to_nothing(count: int, seed: int):
    values = numbers(count, seed).square()
    values[:: max(1, count // 3)] = 0.0
    draw = torch.Generator().manual_seed(seed)
    again = decode(*encode(values, signed=False, draw=draw), signed=False)
    assert torch.equal(again > 0, values > 0)


@given(SIZES, SEEDS)
def test_what_was_read_back_is_written_the_same(count: int, seed: int):
    for signed, values in ((True, numbers(count, seed)), (False, numbers(count, seed).square())):
        codes, factors = encode(values, signed=signed, draw=None)
        decoded = decode(codes, factors, signed=signed)
        again, factors_again = encode(decoded, signed=signed, draw=None)
        assert torch.equal(codes, again)
        assert torch.equal(factors, factors_again)


def test_zeros_stay_zeros_and_the_largest_number_of_a_block_is_exact():
    values = torch.zeros(2 * BLOCK)
    values[3], values[BLOCK + 5] = -7.25, 0.5
    again = decode(*encode(values, signed=True, draw=None), signed=True)
    assert torch.equal(again, values)


@given(SEEDS)
def test_a_number_goes_to_one_of_the_two_steps_beside_it_and_is_right_in_the_mean(seed: int):
    draw = torch.Generator().manual_seed(seed)
    for signed in (True, False):
        values = torch.rand(BLOCK, generator=draw) * (2 if signed else 1) - (1 if signed else 0)
        values[0] = 1.0
        many = torch.stack(
            [decode(*encode(values, signed=signed, draw=draw), signed=signed) for _ in range(400)]
        )
        assert all(len(column.unique()) <= 2 for column in many.T)
        spread = many.amax(dim=0) - many.amin(dim=0)
        assert torch.all((many.mean(dim=0) - values).abs() <= 0.15 * spread + 0.001)


def test_a_number_that_is_none_is_written_like_any_other():
    """So that a broken gradient is found where it is looked for, not by a crash on a device."""
    codes, _ = encode(torch.tensor([float("nan"), 1.0, float("inf")]), signed=True, draw=None)
    assert codes.shape == (3,)


# ---- rounding


def test_a_number_between_two_of_bfloat16_becomes_either_and_is_right_in_the_mean():
    draw = torch.Generator().manual_seed(0)
    for value in (1.001, -1.001, 3e-5, -0.3):
        many = rounded(torch.full((100_000,), value), torch.bfloat16, draw).double()
        assert len(many.unique()) == 2
        assert many.mean().item() == pytest.approx(value, rel=2e-5)


def test_a_number_of_bfloat16_stays_what_it_is():
    values = torch.randn(10_000).bfloat16()
    draw = torch.Generator().manual_seed(0)
    assert torch.equal(rounded(values.float(), torch.bfloat16, draw), values)


# ---- the optimizer


def weights_after(
    steps: int,
    *,
    kind: type[torch.optim.AdamW] = NarrowAdamW,
    weight: torch.dtype = torch.float32,
    state: torch.dtype = torch.float32,
    rate: float = 0.01,
) -> list[Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.LayerNorm(128), nn.Linear(128, 2))
    model.to(weight)
    optimizer = kind(model.parameters(), lr=rate, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    if isinstance(optimizer, NarrowAdamW):
        optimizer.state_dtype, optimizer.seed = state, 0
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 64, dtype=weight)).square().sum().backward()
        optimizer.step()
    return [parameter.detach().float() for parameter in model.parameters()]


def away(some: list[Tensor], others: list[Tensor]) -> float:
    """The norm of the difference, as a share of the norm."""
    norm = torch.cat([one.flatten() for one in others]).norm()
    pairs = zip(some, others, strict=True)
    return (torch.cat([(a - b).flatten() for a, b in pairs]).norm() / norm).item()


def test_it_is_torchs_adamw_when_nothing_is_rounded():
    assert away(weights_after(20), weights_after(20, kind=torch.optim.AdamW)) < 1e-6


@pytest.mark.parametrize("state", [torch.bfloat16, torch.uint8])
def test_fewer_bits_of_the_moments_lead_to_nearly_the_same_weights(state: torch.dtype):
    start, exact = weights_after(0), weights_after(50)
    gone = away(exact, start)
    assert 0 < away(weights_after(50, state=state), exact) < 0.1 * gone


def second_moment(state: torch.dtype, gradients: list[Tensor]) -> Tensor:
    weight = nn.Parameter(torch.zeros(8192))
    optimizer = NarrowAdamW([weight], lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)
    optimizer.state_dtype, optimizer.seed = state, 0
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
    return narrow._read(optimizer.state[weight], "exp_avg_sq", slice(0, 8192))


@pytest.mark.parametrize("state", [torch.bfloat16, torch.uint8])
def test_a_second_moment_follows_gradients_that_fall_by_a_thousandth_a_step(state: torch.dtype):
    """To the nearest it would stay where it was, and every later update be too small."""
    draw = torch.Generator().manual_seed(0)
    gradients = [torch.randn(8192, generator=draw) for _ in range(1500)]
    for gradient in gradients[300:]:
        gradient[::2] *= 0.1
    exact, found = (second_moment(kind, gradients) for kind in (torch.float32, state))
    for part in (slice(0, None, 2), slice(1, None, 2)):
        assert found[part].mean().item() == pytest.approx(exact[part].mean().item(), rel=0.02)
        assert found[part].median().item() == pytest.approx(exact[part].median().item(), rel=0.1)


@pytest.mark.parametrize(("state", "most"), [(torch.float32, 0.0), (torch.uint8, 0.01)])
def test_a_weight_is_worked_on_in_pieces_that_change_only_what_is_drawn(
    monkeypatch: pytest.MonkeyPatch, state: torch.dtype, most: float
):
    whole = weights_after(5, state=state)
    monkeypatch.setattr(narrow, "PIECE", 2 * BLOCK)
    assert away(weights_after(5, state=state), whole) <= most


def test_updates_that_bfloat16_would_round_away_are_made_in_the_mean():
    """Weights of 1 at a rate of 1e-4: to the nearest, not one of them would ever move."""
    ones = nn.Parameter(torch.ones(10_000, dtype=torch.bfloat16))
    optimizer = NarrowAdamW([ones], lr=1e-4, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)
    optimizer.state_dtype, optimizer.seed = torch.float32, 0
    for _ in range(20):
        ones.grad = torch.ones_like(ones)
        optimizer.step()
    assert (torch.ones(1) - 1e-4).bfloat16().item() == 1.0
    assert ones.double().mean().item() == pytest.approx(1 - 20 * 1e-4, abs=1e-4)


def test_what_is_drawn_depends_on_seed_weight_and_step_only():
    same = weights_after(3, weight=torch.bfloat16), weights_after(3, weight=torch.bfloat16)
    assert away(*same) == 0


def test_small_weights_keep_their_moments_whole():
    weight = nn.Parameter(torch.ones(narrow.SMALLEST_IN_8_BITS - 1))
    large = nn.Parameter(torch.ones(narrow.SMALLEST_IN_8_BITS + 1))
    optimizer = NarrowAdamW([weight, large])
    optimizer.state_dtype, optimizer.seed = torch.uint8, 0
    weight.grad, large.grad = torch.ones_like(weight), torch.ones_like(large)
    optimizer.step()
    kept = {name: tensor.dtype for name, tensor in optimizer.state[weight].items()}
    assert kept == {
        "step": torch.float32,
        "exp_avg": torch.float32,
        "exp_avg_sq": torch.float32,
    }
    shapes = {
        name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in optimizer.state[large].items()
    }
    assert shapes == {
        "step": (torch.float32, ()),
        "exp_avg": (torch.uint8, (4097,)),
        "exp_avg_factor": (torch.float32, (17,)),
        "exp_avg_sq": (torch.uint8, (4097,)),
        "exp_avg_sq_factor": (torch.float32, (17,)),
    }
