"""fact.env.*, fact.disk.*, fact.scheduler.* and fact.os.*: what the surroundings say."""

from __future__ import annotations

from kavaspec.facts.probes import disk, environment, os_python, scheduler


def test_a_variable_is_set_or_not_and_its_content_is_kept_nowhere(pretend):
    seen = environment.observe(pretend.machine(env={"SCRATCH": "/secret/place", "WORK": ""}))
    assert seen.facts["fact.env.SCRATCH"].value == "set"
    assert seen.facts["fact.env.WORK"].value == "set"
    assert seen.facts["fact.env.PSCRATCH"].value is None
    assert "secret" not in str(seen)


def test_a_place_has_to_exist_and_be_a_folder(pretend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()
    (tmp_path / "a file").write_text("")
    (pretend.root / "scratch" / "ada").mkdir(parents=True)
    env = {
        "SCRATCH": str(tmp_path / "fast"),
        "WORK": str(tmp_path / "a file"),
        "PSCRATCH": str(tmp_path / "nowhere"),
        "USER": "ada",
    }
    seen = disk.observe(pretend.machine(env=env)).facts
    assert seen["fact.disk.places"].value == ("$SCRATCH", "/scratch/$USER")
    assert set(seen["fact.disk.free_gib"].value) == {"$SCRATCH", "/scratch/$USER", "."}
    assert all(isinstance(gib, int) for gib in seen["fact.disk.free_gib"].value.values())


def test_a_place_that_cannot_be_written_does_not_count(pretend, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "os.access", lambda path, mode: False
    )  # what the system says to others than root
    seen = disk.observe(pretend.machine(env={"SCRATCH": str(tmp_path)})).facts
    assert seen["fact.disk.places"].value == ()


def test_without_any_place_there_is_still_the_working_folder(pretend):
    seen = disk.observe(pretend.machine()).facts
    assert seen["fact.disk.places"].value == ()
    assert seen["fact.disk.places"].evidence == "none of the usual ones exists and can be written"
    assert set(seen["fact.disk.free_gib"].value) == {"."}


def test_outside_of_jobs_there_is_no_scheduler(pretend):
    facts = scheduler.observe(pretend.machine()).facts
    assert {fact.value for fact in facts.values()} == {None}
    assert (
        facts["fact.scheduler.kind"].evidence == "not in a job of slurm, pbs, sge, lsf, kubernetes"
    )


def test_in_a_job_facts_come_from_the_scheduler_and_neither_id_nor_host_is_among_them(pretend):
    env = {
        "SLURM_JOB_ID": "424242",
        "SLURM_JOB_NODELIST": "node[17-18]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_PARTITION": "gpu",
    }
    seen = scheduler.observe(pretend.machine(env=env))
    kind = seen.facts["fact.scheduler.kind"]
    assert (kind.value, kind.how, kind.evidence) == ("slurm", "scheduler", "SLURM_JOB_ID is set")
    assert seen.facts["fact.scheduler.nodes"].value == 2
    assert seen.facts["fact.scheduler.partition"].value == "gpu"
    assert "424242" not in str(seen)
    assert "node[17-18]" not in str(seen)


def test_a_system_that_nobody_knows_is_not_found(pretend):
    seen = os_python.observe(pretend.machine(system="plan9"))
    assert seen.not_found[0].because == "plan9 is not known"
    assert seen.facts["fact.python.version"].value.count(".") == 1
