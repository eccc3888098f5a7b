"""Schedulers: how a job is recognised, and what its environment says it was given."""

from __future__ import annotations

import pytest

from kavaspec.schedulers import SCHEDULERS, detect, submits_to
from kavaspec.schedulers.scheduler import Stated, seconds

DETECTED = {
    "nothing": ({}, None, None),
    "slurm": ({"SLURM_JOB_ID": "1"}, "slurm", "SLURM_JOB_ID is set"),
    "pbs": ({"PBS_JOBID": "1.server"}, "pbs", "PBS_JOBID is set"),
    "sge-array": ({"JOB_ID": "7", "SGE_TASK_ID": "3"}, "sge", "JOB_ID and SGE_TASK_ID is set"),
    "sge-single": (
        {"JOB_ID": "7", "SGE_TASK_ID": "undefined"}, "sge", "JOB_ID and SGE_TASK_ID is set",
    ),
    "sge-parallel": ({"JOB_ID": "7", "PE_HOSTFILE": "/x"}, "sge", "JOB_ID and PE_HOSTFILE is set"),
    "a-job-id-of-something-else": ({"JOB_ID": "7"}, None, None),
    "a-task-id-alone": ({"SGE_TASK_ID": "undefined"}, None, None),
    "lsf": ({"LSB_JOBID": "9"}, "lsf", "LSB_JOBID is set"),
    "kubernetes": (
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes", "KUBERNETES_SERVICE_HOST is set",
    ),
    "slurm-in-a-pod": (
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "SLURM_JOB_ID": "1"},
        "slurm",
        "SLURM_JOB_ID is set; inside of kubernetes (KUBERNETES_SERVICE_HOST)",
    ),
    "set-to-nothing": ({"SLURM_JOB_ID": ""}, None, None),
    "slurm-on-the-path-is-no-job": ({"PATH": "/opt/slurm/bin", "SLURM_CONF": "/etc/slurm"}, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("env", "kind", "evidence"), DETECTED.values(), ids=DETECTED)
def test_a_job_is_recognised_by_its_environment(env, kind, evidence):
    found = detect(env)
    assert (found and found[0].kind, found and found[1]) == (kind, evidence)


def job(kind, env):
    scheduler = next(each for each in SCHEDULERS if each.kind == kind)
    described = scheduler.describe(env)
    names = ("nodes", "gpus_per_node", "cpus", "memory_bytes", "walltime_s", "partition")
    return {name: getattr(described, name).value for name in names}


NOTHING = dict.fromkeys(
    ("nodes", "gpus_per_node", "cpus", "memory_bytes", "walltime_s", "partition")
)


@pytest.mark.parametrize("kind", [scheduler.kind for scheduler in SCHEDULERS])
def test_a_job_that_states_nothing_has_no_number(kind):
    assert job(kind, {}) == NOTHING


SLURM = {
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_CPUS_ON_NODE": "32",
    "SLURM_GPUS_ON_NODE": "4",
    "SLURM_MEM_PER_NODE": "245760",
    "SLURM_JOB_START_TIME": "1790000000",
    "SLURM_JOB_END_TIME": "1790086400",
    "SLURM_JOB_PARTITION": "a100",
}


def test_slurm_states_everything():
    assert job("slurm", SLURM) == {
        "nodes": 2,
        "gpus_per_node": 4,
        "cpus": 32,
        "memory_bytes": 240 * 2**30,
        "walltime_s": 86400,
        "partition": "a100",
    }


@pytest.mark.parametrize(
    ("env", "gpus"),
    [
        ({"SLURM_GPUS_PER_NODE": "a100:4"}, 4),
        ({"SLURM_GPUS_PER_NODE": "2"}, 2),
        ({"SLURM_JOB_GPUS": "0,1,3"}, 3),
        ({"SLURM_GPUS_ON_NODE": "1", "SLURM_GPUS_PER_NODE": "4"}, 1),
        ({"SLURM_GPUS_PER_NODE": "a100"}, None),
    ],
)
def test_slurm_says_gpus_in_three_ways(env, gpus):
    assert job("slurm", env)["gpus_per_node"] == gpus


@pytest.mark.parametrize(
    ("env", "memory_bytes"),
    [
        ({"SLURM_MEM_PER_CPU": "4096", "SLURM_CPUS_ON_NODE": "8"}, 32 * 2**30),
        ({"SLURM_MEM_PER_CPU": "4096"}, None),
        ({"SLURM_MEM_PER_NODE": "0"}, None),
    ],
)
def test_slurm_says_memory_for_a_node_or_for_a_core(env, memory_bytes):
    assert job("slurm", env)["memory_bytes"] == memory_bytes


def test_slurm_with_all_memory_of_the_node_says_so():
    described = SCHEDULERS[0].describe({"SLURM_MEM_PER_NODE": "0"})
    assert described.memory_bytes == Stated(
        value=None, evidence="SLURM_MEM_PER_NODE is 0: all that the node has"
    )


