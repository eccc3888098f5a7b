"""On a login node what is seen of the hardware is only assumed of the node that will run."""

from __future__ import annotations

from pathlib import Path

from kavaspec.facts.observe import observe_machine
from kavaspec.facts.probes import cpu, memory, os_python, scheduler

PROBES = (os_python.PROBE, cpu.PROBE, memory.PROBE, scheduler.PROBE)


def seen(root: Path, **env: str):
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/meminfo").write_text("MemTotal: 1024 kB\n", encoding="utf-8")
    return observe_machine(env=env, report=lambda _: None, root=root, probes=PROBES).facts


def slurm(root: Path) -> Path:
    (root / "etc/slurm").mkdir(parents=True)
    (root / "etc/slurm/slurm.conf").touch()
    return root


def test_its_hardware_is_assumed_and_says_why(tmp_path: Path):
    facts = seen(slurm(tmp_path))
    login = facts["fact.scheduler.login_node"]
    assert (login.value, login.evidence) == ("slurm", "no job, and etc/slurm/slurm.conf is here")
    cores = facts["fact.cpu.cores"]
    assert cores.how == "assumed"
    assert cores.evidence.endswith("; on a login node")
    assert facts["fact.python.version"].how == "measured", "its software is on the nodes too"


def test_in_a_job_it_is_measured(tmp_path: Path):
    facts = seen(slurm(tmp_path), SLURM_JOB_ID="17")
    assert facts["fact.scheduler.login_node"].value is None
    assert facts["fact.cpu.cores"].how == "measured"


def test_without_a_scheduler_it_is_measured(tmp_path: Path):
    facts = seen(tmp_path)
    assert facts["fact.scheduler.login_node"].value is None
    assert facts["fact.cpu.cores"].how == "measured"
