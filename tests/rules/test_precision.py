import pytest

from kavaspec.decision import Allowed, Undecidable
from kavaspec.rules.precision import precision


def on(device, **facts):
    names = ("gpu", "capability", "arch", "cpu_features", "bfloat16", "float16", "parameters")
    known = dict.fromkeys(names)
    return {"device": device} | known | facts


A100 = on("cuda", gpu="NVIDIA A100", capability=(8, 0), bfloat16="faster", float16="faster")
RTX4070 = on("cuda", gpu="RTX 4070", capability=(8, 9))
H200 = on("cuda", gpu="NVIDIA H200", capability=(9, 0))
V100 = on("cuda", gpu="Tesla V100", capability=(7, 0), bfloat16="faster")
T4 = on("cuda", gpu="Tesla T4", capability=(7, 5))
GTX1660 = on("cuda", gpu="GTX 1660", capability=(7, 5))
P40 = on("cuda", gpu="Tesla P40", capability=(6, 1))
MI250 = on("rocm", gpu="MI250X", arch="gfx90a:sramecc+:xnack-", capability=(9, 0))
RX7900 = on("rocm", gpu="RX 7900", arch="gfx1100")
RX6600 = on("rocm", gpu="RX 6600", arch="gfx1032", bfloat16="faster")
MI50 = on("rocm", gpu="MI50", arch="gfx906")
MI100 = on("rocm", gpu="MI100", arch="gfx908", bfloat16="faster")
MI100_UNTRIED = on("rocm", gpu="MI100", arch="gfx908")
M2 = on("mps", gpu="Apple M2 Max", bfloat16="faster", float16="faster")
EPYC = on("cpu", cpu_features=("avx2", "avx512_bf16"), bfloat16="faster")
EPYC_TINY = EPYC | {"parameters": 348_384}
EPYC_BIG = EPYC | {"parameters": 57_000_000}
EPYC_SLOW = on("cpu", cpu_features=("avx2", "avx512_bf16"), bfloat16="slower")
EPYC_UNTRIED = on("cpu", cpu_features=("avx2", "avx512_bf16"))
GRAVITON = on("cpu", cpu_features=("sve_bf16",), bfloat16="faster")
LAPTOP = on("cpu", cpu_features=("avx2",), bfloat16="faster")
UNKNOWN_CPU = on("cpu")


@pytest.mark.parametrize(
    ("machine", "value", "because"),
    [
        (A100, "bfloat16", "NVIDIA A100 (sm_80) computes bfloat16 in hardware"),
        (RTX4070, "bfloat16", "RTX 4070 (sm_89) computes bfloat16 in hardware"),
        (H200, "bfloat16", "NVIDIA H200 (sm_90) computes bfloat16 in hardware"),
        (V100, "float16", "Tesla V100 (sm_70) has float16 tensor cores; the loss is scaled"),
        (T4, "float16", "Tesla T4 (sm_75) has float16 tensor cores; the loss is scaled"),
        (GTX1660, "float32", "GTX 1660 (sm_75) has no fast 16-bit arithmetic"),
        (P40, "float32", "Tesla P40 (sm_61) has no fast 16-bit arithmetic"),
        (on("cuda"), "float32", "the GPU's compute capability is not known"),
        (on("cuda", capability=(8,)), "float32", "the GPU's compute capability is not known"),
        (MI250, "bfloat16", "MI250X (gfx90a) computes bfloat16 in hardware"),
        (RX7900, "bfloat16", "RX 7900 (gfx1100) computes bfloat16 in hardware"),
        (RX6600, "float32", "RX 6600: gfx1032 has no bfloat16 that trains"),
        (MI50, "float32", "MI50: gfx906 has no bfloat16 that trains"),
        (MI100, "bfloat16", "MI100 (gfx908) computes bfloat16 faster than float32 (canary)"),
        (MI100_UNTRIED, "float32", "nothing shows that gfx908 computes bfloat16 faster"),
        (M2, "float32", "Metal emulates bfloat16 on M1 and M2, and float16 trains wrongly"),
        (
            EPYC,
            "bfloat16",
            "this CPU has avx512_bf16, and the canary ran bfloat16 faster than float32",
        ),
        (
            EPYC_BIG,
            "bfloat16",
            "this CPU has avx512_bf16, and the canary ran bfloat16 faster than float32",
        ),
        (
            EPYC_TINY,
            "float32",
            "matrices of a student of 348384 parameters are too small for bfloat16 to pay",
        ),
        (
            EPYC_SLOW,
            "float32",
            "this CPU has avx512_bf16, but the canary found bfloat16 slower",
        ),
        (
            EPYC_UNTRIED,
            "float32",
            "this CPU has avx512_bf16, but no canary shows that it is faster",
        ),
        (
            GRAVITON,
            "bfloat16",
            "this CPU has sve_bf16, and the canary ran bfloat16 faster than float32",
        ),
        (LAPTOP, "float32", "this CPU has no bfloat16 instructions"),
        (UNKNOWN_CPU, "float32", "this CPU has no bfloat16 instructions"),
    ],
    ids=[
        "ampere",
        "ada",
        "hopper",
        "volta",
        "turing",
        "turing-without-tensor-cores",
        "pascal",
        "capability-unknown",
        "capability-cut-off",
        "cdna2",
        "rdna3",
        "rdna2-dies",
        "vega",
        "amd-not-in-the-table-but-the-canary-sings",
        "amd-not-in-the-table",
        "mps-never-follows-the-canary",
        "avx512_bf16-and-faster",
        "a-student-of-some-size",
        "a-tiny-student",
        "avx512_bf16-but-slower",
        "avx512_bf16-untried",
        "arm",
        "no-instructions-whatever-the-canary",
        "nothing-known",
    ],
)
def test_precision(machine, value, because):
    decision = precision(**machine)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("machine", "rejected"),
    [
        (
            A100,
            {
                "float32": "is slower here; weights and losses are float32 anyway",
                "float16": "needs its loss scaled to train; bfloat16 does not",
            },
        ),
        (
            V100,
            {
                "float32": "has no tensor cores here",
                "bfloat16": "needs sm_80, Tesla V100 is sm_70",
            },
        ),
        (
            M2,
            {
                "bfloat16": "is emulated by Metal on M1 and M2",
                "float16": "trains wrongly on MPS (fused Adam ignored the loss scale)",
            },
        ),
        (
            P40,
            {
                "float16": "is not faster on sm_61",
                "bfloat16": "needs sm_80, Tesla P40 is sm_61",
            },
        ),
        (
            MI250,
            {
                "float32": "is slower here",
                "float16": "needs its loss scaled to train",
            },
        ),
        (
            MI100_UNTRIED,
            {
                "bfloat16": "gfx908 is not in the table, and the canary did not find it faster",
                "float16": "needs its loss scaled to train",
            },
        ),
        (
            EPYC,
            {
                "float32": "was slower in the canary",
                "float16": "CPUs have no float16 training path",
            },
        ),
        (
            EPYC_SLOW,
            {
                "bfloat16": "this CPU has avx512_bf16, but the canary found bfloat16 slower",
                "float16": "CPUs have no float16 training path",
            },
        ),
    ],
    ids=["ampere", "volta", "mps", "pascal", "cdna2", "amd-untried", "cpu-fast", "cpu"],
)
def test_the_others_have_their_reasons(machine, rejected):
    assert {no.value: no.because for no in precision(**machine).rejected} == rejected