def test_slurm_without_a_limit_has_no_walltime():
    env = {"SLURM_JOB_START_TIME": "1790000000", "SLURM_JOB_END_TIME": "0"}
    assert job("slurm", env)["walltime_s"] is None


def test_torque_counts_nodes_and_states_its_limit(tmp_path):
    gpus = tmp_path / "gpus"
    gpus.write_text("n1-gpu0\nn1-gpu1\nn2-gpu0\nn2-gpu1\n")
    env = {
        "PBS_NUM_NODES": "2",
        "PBS_NUM_PPN": "16",
        "PBS_WALLTIME": "7200",
        "PBS_QUEUE": "batch",
        "PBS_GPUFILE": str(gpus),
    }
    assert job("pbs", env) == {
        **NOTHING,
        "nodes": 2,
        "gpus_per_node": 2,
        "cpus": 16,
        "walltime_s": 7200,
        "partition": "batch",
    }


def test_openpbs_names_each_host_once_for_each_process(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("n1\nn1\nn2\nn2\n")
    assert job("pbs", {"PBS_NODEFILE": str(hosts), "NCPUS": "8"}) == {
        **NOTHING,
        "nodes": 2,
        "cpus": 8,
    }


def test_grid_engine_names_slots_for_each_host(tmp_path):
    hosts = tmp_path / "pe_hostfile"
    hosts.write_text("n1 8 all.q@n1 UNDEFINED\nn2 4 all.q@n2 UNDEFINED\n")
    env = {"PE_HOSTFILE": str(hosts), "NHOSTS": "2", "NSLOTS": "12", "QUEUE": "all.q"}
    assert job("sge", env) == {**NOTHING, "nodes": 2, "cpus": 4, "partition": "all.q"}


def test_grid_engine_on_one_host_has_all_slots_there():
    assert job("sge", {"NSLOTS": "4", "NHOSTS": "1"}) == {**NOTHING, "nodes": 1, "cpus": 4}


def test_univa_lists_the_cards_it_grants():
    assert job("sge", {"SGE_HGR_gpu": "GPU0 GPU1"})["gpus_per_node"] == 2


def test_lsf_lists_hosts_with_their_slots():
    env = {"LSB_MCPU_HOSTS": "n1 8 n2 4", "LSB_QUEUE": "normal"}
    assert job("lsf", env) == {**NOTHING, "nodes": 2, "cpus": 4, "partition": "normal"}


def test_lsf_names_a_host_once_for_each_slot():
    assert job("lsf", {"LSB_HOSTS": "n1 n1 n2 n2"}) == {**NOTHING, "nodes": 2, "cpus": 2}


def test_a_pod_of_a_training_job_knows_its_world():
    env = {"PET_NNODES": "4", "PET_NPROC_PER_NODE": "8"}
    assert job("kubernetes", env) == {**NOTHING, "nodes": 4, "gpus_per_node": 8}


@pytest.mark.parametrize(
    ("clock", "limit_s"),
    [
        ("184", 184),
        ("03:04", 184),
        ("02:03:04", 7384),
        ("1-02:03:04", 93784),
        ("UNLIMITED", None),
        ("", None),
        ("1:2:3:4", None),
    ],
)
def test_clocks_become_seconds(clock, limit_s):
    assert seconds(clock) == limit_s


FRONTS = {
    "slurm": ({}, {"etc/slurm/slurm.conf": ""}, "etc/slurm/slurm.conf"),
    "slurm-elsewhere": ({"SLURM_CONF": "/opt/s.conf"}, {"opt/s.conf": ""}, "/opt/s.conf"),
    "pbs": ({}, {"etc/pbs.conf": "PBS_EXEC=/opt/pbs\nPBS_SERVER=head\n"}, "etc/pbs.conf"),
    "sge": (
        {"SGE_ROOT": "/opt/sge"},
        {"opt/sge/default/common/act_qmaster": "head"},
        "/opt/sge/default/common/act_qmaster",
    ),
    "lsf": ({"LSF_ENVDIR": "/etc/lsf"}, {"etc/lsf/lsf.conf": ""}, "/etc/lsf/lsf.conf"),
}


@pytest.mark.parametrize(("env", "files", "sign"), FRONTS.values(), ids=FRONTS)
def test_a_login_node_is_known_by_its_configuration(env, files, sign, request):
    kind = request.node.callspec.id.partition("-")[0]
    found = submits_to(env, files.get)
    assert found is not None
    assert (found[0].kind, found[1]) == (kind, sign)


@pytest.mark.parametrize(
    ("env", "files"),
    [
        ({}, {}),
        ({"PATH": "/opt/slurm/bin", "SGE_ROOT": "/opt/sge"}, {}),
        ({}, {"etc/pbs.conf": "PBS_EXEC=/opt/pbs\n"}),
        ({"SLURM_JOB_ID": "1"}, {"etc/slurm/slurm.conf": ""}),
    ],
    ids=["laptop", "clients-without-a-server", "pbs-without-a-server", "in-a-job"],
)
def test_everything_else_is_no_login_node(env, files):
    assert submits_to(env, files.get) is None
