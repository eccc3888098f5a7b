"""One run, held against its own lock and receipt: what fits, what does not, what cannot be known."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from kavaspec.errors import KavaError
from kavaspec.run_record import read_run
from kavaspec.verify import Finding, Verified, problems, verify
from tests.verify import altered


def told(run: Path) -> Verified:
    return verify(read_run(run))


def wrong(run: Path) -> dict[str, str]:
    """What is wrong, and how it is said."""
    return {it.what: it.says for it in told(run).wrong}


def said(run: Path, what: str) -> list[tuple[str, str]]:
    return [(it.sure, it.says) for it in told(run).findings if it.what == what]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return altered.copy("steady", tmp_path)


@pytest.mark.parametrize("name", ["steady", "resumed", "flipped"])
def test_a_run_that_nobody_touched_is_what_its_lock_says(name: str):
    found = told(altered.RECORDED / name)
    assert (found.wrong, found.state, found.steps, found.total) == ((), "finished", 12, 12)
    assert [it.what for it in found.findings if it.sure == "unproved"] == ["memory", "training"]


def test_nothing_is_passed_over(run: Path):
    assert [it.what for it in told(run).findings] == [
        "kava.lock",
        "ids",
        "digest.jsonl",
        "events.jsonl",
        "checkpoints",
        "receipt.json",
        "exported",
        "versions",
        "memory",
        "training",
    ]


# ---- any byte

FILES = (
    "kava.lock",
    "digest.jsonl",
    "receipt.json",
    "projector.safetensors",
    "student/model.safetensors",
    "student/config.json",
    "student/tokenizer.json",
    "checkpoints/step-12/optimizer.safetensors",
    "checkpoints/step-12/state.json",
)


@pytest.mark.parametrize("name", FILES)
def test_any_byte_that_changes_is_noticed_in_its_file(name: str, run: Path):
    whole = (run / name).read_bytes()
    choose = random.Random(name)
    places = {0, len(whole) - 1, *(choose.randrange(len(whole)) for _ in range(20))}
    for place in sorted(places):
        changed = bytearray(whole)
        changed[place] ^= 1 << choose.randrange(8)
        (run / name).write_bytes(changed)
        assert any(name.startswith(it) for it in named(run)), f"byte {place} of {name}"
    (run / name).write_bytes(whole)
    assert named(run) == []


def named(run: Path) -> list[str]:
    """Every file that is said to be wrong."""
    try:
        return list(wrong(run))
    except KavaError as error:
        assert {problem.exit for problem in error.problems} == {6}
        assert all(
            "kava.lock" in (problem.message + str(problem.where or ""))
            for problem in error.problems
        )
        return ["kava.lock"]


def test_a_changed_byte_of_a_digest_names_its_line_alone(run: Path):
    lines = (run / "digest.jsonl").read_bytes().split(b"\n")
    lines[4] = lines[4].replace(b"p+3", b"p+2", 1)
    (run / "digest.jsonl").write_bytes(b"\n".join(lines))
    assert wrong(run)["digest.jsonl"] == "line 5: its seal does not fit"
    assert wrong(run)["events.jsonl"].startswith("step 5: loss is 8.")


def test_the_problem_says_where_what_and_what_to_do(run: Path):
    (run / "student" / "config.json").unlink()
    [problem] = problems(told(run))
    assert (problem.code, problem.exit) == ("KV0821", 12)
    assert problem.message == (
        f"{run}: student/config.json: it is missing, and the receipt names it"
    )
    assert problem.hint == (
        f"this is not what was written when it ran: take {run} from a copy, "
        "or run its lock again with `kavaspec run LOCK --run NAME`"
    )


# ---- digests


def test_steps_that_are_missing_doubled_or_astray_are_named(run: Path):
    lines = (run / "digest.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for changed, says in (
        (
            lines[:4] + lines[5:],
            "line 5: its seal does not fit; line 5: step 6 stands where step 5",
        ),
        (
            lines[:4] + lines[3:],
            "line 5: its seal does not fit; line 5: step 4 stands where step 5",
        ),
        (lines[:-1], "it is not the file that the receipt names: its SHA-256 differs"),
        ([*lines[:-1], lines[-1][:30]], "its last line has no end"),
    ):
        (run / "digest.jsonl").write_text("".join(changed), encoding="utf-8")
        assert wrong(run)["digest.jsonl"].startswith(says)


def test_sealed_anew_it_still_has_to_agree_with_the_events(run: Path):
    altered.digests(run, lambda step, it: it.update(loss="0x1.0p+1") if step == 3 else None)
    assert list(wrong(run)) == ["events.jsonl"]
    assert wrong(run)["events.jsonl"].endswith("digest.jsonl has 2.0")


def test_a_digest_of_an_older_version_is_read_and_said_to_be_one(run: Path):
    lines = [json.loads(it) for it in (run / "digest.jsonl").read_text().splitlines()]
    old = [{name: it[name] for name in ("step", "loss", "grad_norm")} for it in lines]
    text = "".join(json.dumps(it, separators=(",", ":")) + "\n" for it in old)
    (run / "digest.jsonl").write_text(text, encoding="utf-8")
    content = json.loads((run / "receipt.json").read_text()) | {"receipt_version": 1}
    del content["seal"], content["files"]
    (run / "receipt.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    assert wrong(run) == {}
    assert said(run, "digest.jsonl") == [
        (
            "unproved",
            "steps 1 to 12, each once and in order, but an older version wrote it without seals",
        )
    ]
    assert said(run, "receipt.json") == [("unproved", "an older version wrote it without a seal")]


# ---- events


def test_a_line_of_the_events_that_is_gone_is_missed(run: Path):
    lines = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    (run / "events.jsonl").write_bytes(b"".join(lines[:5] + lines[6:]))
    assert wrong(run)["events.jsonl"].startswith("line 6: it has number 6, expected 5; ")


def test_a_line_that_a_kill_tore_and_the_next_attempt_ended_is_no_fault(tmp_path: Path):
    run = altered.copy("resumed", tmp_path)
    lines = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    second = next(n for n, it in enumerate(lines) if b'"attempt":2' in it)
    lines[second - 1] = lines[second - 1][:40] + b"\n"
    (run / "events.jsonl").write_bytes(b"".join(lines))
    assert wrong(run) == {}
    lines[3] = lines[3][:40] + b"\n"
    (run / "events.jsonl").write_bytes(b"".join(lines))
    assert wrong(run)["events.jsonl"].startswith("line 4: it is not JSON")


def test_results_in_the_receipt_are_those_that_the_run_told(run: Path):
    altered.receipt(run, lambda it: it["result"].update(ce=0.5))
    assert wrong(run)["receipt.json"].startswith("its result ce is 0.5, events.jsonl says 6.14")
    altered.receipt(run, lambda it: it.update(attempts=3))
    assert wrong(run)["receipt.json"].startswith(
        "its attempts is 3, run.json says 1; its attempts is 3, events.jsonl says 1; "
    )


def test_events_of_a_later_version_are_said_to_be_not_understood(run: Path):
    altered.events(run, lambda it: it.update(ev="weather") if it["ev"] == "heartbeat" else None)
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    lines.append(f'{{"v":2,"seq":{len(lines)},"t":1.0,"ev":"weather"}}')
    (run / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert said(run, "events.jsonl") == [
        ("unproved", "a later version wrote of weather: not understood"),
        ("ok", "loss and gradient norm of every step are those of digest.jsonl"),
    ]


# ---- resumes and deviations


def test_a_resume_is_told_with_its_proof(tmp_path: Path):
    run = altered.copy("resumed", tmp_path)
    assert said(run, "resume") == [
        ("ok", "attempt 2 went on from checkpoints/step-7, proof: bitwise")
    ]


def test_a_weaker_proof_than_the_lock_promises_is_wrong(tmp_path: Path):
    run = altered.copy("resumed", tmp_path)
    altered.events(run, lambda it: it.update(proof="data_exact") if "proof" in it else None)
    assert wrong(run) == {"resume": "attempt 2 went on from checkpoints/step-7, proof: data_exact"}


def test_going_on_without_a_proof_is_wrong(tmp_path: Path):
    run = altered.copy("resumed", tmp_path)
    altered.events(
        run,
        lambda it: it.update(ev="log", level="info", message="") if it["ev"] == "resume" else None,
    )
    assert wrong(run) == {"resume": "attempt 2 went on from step 7 without a proof"}


def test_numerics_that_changed_on_the_way_are_a_deviation(tmp_path: Path):
    run = altered.copy("resumed", tmp_path)
    altered.events(
        run, lambda it: it.update(kn="kn1:" + "0" * 64) if it.get("attempt") == 1 else None
    )
    assert said(run, "deviation") == [
        ("unproved", "from step 8 on: numerics kn1:00000000 became kn1:6c5d2816")
    ]


def test_a_deviation_is_told_from_its_step_on(run: Path):
    split = {
        "ev": "deviation",
        "step": 4,
        "key": "train.micro_batch",
        "was": 4,
        "now": 2,
        "because": "memory ran out",
    }
    altered.events(run, lambda it: it.update(split) if it["ev"] == "log" else None)
    assert said(run, "deviation")[:1] == [
        ("unproved", "from step 4 on: train.micro_batch 4 -> 2: memory ran out")
    ]


# ---- checkpoints


def test_a_checkpoint_of_another_experiment_is_wrong(run: Path):
    at = run / "checkpoints" / "step-12"
    state = json.loads((at / "state.json").read_text()) | {"kx": "kx1:1234567890"}
    (at / "state.json").write_text(json.dumps(state), encoding="utf-8")
    manifest = json.loads((at / "manifest.json").read_text())
    from kavaspec.run_record import file_digest

    manifest["files"]["state.json"]["sha256"] = file_digest(at / "state.json")
    (at / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert wrong(run) == {"checkpoints/step-12": "its state is of step 12 of kx1:12345678"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "manifest.json is missing or damaged"),
        ('{"files": []}', "manifest.json is missing or damaged"),
        ('{"files": {"a\\u0000b": 3}}', "a\0b is missing"),
        ('{"files": {"gone": {"sha256": "0"}}}', "gone is missing"),
    ],
)
def test_a_manifest_of_any_shape_is_told_not_raised(content: str, says: str, run: Path):
    (run / "checkpoints" / "step-12" / "manifest.json").write_text(content, encoding="utf-8")
    assert wrong(run) == {"checkpoints/step-12": says}


# ---- runs that are not finished


def test_an_unfinished_run_is_verified_as_far_as_it_went(run: Path):
    altered.unfinished(run, 7, torn=True)
    found = told(run)
    assert (found.wrong, found.state, found.steps, found.total) == ((), "open", 7, 12)
    assert found.standing == "no end was written (killed, or it goes on), 7 of 12 steps"
    assert said(run, "digest.jsonl") == [
        (
            "ok",
            "steps 1 to 7, each once and in order; every seal fits; a last line was torn by a kill",
        )
    ]
    assert said(run, "receipt.json") == [
        (
            "unproved",
            "none is there: the run is not finished, and was verified as far as it went",
        )
    ]
    assert said(run, "checkpoints") == [("unproved", "none is there")]


def test_a_run_that_said_nothing_yet_proves_nothing(run: Path):
    altered.unfinished(run, 0)
    (run / "events.jsonl").write_bytes(b"")
    assert told(run).wrong == ()
    assert [it for it in told(run).findings if it.what == "events.jsonl"] == [
        Finding(what="events.jsonl", sure="unproved", says="it tells of no attempt")
    ]


# ---- locks


def test_a_lock_that_was_replaced_by_another_is_noticed_twice(run: Path):
    text = (run / "kava.lock").read_text(encoding="utf-8")
    (run / "kava.lock").write_text(text + "# a word\n", encoding="utf-8")
    assert wrong(run) == {
        "kava.lock": "it is not the file that the receipt names: its SHA-256 differs"
    }


def test_a_lock_that_does_not_follow_from_its_own_facts_is_wrong(run: Path):
    altered.locked(run, {"train.micro_batch": 8})
    assert wrong(run) == {
        "kava.lock": "the lock does not follow from its own facts: "
        "1 of its 107 decisions is not what the rules give"
    }


def test_ids_that_are_not_those_of_the_lock_are_wrong(run: Path):
    known = json.loads((run / "run.json").read_text()) | {"kn": "kn1:1"}
    (run / "run.json").write_text(json.dumps(known), encoding="utf-8")
    assert wrong(run)["ids"].endswith("; otherwise: run.json")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    altered.copy("steady", tmp_path)
    with pytest.raises(KavaError) as caught:
        read_run(tmp_path)
    [problem] = caught.value.problems
    assert (problem.code, problem.exit) == ("KV0010", 8)
    assert problem.message == f"{tmp_path} is not a run folder: it has no run.json"
    assert problem.hint == f"there are: {tmp_path / 'steady'}"
    shutil.rmtree(tmp_path / "steady")
    with pytest.raises(KavaError, match="is not a run folder: it has no run.json"):
        read_run(tmp_path / "steady")


# ---- whatever the files hold


@pytest.mark.parametrize("name", ["digest.jsonl", "events.jsonl", "receipt.json", "run.json"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "{}\n",
        "[]\n",
        "null\n",
        '{"step":1}\n',
        '{"step":1,"loss":"0x1.0p+99999","grad_norm":"0x1.0p+0"}\n',
        '{"target":[],"kx":{},"kn":3,"attempts":"x","result":3,"exported":[],"versions":{"python":3}}\n',
        '{"receipt_version":1,"result":{"ce":"x"},"exported":{"\\u0000":1},"memory":{"measured_peak_bytes":1}}\n',
        "[" * 100_000,
        "\xff\x00\n\n",
    ],
    ids=range(11),
)
def test_whatever_a_file_holds_is_told_and_never_a_traceback(name: str, content: str, run: Path):
    (run / name).write_bytes(content.encode("latin-1"))
    try:
        assert told(run).wrong != ()
    except KavaError as error:
        assert name == "run.json"
        assert (
            error.problems[0].message == f"{run} is not a run folder: its run.json cannot be read"
        )
