"""CUDA, ROCm and MPS are reached in the right words; where there is none, a pretended torch listens."""

from __future__ import annotations

import pytest
import torch
from torch.utils import deterministic

from kavaspec_runtime import device as module
from kavaspec_runtime import memory
from kavaspec_runtime.device import computing, device_of, scaler_for, synchronize, title
from kavaspec_runtime.objectives.objective import Models

GIB = 2**30


@pytest.mark.parametrize(
    ("name", "index", "expected"),
    [
        ("cuda", 0, "cuda:0"),
        ("cuda", 3, "cuda:3"),
        ("rocm", 1, "cuda:1"),
        ("mps", 0, "mps"),
        ("cpu", 0, "cpu"),
    ],
)
def test_what_torch_calls_each_device(name, index, expected):
    assert str(device_of(name, index)) == expected


@pytest.mark.parametrize(
    ("precision", "scaled"),
    [(torch.float32, False), (torch.bfloat16, False), (torch.float16, True)],
)
def test_only_float16_gets_a_gradient_scaler(precision, scaled):
    scaler = scaler_for(precision, torch.device("cpu"))
    assert (scaler is not None) == scaled
    if scaler is not None:
        assert scaler.get_scale() == 65536.0


@pytest.mark.parametrize("backend", ["cuda", "mps", "cpu"])
def test_the_scaler_is_made_for_the_device(monkeypatch, backend):
    made = []
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, **rest: made.append(device))
    scaler_for(torch.float16, torch.device(backend))
    assert made == [backend]


@pytest.mark.parametrize("backend", ["cuda", "mps", "cpu"])
@pytest.mark.parametrize(
    ("precision", "dtype", "enabled"),
    [
        (torch.float32, None, False),
        (torch.bfloat16, torch.bfloat16, True),
        (torch.float16, torch.float16, True),
    ],
)
def test_autocast_is_told_device_and_precision(monkeypatch, backend, precision, dtype, enabled):
    told = []
    monkeypatch.setattr(torch, "autocast", lambda *args, **rest: told.append((*args, rest)))
    models = Models(
        student=None,
        teacher=None,
        projector=torch.nn.Module(),
        device=torch.device(backend),
        precision=precision,
        teacher_depth=0,
        mask_padding=False,
    )
    models.computing()
    assert told == [(backend, {"dtype": dtype, "enabled": enabled})]


class FakeCuda:
    """Records what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __getattr__(self, name: str):
        def call(*args):
            self.calls.append((name, *map(str, args)))
            return {
                "max_memory_allocated": 5 * GIB,
                "driver_allocated_memory": 7 * GIB,
                "get_device_name": "NVIDIA H200",
            }.get(name)

        return call


@pytest.fixture
def fake(monkeypatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(module.torch, "cuda", fake)
    monkeypatch.setattr(module.torch, "mps", fake)
    return fake


def test_cuda_memory_is_what_the_allocator_gave_out(fake):
    cuda = torch.device("cuda", 1)
    memory.forget_peak(cuda)
    assert memory.peak_bytes(cuda) == 5 * GIB
    assert fake.calls == [
        ("empty_cache",),
        ("reset_peak_memory_stats", "cuda:1"),
        ("max_memory_allocated", "cuda:1"),
    ]


def test_mps_memory_is_what_the_driver_gave_out(fake):
    mps = torch.device("mps")
    memory.forget_peak(mps)
    assert memory.peak_bytes(mps) == 7 * GIB
    assert fake.calls == [("empty_cache",), ("driver_allocated_memory",)]


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("cuda:1", [("synchronize", "cuda:1")]), ("mps", [("synchronize",)]), ("cpu", [])],
)
def test_clocks_wait_for_the_device(fake, backend, expected):
    synchronize(torch.device(backend))
    assert fake.calls == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cuda", "NVIDIA H200 (cuda)"),
        ("rocm", "NVIDIA H200 (rocm)"),
        ("mps", "Apple GPU (mps)"),
        ("cpu", "cpu (4 threads)"),
    ],
)
def test_devices_have_titles_for_people(fake, name, expected):
    assert title(name, device_of(name, 0), 4) == expected


@pytest.mark.parametrize("exact", [True, False])
def test_bitwise_on_cuda_leaves_out_the_kernel_that_is_not_deterministic(fake, monkeypatch, exact):
    cudnn = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", cudnn.append)
    with computing(
        threads=1,
        reproducibility="bitwise" if exact else "data_exact",
        device=torch.device("cuda", 2),
    ):
        assert torch.are_deterministic_algorithms_enabled() == exact
    assert cudnn == [not exact]
    assert fake.calls == [("set_device", "cuda:2")]


def test_torch_is_left_as_it_was_found():
    before = torch.get_num_threads(), deterministic.fill_uninitialized_memory
    with computing(threads=2, reproducibility="bitwise", device=torch.device("cpu")):
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
        assert not deterministic.fill_uninitialized_memory
    assert (torch.get_num_threads(), deterministic.fill_uninitialized_memory) == before
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronous"),
        RuntimeError("HIP out of memory. Tried to allocate 1.50 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB, max allowed: 9.07 GB)."),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
    ids=["class", "driver", "hip", "mps", "cublas", "cpu", "python"],
)
def test_every_backends_words_for_no_memory_are_understood(error):
    assert memory.is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_other_errors_are_not(error):
    assert not memory.is_out_of_memory(error)


def test_the_cpu_peak_is_in_bytes_and_never_below_what_is_resident_now():
    import psutil

    peak = memory.resident_peak_bytes()
    assert psutil.Process().memory_info().rss * 0.9 <= peak < 2**40


@pytest.mark.parametrize(
    ("maxrss", "rss", "expected"),
    [(1000, 900 * 1024, 1000 * 1024), (1_000_000, 900_000, 1_000_000)],
    ids=["Linux counts KiB", "macOS counts bytes"],
)
def test_the_unit_of_the_kernels_peak_is_told_from_what_is_resident(
    monkeypatch, maxrss, rss, expected
):
    import resource
    from types import SimpleNamespace

    import psutil

    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=maxrss))
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=rss))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert memory.resident_peak_bytes() == expected


def test_windows_has_its_own_word_for_the_peak(monkeypatch):
    from types import SimpleNamespace

    import psutil

    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=1, peak_wset=12345))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert memory.resident_peak_bytes() == 12345
