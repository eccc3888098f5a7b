import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.device import device

A100 = {
    "gpu": "NVIDIA A100-SXM4-80GB",
    "arch": "sm_80",
    "accelerator": "cuda",
    "torch": "2.13.0",
    "backend": "cuda",
    "arch_list": ("sm_80", "sm_90"),
    "login_node": None,
}
M2 = A100 | {"gpu": "Apple M2 Max", "arch": None, "accelerator": "mps", "backend": "mps"}
MI250 = A100 | {"gpu": "AMD MI250X", "arch": "gfx90a", "accelerator": "rocm", "backend": "rocm"}
NO_GPU = {
    "gpu": None,
    "arch": None,
    "accelerator": None,
    "torch": "2.13.0",
    "backend": "cpu",
    "arch_list": (),
    "login_node": None,
}
ONLY_CPU = Allowed(one_of=("cpu",))


@pytest.mark.parametrize(
    ("machine", "allowed", "value", "because"),
    [
        (A100, ANYTHING, "cuda", "torch 2.13.0 ran a kernel on NVIDIA A100-SXM4-80GB"),
        (M2, ANYTHING, "mps", "torch 2.13.0 ran a kernel on Apple M2 Max"),
        (MI250, ANYTHING, "rocm", "torch 2.13.0 ran a kernel on AMD MI250X"),
        (NO_GPU, ANYTHING, "cpu", "no GPU was found"),
        (A100, ONLY_CPU, "cpu", "the spec leaves NVIDIA A100-SXM4-80GB alone"),
        (
            A100 | {"accelerator": None, "backend": "cpu"},
            ONLY_CPU,
            "cpu",
            "the spec leaves NVIDIA A100-SXM4-80GB alone",
        ),
    ],
    ids=["cuda", "mps", "rocm", "no-gpu", "spec-wants-cpu", "spec-wants-cpu-and-torch-cannot"],
)
def test_device(machine, allowed, value, because):
    decision = device(**machine, allowed=allowed)
    assert (decision.value, decision.because) == (value, because)


def test_the_cpu_is_turned_down_for_the_gpu():
    [no] = device(**A100).rejected
    assert (no.value, no.because) == ("cpu", "NVIDIA A100-SXM4-80GB is here and torch can use it")


@pytest.mark.parametrize(
    ("change", "because", "wheel"),
    [
        (
            {"torch": None, "backend": None, "arch_list": None},
            "NVIDIA A100-SXM4-80GB is here, but no torch is installed that could use it",
            "install torch: pip install 'kavaspec[runtime]'",
        ),
        (
            {"backend": "cpu"},
            "NVIDIA A100-SXM4-80GB is here, but torch 2.13.0 is built for the CPU only",
            "install the torch wheel for this GPU (https://pytorch.org/get-started/locally)",
        ),
        (
            {"arch": "sm_70"},
            "NVIDIA A100-SXM4-80GB is here, but torch 2.13.0 has no kernels for sm_70",
            "install the torch wheel for this GPU (https://pytorch.org/get-started/locally)",
        ),
        (
            {},
            "NVIDIA A100-SXM4-80GB is here, but torch 2.13.0 could not run a kernel on it",
            "install the torch wheel for this GPU (https://pytorch.org/get-started/locally)",
        ),
    ],
    ids=["no-torch", "cpu-wheel", "card-too-old-for-the-wheel", "kernel-died"],
)
def test_a_gpu_that_torch_cannot_use_never_becomes_the_cpu_in_silence(change, because, wheel):
    with pytest.raises(Undecidable) as stop:
        device(**(A100 | {"accelerator": None} | change))
    assert stop.value.because == because
    assert stop.value.hint == f'{wheel}, or write train.device = "cpu"'


def test_an_accelerator_that_is_asked_for_must_be_here():
    with pytest.raises(Undecidable) as stop:
        device(**NO_GPU, allowed=Allowed(one_of=("cuda", "rocm")))
    assert stop.value.because == (
        "no value is left (cuda, rocm, mps: no GPU was found; "
        'cpu: the spec allows only ["cuda", "rocm"])'
    )


def test_a_login_node_without_a_gpu_says_nothing_about_jobs():
    with pytest.raises(Undecidable) as stop:
        device(**(NO_GPU | {"login_node": "slurm"}))
    assert stop.value.because == (
        "this is a login node of slurm, and what a job gets cannot be seen from here"
    )
    assert stop.value.hint == (
        "lock in a job, or keep its facts (kavaspec facts --save NAME, in a job), "
        'or write train.device = "cpu"'
    )
    assert stop.value.missing
    assert device(**(NO_GPU | {"login_node": "slurm"}), allowed=ONLY_CPU).value == "cpu"
    assert device(**(A100 | {"login_node": "slurm"})).value == "cuda"
