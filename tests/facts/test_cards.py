"""fact.gpu.*: NVIDIA by its library or command, AMD by the kernel, Apple by sysctl; all without torch."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from kavaspec.facts.model import NotFound
from kavaspec.facts.observe import merge
from kavaspec.facts.probes import amd, apple, nvidia
from kavaspec.facts.probes.card import NAMES

MIB = 2**20


def values(observation):
    return {name.removeprefix("fact.gpu."): fact.value for name, fact in observation.facts.items()}


class Nvml(ModuleType):
    """A pretend pynvml: its errors, and a list of cards."""

    class NVMLError(Exception):
        pass

    class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801  # pynvml's names
        pass

    class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801  # pynvml's names
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801  # pynvml's names
        pass

    class NVMLError_LibRmVersionMismatch(NVMLError):  # noqa: N801  # pynvml's names
        pass

    def __init__(self, cards=(), error=None):
        super().__init__("pynvml")
        self.cards, self.error = cards, error

    def nvmlInit(self):
        if self.error is not None:
            raise self.error

    def nvmlShutdown(self):
        pass

    def nvmlSystemGetDriverVersion(self):
        return "570.133.20"

    def nvmlDeviceGetCount(self):
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.cards[index]

    def nvmlDeviceGetName(self, card):
        return card.name

    def nvmlDeviceGetUUID(self, card):
        return card.uuid

    def nvmlDeviceGetCudaComputeCapability(self, card):
        return card.capability

    def nvmlDeviceGetMemoryInfo(self, card):
        if card.mib is None:
            raise self.NVMLError_NotSupported("Not Supported")
        return SimpleNamespace(total=card.mib * MIB)

    def nvmlDeviceGetMigMode(self, card):
        if card.slices is None:
            raise self.NVMLError_NotSupported("Not Supported")
        return (1 if card.slices else 0), 0

    def nvmlDeviceGetMaxMigDeviceCount(self, card):
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card, index):
        if index >= len(card.slices):
            raise self.NVMLError("Not Found")
        return card.slices[index]


def card(name, mib, capability=(8, 0), uuid="GPU-aaaa", slices=None):
    return SimpleNamespace(name=name, mib=mib, capability=capability, uuid=uuid, slices=slices)


A100 = card("NVIDIA A100-SXM4-80GB", 81920, uuid="GPU-aaaa")
A100_40 = card("NVIDIA A100-SXM4-40GB", 40960, uuid="GPU-bbbb")
GONE = Nvml.NVMLError_LibraryNotFound("NVML Shared Library Not Found")


@pytest.fixture
def nvml(monkeypatch):
    def install(*cards, error=None):
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(cards, error))

    return install


def test_a_card_that_nvml_knows(pretend, nvml):
    nvml(A100)
    seen = nvidia.observe(pretend.machine())
    assert values(seen) == {
        "vendor": "nvidia",
        "name": "NVIDIA A100-SXM4-80GB",
        "count": 1,
        "memory_bytes": 81920 * MIB,
        "capability": (8, 0),
        "arch": "sm_80",
        "driver": "570.133.20",
        "mig": False,
        "unified": False,
    }
    memory = seen.facts["fact.gpu.memory_bytes"]
    assert (memory.how, memory.probe) == ("measured", "nvidia@1")
    assert memory.evidence == "81920 MiB total (NVML)"


def test_of_several_cards_the_smallest_memory_counts(pretend, nvml):
    nvml(A100, A100_40)
    seen = nvidia.observe(pretend.machine())
    assert (values(seen)["count"], values(seen)["memory_bytes"]) == (2, 40960 * MIB)
    assert seen.facts["fact.gpu.memory_bytes"].evidence == "81920 MiB, 40960 MiB total (NVML)"


@pytest.mark.parametrize(
    ("visible", "count", "name"),
    [
        ("1", 1, A100_40.name),
        ("1,0", 2, A100_40.name),
        ("GPU-bbbb", 1, A100_40.name),
        ("GPU-b", 1, A100_40.name),
        ("0,-1,1", 1, A100.name),
    ],
)
def test_cuda_visible_devices_chooses_and_orders(pretend, nvml, visible, count, name):
    nvml(A100, A100_40)
    seen = values(nvidia.observe(pretend.machine(env={"CUDA_VISIBLE_DEVICES": visible})))
    assert (seen["count"], seen["name"]) == (count, name)


@pytest.mark.parametrize("hidden", ["", "-1", "7", "NoDevFiles"])
def test_cuda_visible_devices_can_hide_every_card(pretend, nvml, hidden):
    nvml(A100)
    seen = nvidia.observe(pretend.machine(env={"CUDA_VISIBLE_DEVICES": hidden}))
    assert values(seen) == {**dict.fromkeys(values(seen), None), "count": 0}
    evidence = "CUDA_VISIBLE_DEVICES hides the NVIDIA cards (1 found)"
    assert seen.facts["fact.gpu.vendor"].evidence == evidence


def test_of_a_card_in_slices_one_slice_can_be_used(pretend, nvml):
    slices = [card("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20096, uuid=f"MIG-{i}") for i in range(2)]
    nvml(card("NVIDIA A100-SXM4-40GB", 40960, slices=slices))
    seen = values(nvidia.observe(pretend.machine()))
    assert (seen["mig"], seen["count"], seen["memory_bytes"]) == (True, 1, 20096 * MIB)
    chosen = values(nvidia.observe(pretend.machine(env={"CUDA_VISIBLE_DEVICES": "MIG-1"})))
    assert chosen["name"] == "NVIDIA A100-SXM4-40GB MIG 3g.20gb"


def test_a_card_without_memory_of_its_own_has_the_machines(pretend, nvml):
    nvml(card("NVIDIA GB10", None, capability=(12, 1)))
    pretend.file("proc/meminfo", "MemTotal:  125829120 kB\n")
    seen = values(nvidia.observe(pretend.machine()))
    assert (seen["unified"], seen["memory_bytes"]) == (True, 125829120 * 1024)


SMI = "print('NVIDIA GeForce RTX 4070 Laptop GPU, 8188, 576.52, GPU-c, 8.9, [N/A]')"


def test_without_the_library_nvidia_smi_is_asked(pretend, nvml):
    nvml(error=GONE)
    pretend.command("nvidia-smi", SMI)
    seen = nvidia.observe(pretend.machine())
    assert values(seen) == {
        "vendor": "nvidia",
        "name": "NVIDIA GeForce RTX 4070 Laptop GPU",
        "count": 1,
        "memory_bytes": 8188 * MIB,
        "capability": (8, 9),
        "arch": "sm_89",
        "driver": "576.52",
        "mig": False,
        "unified": False,
    }
    assert seen.facts["fact.gpu.memory_bytes"].evidence == "8188 MiB total (nvidia-smi)"


def test_an_old_nvidia_smi_does_not_know_the_capability(pretend, nvml):
    nvml(error=GONE)
    pretend.command(
        "nvidia-smi",
        "if 'compute_cap' in args[0]:\n"
        "    sys.exit('Field \"compute_cap\" is not a valid field to query.')\n"
        "print('Tesla V100-SXM2-16GB, 16160, 450.80.02, GPU-d')",
    )
    seen = values(nvidia.observe(pretend.machine()))
    assert (seen["name"], seen["capability"], seen["arch"]) == ("Tesla V100-SXM2-16GB", None, None)


def test_no_driver_at_all_means_no_card(pretend, nvml):
    nvml(error=GONE)
    seen = nvidia.observe(pretend.machine())
    assert seen.facts["fact.gpu.count"].value == 0
    assert seen.facts["fact.gpu.vendor"].evidence == (
        "no NVIDIA card: NVML Shared Library Not Found, and nvidia-smi is not on the PATH"
    )


BROKEN = {
    "mismatch": (
        Nvml.NVMLError_LibRmVersionMismatch("Driver/library version mismatch"),
        None,
        (
            "the NVIDIA driver does not work: NVML says Driver/library version mismatch; "
            "nvidia-smi is not on the PATH"
        ),
    ),
    "smi-fails": (
        GONE,
        "sys.exit('NVIDIA-SMI has failed because it could not communicate with the driver')",
        (
            "the NVIDIA driver does not work: NVML says NVML Shared Library Not Found; nvidia-smi "
            "failed with 1: NVIDIA-SMI has failed because it could not communicate with the driver"
        ),
    ),
    "smi-prints-something-else": (
        GONE,
        "print('hello')",
        (
            "the NVIDIA driver does not work: NVML says NVML Shared Library Not Found; "
            "nvidia-smi printed something else than 6 columns"
        ),
    ),
}


@pytest.mark.parametrize(("error", "smi", "because"), BROKEN.values(), ids=BROKEN)
def test_a_driver_that_does_not_work_is_unknown_not_absent(pretend, nvml, error, smi, because):
    nvml(error=error)
    if smi is not None:
        pretend.command("nvidia-smi", smi)
    seen = nvidia.observe(pretend.machine())
    assert not seen.facts
    assert seen.not_found[0] == NotFound(
        fact="fact.gpu.vendor",
        probe="nvidia@1",
        because=because,
        hint="run nvidia-smi; a driver that was just updated needs a reboot",
    )


NODES = "sys/class/kfd/kfd/topology/nodes"


def kfd(pretend, node, properties, banks=()):
    pretend.file(f"{NODES}/{node}/properties", "".join(f"{k} {v}\n" for k, v in properties.items()))
    for number, (heap, size) in enumerate(banks):
        text = f"heap_type {heap}\nsize_in_bytes {size}\n"
        pretend.file(f"{NODES}/{node}/mem_banks/{number}/properties", text)


def two_mi250x(pretend):
    kfd(pretend, 0, {"cpu_cores_count": 64, "simd_count": 0}, [(0, 512 * 2**30)])
    for node, unique in ((1, 0xABC), (2, 0xDEF)):
        properties = {
            "cpu_cores_count": 0,
            "simd_count": 440,
            "gfx_target_version": 90010,
            "unique_id": unique,
        }
        kfd(pretend, node, properties, [(1, 64 * 2**30)])


def test_amd_cards_come_from_the_kernel(pretend):
    two_mi250x(pretend)
    pretend.file("sys/module/amdgpu/version", "6.8.5\n")
    assert values(amd.observe(pretend.machine())) == {
        "vendor": "amd",
        "name": "AMD gfx90a",
        "count": 2,
        "memory_bytes": 64 * 2**30,
        "capability": None,
        "arch": "gfx90a",
        "driver": "6.8.5",
        "mig": False,
        "unified": False,
    }


def test_rocm_smi_gives_amd_cards_their_name(pretend):
    two_mi250x(pretend)
    told = '{"card0": {"Card Series": "AMD Instinct MI250X"}, "card1": {}}'
    pretend.command("rocm-smi", f"print({told!r})")
    assert values(amd.observe(pretend.machine()))["name"] == "AMD Instinct MI250X"


@pytest.mark.parametrize(
    ("env", "count"),
    [
        ({"HIP_VISIBLE_DEVICES": "1"}, 1),
        ({"ROCR_VISIBLE_DEVICES": "GPU-0000000000000def"}, 1),
        ({"HIP_VISIBLE_DEVICES": "0,1"}, 2),
        ({"HIP_VISIBLE_DEVICES": ""}, 0),
    ],
)
def test_amd_cards_can_be_hidden(pretend, env, count):
    two_mi250x(pretend)
    assert values(amd.observe(pretend.machine(env=env)))["count"] == count


def test_an_amd_apu_shares_the_machines_memory(pretend):
    properties = {"cpu_cores_count": 24, "simd_count": 912, "gfx_target_version": 90402}
    kfd(pretend, 0, properties, [(0, 128 * 2**30)])
    seen = values(amd.observe(pretend.machine()))
    assert (seen["unified"], seen["arch"], seen["memory_bytes"]) == (True, "gfx942", 128 * 2**30)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (100302, "gfx1032"),
        (110000, "gfx1100"),
        (120001, "gfx1201"),
    ],
)
def test_amd_architectures_are_spelled_as_torch_spells_them(version, name):
    assert amd.arch(version) == name


SYSCTL = """\
print({'machdep.cpu.brand_string': 'Apple M2 Max', 'hw.memsize': '34359738368'}[args[1]])"""


def test_apple_silicon_has_one_card_that_shares_memory(pretend, monkeypatch):
    monkeypatch.setattr("platform.mac_ver", lambda: ("15.5", ("", "", ""), "arm64"))
    pretend.command("sysctl", SYSCTL)
    assert values(apple.observe(pretend.machine(system="darwin", cpu="arm64"))) == {
        "vendor": "apple",
        "name": "Apple M2 Max",
        "count": 1,
        "memory_bytes": 32 * 2**30,
        "capability": None,
        "arch": None,
        "driver": "macOS 15.5",
        "mig": False,
        "unified": True,
    }


def test_an_intel_mac_has_no_apple_gpu(pretend):
    seen = apple.observe(pretend.machine(system="darwin", cpu="x86_64"))
    assert seen.facts["fact.gpu.vendor"].evidence == (
        "no Apple GPU: the processor is x86_64, not Apple silicon"
    )


def look_for_all(machine):
    return merge([probe.observe(machine) for probe in (nvidia.PROBE, amd.PROBE, apple.PROBE)])


def test_with_no_card_of_any_kind_every_fact_is_none_and_says_where_it_was_looked_for(
    pretend, nvml
):
    nvml(error=GONE)
    seen = look_for_all(pretend.machine())
    assert values(seen) == {**{name[9:]: None for name in NAMES}, "count": 0}
    fact = seen.facts["fact.gpu.name"]
    assert fact.probe == "gpu@1"
    assert fact.evidence == (
        "no NVIDIA card: NVML Shared Library Not Found, and nvidia-smi is not on the PATH; "
        "no AMD card: /sys/class/kfd/kfd/topology/nodes names none; "
        "no Apple GPU: this is linux"
    )


def test_the_probe_that_saw_a_card_wins(pretend, nvml):
    nvml(error=Nvml.NVMLError_LibRmVersionMismatch("Driver/library version mismatch"))
    two_mi250x(pretend)
    seen = look_for_all(pretend.machine())
    assert values(seen)["vendor"] == "amd"
    assert not seen.not_found


def test_where_one_probe_could_not_look_nobody_knows(pretend, nvml):
    nvml(error=Nvml.NVMLError_LibRmVersionMismatch("Driver/library version mismatch"))
    seen = look_for_all(pretend.machine())
    assert not seen.facts
    assert {absent.fact for absent in seen.not_found} == set(NAMES)
