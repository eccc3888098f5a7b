import pytest

from kavaspec.checks.device_exists import device_exists

A100 = {
    "gpu": "NVIDIA A100",
    "arch": "sm_80",
    "accelerator": "cuda",
    "torch": "2.13.0",
    "backend": "cuda",
    "arch_list": ("sm_80",),
}
NO_GPU = dict.fromkeys(A100) | {"torch": "2.13.0", "backend": "cpu"}


@pytest.mark.parametrize(
    ("device", "machine"),
    [("cuda", A100), ("cpu", A100), ("cpu", NO_GPU)],
    ids=["usable", "cpu-beside-a-gpu", "cpu"],
)
def test_what_is_there_passes(device, machine):
    assert device_exists(device, **machine) is None


@pytest.mark.parametrize(
    ("device", "machine", "message"),
    [
        ("cuda", NO_GPU, "cuda cannot be used: no GPU was found"),
        ("rocm", A100, "rocm cannot be used: NVIDIA A100 is a cuda device for torch"),
        (
            "cuda",
            A100 | {"accelerator": None, "backend": "cpu"},
            "cuda cannot be used: NVIDIA A100 is here, but torch 2.13.0 is built for the CPU only",
        ),
    ],
    ids=["no-gpu", "another-kind", "cpu-wheel"],
)
def test_what_is_not_is_refused(device, machine, message):
    problem = device_exists(device, **machine)
    assert (problem.message, problem.hint) == (message, 'train.device = "auto"')
    assert problem.key == "train.device"
