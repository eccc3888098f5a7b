"""fact.cpu.* and fact.memory.*: what this process may use, not what the host has."""

from __future__ import annotations

import pytest

from kavaspec.facts.model import NotFound
from kavaspec.facts.probes import cpu, memory

EPYC = """\
processor\t: 0
model name\t: AMD EPYC 9124 16-Core Processor
flags\t\t: fpu sse2 avx2 avx512f avx512_bf16
"""
GRACE = """\
processor\t: 0
Features\t: fp asimd bf16 sve svebf16
CPU implementer\t: 0x41
CPU part\t: 0xd4f
"""


@pytest.fixture
def sixteen_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)


def test_linux_names_an_x86_processor_and_its_16_bit_instructions(pretend):
    pretend.file("proc/cpuinfo", EPYC)
    facts = cpu.observe(pretend.machine()).facts
    assert facts["fact.cpu.model"].value == "AMD EPYC 9124 16-Core Processor"
    assert facts["fact.cpu.features"].value == ("avx2", "avx512_bf16", "avx512f")
    assert facts["fact.cpu.features"].probe == "cpu@1"


def test_arm_kernels_give_numbers_instead_of_a_name(pretend):
    pretend.file("proc/cpuinfo", GRACE)
    facts = cpu.observe(pretend.machine(cpu="aarch64")).facts
    assert facts["fact.cpu.model"].value == "aarch64 0x41 0xd4f"
    assert facts["fact.cpu.features"].value == ("bf16", "sve_bf16")


def test_without_cpuinfo_name_and_features_are_not_found_and_say_why(pretend):
    assert cpu.observe(pretend.machine()).not_found == (
        NotFound(
            fact="fact.cpu.model",
            probe="cpu@1",
            because="/proc/cpuinfo does not name the processor",
        ),
        NotFound(
            fact="fact.cpu.features",
            probe="cpu@1",
            because="/proc/cpuinfo has no line of flags",
        ),
    )


def test_a_mac_is_asked_through_sysctl(pretend):
    pretend.command(
        "sysctl",
        "known = {'machdep.cpu.brand_string': 'Apple M2 Max', 'hw.optional.arm.FEAT_BF16': '1'}\n"
        "sys.exit(1) if args[1] not in known else print(known[args[1]])",
    )
    facts = cpu.observe(pretend.machine(system="darwin", cpu="arm64")).facts
    assert facts["fact.cpu.model"].value == "Apple M2 Max"
    assert facts["fact.cpu.features"].value == ("bf16",)


V1, V2 = "3:cpu,cpuacct:/job\n", "0::/slurm/job\n"
CORES = {
    "no-cgroup": ({}, 16, "affinity of this process"),
    "v2-no-quota": ({"proc/self/cgroup": V2, "sys/fs/cgroup/slurm/job/cpu.max": "max 100000"}, 16,
                    "affinity of this process"),
    "v2-quota": ({"proc/self/cgroup": V2, "sys/fs/cgroup/slurm/job/cpu.max": "400000 100000"}, 4,
                 "affinity of this process, but /sys/fs/cgroup/slurm/job allows 4"),
    "v2-quota-above": ({"proc/self/cgroup": V2, "sys/fs/cgroup/slurm/cpu.max": "250000 100000"}, 2,
                       "affinity of this process, but /sys/fs/cgroup/slurm allows 2.5"),
    "v2-half-a-core": ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "50000 100000"}, 1,
                       "affinity of this process, but /sys/fs/cgroup allows 0.5"),
    "v1-quota": ({"proc/self/cgroup": V1,
                  "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "800000",
                  "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000"}, 8,
                 "affinity of this process, but /sys/fs/cgroup/cpu,cpuacct/job allows 8"),
    "v1-none": ({"proc/self/cgroup": V1,
                 "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "-1",
                 "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000"}, 16,
                "affinity of this process"),
    "wider-than-affinity": ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "9900000 100000"},
                            16, "affinity of this process"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "value", "evidence"), CORES.values(), ids=CORES)
def test_cores(pretend, sixteen_cores, files, value, evidence):
    for path, text in files.items():
        pretend.file(path, text)
    seen = cpu.cores(pretend.machine())
    assert (seen.value, seen.evidence) == (value, evidence)


GIB = 2**30
HAS = "the machine has 65536 MiB (/proc/meminfo)"
MEMORY = {
    "no-cgroup": ({}, 64 * GIB, HAS),
    "v2": ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/memory.max": str(8 * GIB)}, 8 * GIB,
           f"/sys/fs/cgroup/a/b/memory.max; {HAS}"),
    "v2-tightest-is-above": ({"proc/self/cgroup": "0::/a/b",
                              "sys/fs/cgroup/a/b/memory.max": "max",
                              "sys/fs/cgroup/a/memory.max": str(4 * GIB)}, 4 * GIB,
                             f"/sys/fs/cgroup/a/memory.max; {HAS}"),
    "v1": ({"proc/self/cgroup": "4:memory:/pod",
            "sys/fs/cgroup/memory/pod/memory.limit_in_bytes": str(2 * GIB)}, 2 * GIB,
           f"/sys/fs/cgroup/memory/pod/memory.limit_in_bytes; {HAS}"),
    "v1-no-limit": ({"proc/self/cgroup": "4:memory:/",
                     "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"},
                    64 * GIB, HAS),
}  # fmt: skip


@pytest.mark.parametrize(("files", "value", "evidence"), MEMORY.values(), ids=MEMORY)
def test_memory(pretend, files, value, evidence):
    pretend.file("proc/meminfo", "MemTotal:       67108864 kB\nMemFree: 1 kB\n")
    for path, text in files.items():
        pretend.file(path, text)
    fact = memory.observe(pretend.machine()).facts["fact.memory.total_bytes"]
    assert (fact.value, fact.evidence) == (value, evidence)


def test_memory_elsewhere_is_what_psutil_says(pretend):
    seen = memory.total(pretend.machine(system="darwin"))
    assert seen.value > GIB
    assert seen.evidence == f"the machine has {seen.value // 2**20} MiB"