@pytest.mark.parametrize("canary", ["wrong", "unsupported"])
def test_a_canary_that_dies_outweighs_the_table(canary):
    decision = precision(**(A100 | {"bfloat16": canary}))
    assert decision.value == "float32"
    assert {no.value: no.because for no in decision.rejected}["bfloat16"] == (
        f"the canary found bfloat16 {canary} here"
    )


@pytest.mark.parametrize(
    ("machine", "value", "because"),
    [
        (A100, "float32", "NVIDIA A100 (sm_80) computes it too"),
        (
            A100,
            "float16",
            "NVIDIA A100 (sm_80) computes float16 in hardware; the loss is scaled",
        ),
        (V100, "float32", "Tesla V100 (sm_70) computes it without tensor cores"),
        (
            P40,
            "float16",
            "Tesla P40 (sm_61) stores it in half the memory; the loss is scaled",
        ),
        (MI250, "float32", "MI250X (gfx90a) computes it too"),
        (MI250, "float16", "MI250X (gfx90a) computes float16; the loss is scaled"),
        (EPYC, "float32", "it works on every CPU"),
        (M2, "bfloat16", "it halves the activations; Metal emulates it on M1 and M2"),
        (LAPTOP, "bfloat16", "it halves the activations"),
        (
            MI100_UNTRIED,
            "bfloat16",
            "it halves the activations; nothing shows that gfx908 computes it faster",
        ),
    ],
    ids=[
        "ampere-float32",
        "ampere-float16",
        "volta-float32",
        "pascal-float16",
        "cdna2-float32",
        "cdna2-float16",
        "cpu-float32",
        "mps",
        "cpu",
        "amd",
    ],
)
def test_what_is_only_unwise_can_be_asked_for(machine, value, because):
    decision = precision(**machine, allowed=Allowed(one_of=(value,)))
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("machine", "dtype", "because"),
    [
        (EPYC, "float16", "float16: CPUs have no float16 training path"),
        (M2, "float16", "float16: trains wrongly on MPS (fused Adam ignored the loss scale)"),
        (V100, "bfloat16", "bfloat16: needs sm_80, Tesla V100 is sm_70"),
        (RX6600, "bfloat16", "bfloat16: gfx1032 has no bfloat16 that trains"),
    ],
    ids=["float16-on-cpu", "float16-on-mps", "bfloat16-on-volta", "bfloat16-on-rdna2"],
)
def test_what_cannot_train_cannot_be_asked_for(machine, dtype, because):
    with pytest.raises(Undecidable) as stop:
        precision(**machine, allowed=Allowed(one_of=(dtype,)))
    assert because in stop.value.because
    assert stop.value.hint == "float32 works on every device"
