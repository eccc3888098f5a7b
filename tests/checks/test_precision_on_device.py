import pytest

from kavaspec.checks.precision_on_device import canary_is_right, precision_on_device
from kavaspec.errors import Exit


def veto(precision, device, **facts):
    known = dict.fromkeys(("gpu", "capability", "arch", "cpu_features"))
    return precision_on_device(precision=precision, device=device, **(known | facts))


@pytest.mark.parametrize(
    ("precision", "device", "facts"),
    [
        ("bfloat16", "cuda", {"gpu": "A100", "capability": (8, 0)}),
        ("float16", "cuda", {"gpu": "A100", "capability": (8, 0)}),
        ("float16", "cuda", {"gpu": "P40", "capability": (6, 1)}),
        ("bfloat16", "cpu", {"cpu_features": ("avx2",)}),
        ("bfloat16", "mps", {}),
        ("float32", "cuda", {}),
    ],
    ids=["ampere", "not-the-best", "slow-but-right", "cpu-emulates", "mps-emulates", "float32"],
)
def test_what_is_only_unwise_passes(precision, device, facts):
    assert veto(precision, device, **facts) is None


@pytest.mark.parametrize(
    ("precision", "device", "facts", "message"),
    [
        (
            "float16",
            "cpu",
            {},
            "float16 does not train on cpu: CPUs have no float16 training path",
        ),
        (
            "float16",
            "mps",
            {},
            (
                "float16 does not train on mps: "
                "trains wrongly on MPS (fused Adam ignored the loss scale)"
            ),
        ),
        (
            "bfloat16",
            "cuda",
            {"gpu": "Tesla V100", "capability": (7, 0)},
            "bfloat16 does not train on cuda: needs sm_80, Tesla V100 is sm_70",
        ),
        (
            "bfloat16",
            "rocm",
            {"gpu": "RX 6600", "arch": "gfx1032"},
            "bfloat16 does not train on rocm: gfx1032 has no bfloat16 that trains",
        ),
    ],
    ids=["cpu", "mps", "volta", "rdna2"],
)
def test_what_cannot_train_is_refused(precision, device, facts, message):
    problem = veto(precision, device, **facts)
    assert (problem.message, problem.hint) == (message, 'train.precision = "auto"')
    assert (problem.exit, problem.key) == (Exit.UNSATISFIABLE, "train.precision")


@pytest.mark.parametrize("found", ["wrong", "unsupported"])
def test_what_the_canary_refused_is_not_trained_in(found):
    problem = canary_is_right("bfloat16", "cuda", bfloat16=found, float16=None)
    assert problem.message == (
        f"bfloat16 does not train on cuda: the canary found bfloat16 {found} here"
    )
    assert (problem.hint, problem.key) == ('train.precision = "auto"', "train.precision")


@pytest.mark.parametrize(
    ("precision", "bfloat16", "float16"),
    [("bfloat16", "slower", "wrong"), ("bfloat16", None, None), ("float32", "wrong", "wrong")],
    ids=["slow-is-right", "nobody-tried", "no-canary-is-about-it"],
)
def test_everything_else_is(precision, bfloat16, float16):
    assert canary_is_right(precision, "cuda", bfloat16, float16) is None
