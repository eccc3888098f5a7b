"""fact.torch.*: what the installed torch can really use, driven with pretend torches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kavaspec_runtime.probe_device import accelerator, backend, describe, has_kernels


class Matrix:
    """Ones, or what a broken card makes of them."""

    def __init__(self, rows, columns, fill):
        self.shape, self.fill = (rows, columns), fill

    def __matmul__(self, other):
        if isinstance(self.fill, Exception):
            raise self.fill
        return Matrix(self.shape[0], other.shape[1], self.fill * self.shape[1])

    def cpu(self):
        return self

    def __eq__(self, value):
        return SimpleNamespace(all=lambda: self.fill == value)

    __hash__ = None


def torch(*, cuda=None, hip=None, mps=None, archs=(), capability=(8, 0), gcn="", kernel=1.0,
          wide_kernel=1.0, version="2.13.0"):  # fmt: skip
    """A pretend torch. `cuda`, `hip`, `mps` are None (not built for it), False (no card) or True."""
    has_card = cuda or hip

    def ones(rows, columns, *, device):
        return Matrix(rows, columns, wide_kernel if rows == 9 else kernel)

    return SimpleNamespace(
        __version__=version,
        version=SimpleNamespace(
            cuda=None if cuda is None else "13.0", hip=None if hip is None else "7.1"
        ),
        backends=SimpleNamespace(
            mps=SimpleNamespace(is_built=lambda: mps is not None, is_available=lambda: bool(mps))
        ),
        cuda=SimpleNamespace(
            is_available=lambda: bool(has_card),
            get_arch_list=lambda: list(archs) if has_card else [],
            get_device_capability=lambda _: capability,
            get_device_properties=lambda _: SimpleNamespace(gcnArchName=gcn),
            get_device_name=lambda _: "a pretend card",
        ),
        ones=ones,
    )


AMPERE = ("sm_80", "sm_90", "compute_90")
GONE = RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")
WORLDS = {
    "cpu-build": (
        torch(version="2.13.0+cpu"),
        "cpu",
        (None, "torch 2.13.0+cpu is built for the CPU only"),
    ),
    "a100": (
        torch(cuda=True, archs=AMPERE),
        "cuda",
        ("cuda", "a matrix product ran on a pretend card"),
    ),
    "no-driver": (
        torch(cuda=False),
        "cuda",
        (None, "torch is built for CUDA 13.0, but finds no card it can use"),
    ),
    "v100-with-a-build-that-dropped-it": (
        torch(cuda=True, archs=AMPERE, capability=(7, 0)),
        "cuda",
        (None, "this torch has no kernels for sm_70, only for compute_90, sm_80, sm_90"),
    ),
    "kernel-dies": (
        torch(cuda=True, archs=AMPERE, kernel=GONE),
        "cuda",
        (
            None,
            (
                "a matrix product on cuda failed: CUDA error: no kernel image is available for "
                "execution on the device"
            ),
        ),
    ),
    "kernel-lies": (
        torch(cuda=True, archs=AMPERE, kernel=0.0),
        "cuda",
        (None, "a 64 x 64 x 64 matrix product on cuda is wrong"),
    ),
    "mi250x": (
        torch(hip=True, archs=("gfx90a", "gfx942"), gcn="gfx90a:sramecc+:xnack-"),
        "rocm",
        ("rocm", "a matrix product ran on a pretend card"),
    ),
    "rdna-without-kernels": (
        torch(hip=True, archs=("gfx90a",), gcn="gfx1032"),
        "rocm",
        (None, "this torch has no kernels for gfx1032, only for gfx90a"),
    ),
    "rocm-no-card": (
        torch(hip=False),
        "rocm",
        (None, "torch is built for ROCm 7.1, but finds no card it can use"),
    ),
    "m2": (torch(mps=True), "mps", ("mps", "a matrix product ran on the Apple GPU")),
    "old-macos": (
        torch(mps=False),
        "mps",
        (
            None,
            (
                "torch is built for MPS, but this macOS or processor has none "
                "(macOS 14, Apple silicon)"
            ),
        ),
    ),
    "mps-wide-product-is-wrong": (
        torch(mps=True, wide_kernel=0.5),
        "mps",
        (None, "a 9 x 32 x 50304 matrix product on mps is wrong"),
    ),
}


@pytest.mark.parametrize(("pretend", "built_for", "usable"), WORLDS.values(), ids=WORLDS)
def test_an_accelerator_counts_only_when_a_kernel_ran(pretend, built_for, usable):
    assert backend(pretend) == built_for
    assert accelerator(pretend) == usable


KERNELS = [
    ((8, 0), ["sm_80"], True),
    ((8, 6), ["sm_80"], True),
    ((8, 0), ["sm_86"], False),
    ((9, 0), ["sm_80"], False),
    ((9, 0), ["compute_80"], True),
    ((7, 0), ["sm_75", "compute_75"], False),
    ((9, 0), ["sm_90a"], True),
    ((10, 0), ["sm_90a"], False),
    ((12, 0), ["sm_120"], True),
    ((12, 1), ["sm_120"], True),
    ((10, 3), ["sm_103a"], True),
    ((8, 0), [], False),
    ((8, 0), ["gfx90a"], False),
]


@pytest.mark.parametrize(("capability", "archs", "runs"), KERNELS)
def test_which_kernels_run_on_which_card(capability, archs, runs):
    assert has_kernels(capability, archs) is runs


def test_versions_lose_their_build_tag_and_keep_it_as_evidence():
    facts = describe(torch(version="2.13.0+cu130", cuda=True, archs=AMPERE), "5.23.0")["facts"]
    assert facts["fact.torch.version"] == {"value": "2.13.0", "evidence": "torch 2.13.0+cu130"}
    assert facts["fact.torch.backend"] == {"value": "cuda", "evidence": "CUDA 13.0"}
    assert facts["fact.torch.arch_list"]["value"] == ["compute_90", "sm_80", "sm_90"]
    assert facts["fact.transformers.version"]["value"] == "5.23.0"


def test_the_real_torch_is_described():
    import torch as real

    facts = describe(real, "5.23.0")["facts"]
    assert facts["fact.torch.version"]["value"] == real.__version__.partition("+")[0]
    assert facts["fact.torch.backend"]["value"] in ("cuda", "rocm", "mps", "cpu")
