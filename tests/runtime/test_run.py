"""A run from lock to receipt, stopped, resumed, refused."""

from __future__ import annotations

import errno
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from kavaspec.errors import KavaError
from kavaspec_runtime import narrow
from tests.runtime.results import of, same, weights

pytestmark = pytest.mark.slow


# ---- to the end


def test_a_run_ends_with_a_student_a_projector_and_a_receipt(world):
    end, events = world.run()
    folder = world.root / "run"
    assert (end.status, end.reason, end.step) == ("finished", "all 6 steps are done", 6)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "digest.jsonl",
        "kava.lock",
        "projector.safetensors",
        "receipt.json",
        "run.json",
        "student",
    ]
    assert [event.ev for event in events] == [
        "run",
        "log",
        "step",
        "step",
        "checkpoint",
        "step",
        "step",
        "checkpoint",
        "step",
        "step",
        "checkpoint",
        "eval",
        "end",
    ]
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-4", "step-6"]


def test_the_exported_student_loads_and_is_what_was_trained(world):
    world.run()
    folder = world.root / "run" / "student"
    student = AutoModelForCausalLM.from_pretrained(folder)
    trained = load_file(world.root / "run" / "checkpoints" / "step-6" / "student.safetensors")
    named = dict(student.named_parameters())
    assert named.keys() == trained.keys()
    assert all(torch.equal(named[name], trained[name]) for name in named)
    assert AutoTokenizer.from_pretrained(folder)("so")["input_ids"]


def test_the_student_has_a_card_with_its_ids_results_and_the_command(world):
    end, _ = world.run()
    text = (world.root / "run" / "student" / "README.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[:7] == [
        "---",
        "library_name: transformers",
        "tags:",
        "- distillation",
        "- kavaspec",
        "---",
        "# tiny",
    ]
    for line in (
        "| experiment | kx1:aaaa |",
        "| teacher | ./teacher |",
        "| optimizer steps | 6 |",
        "## Held-out rows (test)",
        f"| ce | {end.result['ce']:.4f} |",
        "    kavaspec run kava.lock --target here",
    ):
        assert line in lines, line


def test_the_receipt_says_what_happened(world):
    end, _ = world.run()
    receipt = json.loads((world.root / "run" / "receipt.json").read_text())
    assert (receipt["kx"], receipt["kn"], receipt["target"]) == ("kx1:aaaa", "kn1:bbbb", "here")
    assert (receipt["steps"], receipt["attempts"]) == (6, 1)
    assert receipt["result"] == dict(end.result)
    assert receipt["deviations"] == []
    assert receipt["facts"] == {"fact.memory.total_bytes": 2**34}
    assert receipt["memory"]["measured_peak_bytes"] > 2**20
    assert receipt["memory"]["process_peak_bytes"] >= receipt["memory"]["measured_peak_bytes"]
    assert set(receipt["versions"]) >= {"kavaspec", "python", "torch", "transformers"}
    assert "student/model.safetensors" in receipt["exported"]


def test_the_end_names_every_number_that_makes_a_cosine_readable(world):
    end, _ = world.run()
    assert set(end.result) == {
        "ce",
        "cosine",
        "cosine_centred",
        "cosine_constant",
        "cosine_shuffled",
        "relative_variance",
        "exact_match",
    }


def test_every_metric_of_a_step_is_declared(world):
    _, events = world.run()
    declared = {metric.name for metric in of(events, "run")[0].metrics}
    assert set(of(events, "step")[0].metrics) == declared


def test_training_learns(world):
    _, events = world.run(train__steps=30, train__warmup_steps=0, checkpoint__every=30)
    steps = of(events, "step")
    assert steps[-1].metrics["loss"] < 0.8 * steps[0].metrics["loss"]
    assert steps[-1].metrics["cosine"] > steps[0].metrics["cosine"] + 0.2


def test_cross_entropy_alone_needs_no_teacher(world):
    gone = [key for key in world.values if key.startswith(("objective.kv", "model.teacher"))]
    for key in gone:
        del world.values[key]
    end, events = world.run(objective__kind="ce", here={"teacher": None})
    assert end.status == "finished"
    assert set(end.result) == {"ce", "exact_match"}
    assert not (world.root / "run" / "projector.safetensors").exists()
    assert set(of(events, "step")[0].metrics) >= {"loss", "ce"}


def test_held_out_numbers_are_taken_on_the_way_when_asked(world):
    _, events = world.run(eval__every=2)
    assert [event.step for event in of(events, "eval")] == [2, 4, 6]


def test_log_every_thins_the_steps_but_never_the_digest(world):
    _, events = world.run(logging__every=4)
    assert [event.step for event in of(events, "step")] == [4, 6]
    assert len((world.root / "run" / "digest.jsonl").read_text().splitlines()) == 6


def test_a_smoke_run_is_judged_on_few_rows_and_says_so(world):
    end, events = world.run(here={"stop_after": 2, "judge_at_most": 2}, eval__rows=8)
    said = "a smoke run is judged on 2 held-out rows and 2 questions only"
    assert said in [event.message for event in of(events, "log")]
    full, _ = world.run("full", here={"stop_after": 2}, eval__rows=2, eval__exact_match_rows=2)
    assert end.result == full.result


def test_a_smoke_run_goes_the_whole_road_in_a_few_steps(world):
    end, events = world.run(here={"stop_after": 2})
    assert (end.status, end.step) == ("finished", 2)
    assert (world.root / "run" / "receipt.json").exists()
    _, full = world.run("full")
    rates = [event.metrics["learning_rate"] for event in of(events, "step")]
    assert rates == [event.metrics["learning_rate"] for event in of(full, "step")[:2]]


def test_a_run_that_died_in_its_last_evaluation_only_repeats_that(world, monkeypatch):
    world.run("whole")
    with monkeypatch.context() as patch:
        patch.setattr("kavaspec_runtime.run.exact_match", lambda models, exam, stop: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.run("parts")
    end, events = world.run("parts", here={"resume": True})
    assert (end.status, of(events, "step")) == ("finished", [])
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))


@pytest.mark.parametrize("place", ["digests.append", "export", "write_receipt"])
def test_a_full_disk_anywhere_is_one_message_and_loses_nothing(world, monkeypatch, place):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"kavaspec_runtime.run.{place}", full)
        with pytest.raises(KavaError) as caught:
            world.run("parts")
    [problem] = caught.value.problems
    step, safe = (
        (1, "no checkpoint was written yet") if "digests" in place else (6, "step 6 is safe")
    )
    assert (problem.exit, problem.key) == (8, "paths.output")
    assert problem.message == (
        f"step {step}: {world.root / 'parts'} cannot be written: the disk is full; {safe}"
    )
    end, _ = world.run("parts", here={"resume": True})
    assert end.status == "finished"


def test_events_that_cannot_be_written_end_the_run_with_that_message(world):
    from kavaspec_runtime.run import run

    def emit(event):
        if event.ev != "run":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(KavaError, match="the disk is full; no checkpoint was written yet"):
        run(world.lock(), world.at(), emit, lambda: None)


# ---- the same twice


def test_two_runs_of_one_lock_are_the_same_to_the_bit(world):
    world.run("a")
    world.run("b")
    assert same(weights(world.root / "a"), weights(world.root / "b"))
    assert (world.root / "a" / "digest.jsonl").read_text() == (
        world.root / "b" / "digest.jsonl"
    ).read_text()


@pytest.mark.parametrize("stop_at", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"train__lora__rank": 2, "train__lora__dropout": 0.2},
        {
            "objective__kv__projector__kind": "mlp",
            "objective__kv__projector__dropout": 0.3,
            "train__optimizer_state_dtype": "bfloat16",
        },
        {
            "train__precision": "bfloat16",
            "train__param_dtype": "bfloat16",
            "train__optimizer_state_dtype": "int8",
        },
    ],
    ids=[
        "plain",
        "lora with dropout",
        "mlp with dropout, rounded moments",
        "weights of 16 bits, moments of 8",
    ],
)
def test_a_stopped_and_resumed_run_is_the_run_that_was_never_stopped(
    world, changed, stop_at, monkeypatch
):
    monkeypatch.setattr(narrow, "SMALLEST_IN_8_BITS", 64)
    world.run("whole", **changed)
    end, _ = world.run("parts", stop_at=stop_at, **changed)
    assert (end.status, end.reason, end.step) == ("interrupted", "asked to stop", stop_at)
    end, events = world.run("parts", here={"resume": True}, **changed)
    assert end.status == "finished"
    assert [(event.step, event.proof) for event in of(events, "resume")] == [(stop_at, "bitwise")]
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))
    assert (world.root / "whole" / "digest.jsonl").read_text() == (
        world.root / "parts" / "digest.jsonl"
    ).read_text()
    optimizer = "checkpoints/step-6/optimizer.safetensors"
    assert same(
        load_file(world.root / "whole" / optimizer), load_file(world.root / "parts" / optimizer)
    )


def killed_after(world, step: int, **changed) -> None:
    """A run whose process is gone after `step`, whatever it was about to do."""
    from kavaspec_runtime.run import run

    class Killed(BaseException):
        pass

    def emit(event) -> None:
        if event.ev == "step" and event.step == step:
            raise Killed

    with pytest.raises(Killed):
        run(world.lock(**changed), world.at("parts"), emit, lambda: None)


def test_a_killed_run_loses_only_what_came_after_its_checkpoint(world):
    world.run("whole")
    killed_after(world, 3)
    _, events = world.run("parts", here={"resume": True})
    assert [event.step for event in of(events, "step")] == [3, 4, 5, 6]
    assert of(events, "run")[0].attempt == 2
    assert of(events, "run")[0].first_step == 2
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))
    assert (world.root / "whole" / "digest.jsonl").read_text() == (
        world.root / "parts" / "digest.jsonl"
    ).read_text()


def test_a_run_killed_before_its_first_checkpoint_starts_again(world):
    world.run("whole")
    killed_after(world, 1)
    _, events = world.run("parts", here={"resume": True})
    assert of(events, "run")[0].first_step == 0
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))


def test_a_damaged_checkpoint_is_skipped_by_name_and_the_one_before_it_is_used(world):
    world.run("whole")
    killed_after(world, 5)
    file = world.root / "parts" / "checkpoints" / "step-4" / "student.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    size = file.stat().st_size
    _, events = world.run("parts", here={"resume": True})
    assert [event.message for event in of(events, "log") if event.level == "warning"] == [
        f"checkpoint step-4 is skipped: student.safetensors has {size} bytes, the manifest says {size + 1}"
    ]
    assert of(events, "resume")[0].step == 2
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))


def test_a_resume_that_does_not_reproduce_the_saved_loss_is_refused(world):
    world.run("parts", stop_at=2)
    with pytest.raises(KavaError) as caught:
        world.run("parts", here={"resume": True}, objective__kv__weight=0.5)
    [problem] = caught.value.problems
    assert problem.exit == 8
    assert problem.message.startswith("the loss after step 2 is not the one that was saved: ")
    assert problem.hint == (
        "teacher, software, threads or device changed; resume where the run was started"
    )


def test_a_resume_that_would_read_other_rows_is_refused(world):
    world.run("parts", stop_at=2)
    with pytest.raises(KavaError) as caught:
        world.run("parts", here={"resume": True}, train__seed=8)
    assert str(caught.value).startswith(
        "the next batch after step 2 is not the one that was saved: "
    )


# ---- the batch may be cut in any way


@pytest.mark.parametrize(("micro_batch", "accumulation"), [(8, 1), (4, 2), (2, 4), (1, 8)])
@pytest.mark.parametrize("normalise", ["none", "layer_std"])
def test_the_first_step_is_the_same_however_the_batch_is_cut(
    world, micro_batch, accumulation, normalise
):
    whole = {"train__micro_batch": 8, "train__accumulation": 1}
    changed = {
        "objective__kv__loss": "mse",
        "objective__kv__normalise": normalise,
        "train__steps": 1,
    }
    _, expected = world.run("whole", **whole, **changed)
    _, events = world.run(
        "cut", train__micro_batch=micro_batch, train__accumulation=accumulation, **changed
    )
    for name in ("loss", "ce", "kv", "cosine", "grad_norm"):
        assert of(events, "step")[0].metrics[name] == pytest.approx(
            of(expected, "step")[0].metrics[name], rel=1e-6
        )


def test_a_batch_that_does_not_multiply_out_is_refused(world):
    with pytest.raises(KavaError) as caught:
        world.run(train__accumulation=3)
    assert caught.value.exit_code == 7
    assert str(caught.value) == (
        "train.micro_batch 4 x train.accumulation 3 x train.world 1 is 12, train.global_batch is 8"
    )


# ---- what is held against the lock before the first step


def test_other_data_than_was_locked_is_refused(world, data_digest):
    other = "sha256:" + "0" * 64
    with pytest.raises(KavaError) as caught:
        world.run(data__digest=other)
    assert caught.value.exit_code == 4
    assert str(caught.value) == f"the data is {data_digest}, the lock says {other}"


def test_a_teacher_of_another_width_is_refused_with_both_widths(world):
    with pytest.raises(KavaError) as caught:
        world.run(objective__kv__teacher_dim=[32, 32], objective__kv__projector__out_dim=[32, 32])
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "the teacher's KV width is [16, 16] as loaded, [32, 32] in the lock"
    )


def test_a_student_with_fewer_layers_than_locked_is_refused(world):
    with pytest.raises(KavaError) as caught:
        world.run(objective__kv__layers=[0, 7])
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "the student leaves keys and values of 2 layers, the lock compares layer 7"
    )


def test_a_refusal_after_the_start_is_also_an_event(world):
    from kavaspec_runtime.run import run

    events = []
    with pytest.raises(KavaError):
        run(world.lock(data__digest="sha256:"), world.at(), events.append, lambda: None)
    assert [event.ev for event in events] == ["run", "log", "end"]
    assert events[-1].status == "failed"


def test_more_than_one_process_is_refused(world):
    with pytest.raises(KavaError) as caught:
        world.run(train__world=2)
    assert str(caught.value) == "train.world is 2, this version trains with one process"


# ---- numbers that are not finite


def poison(world, monkeypatch, step: int) -> None:
    """The loss of one step becomes NaN."""
    from kavaspec_runtime import step as module

    take = module.forward_backward

    def poisoned(trainer, at, micro, batch):
        terms = take(trainer, at, micro, batch)
        nan = terms.loss * float("nan") if (at, micro) == (step, 1) else terms.loss
        return module.Terms(loss=nan, metrics=terms.metrics)

    monkeypatch.setattr(module, "forward_backward", poisoned)


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_rows(world, monkeypatch):
    poison(world, monkeypatch, step=2)
    end, events = world.run()
    assert end.status == "failed"
    assert end.reason.startswith(
        "step 3: the loss is nan; nothing was updated and step 2 is safe. "
        "Rows of train, counted from 0: "
    )
    assert len(end.reason.rpartition(": ")[2].split(", ")) == 4
    assert [event.step for event in of(events, "step")] == [1, 2]
    assert not (world.root / "run" / "receipt.json").exists()


def test_a_gradient_that_is_not_a_number_stops_the_run_before_the_update(world, monkeypatch):
    from kavaspec_runtime import step as module

    whole = module.forward_backward

    def poisoned(trainer, at, micro, batch):
        terms = whole(trainer, at, micro, batch)
        if at == 2:
            trainer.weights[0].grad.view(-1)[0] = float("inf")
        return terms

    monkeypatch.setattr(module, "forward_backward", poisoned)
    end, _ = world.run()
    assert end.status == "failed"
    assert end.reason.startswith(
        "step 3: the gradient is inf; nothing was updated and step 2 is safe. "
        "Rows of train, counted from 0: "
    )
    assert len(end.reason.rpartition(": ")[2].split(", ")) == 8


def test_with_float16_an_overflow_leaves_the_step_out_and_training_goes_on(world, monkeypatch):
    from kavaspec_runtime import step as module

    whole, scales = module.forward_backward, []

    def poisoned(trainer, at, micro, batch):
        terms = whole(trainer, at, micro, batch)
        scales.append(trainer.scaler.get_scale())
        if at == 1:
            trainer.weights[0].grad.view(-1)[0] = float("inf")
        return terms

    monkeypatch.setattr(module, "forward_backward", poisoned)
    end, events = world.run(train__precision="float16")
    assert end.status == "finished"
    assert of(events, "step")[1].metrics["grad_norm"] == float("inf")
    assert scales[2 * 2] == scales[0] / 2


def test_the_last_good_state_can_be_gone_on_from(world, monkeypatch):
    with monkeypatch.context() as patch:
        poison(world, patch, step=2)
        world.run("parts")
    end, _ = world.run("parts", here={"resume": True})
    world.run("whole")
    assert end.status == "finished"
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))


def test_a_run_says_what_it_loads_before_it_loads_it(world):
    _, events = world.run()
    assert [event.ev for event in events[:2]] == ["run", "log"]
    assert events[1].message == "loading teacher ./teacher and student ./student"


# ---- numerics


@pytest.mark.parametrize(
    "changed",
    [
        {"train__precision": "bfloat16"},
        {"train__precision": "float16"},
        {"train__precision": "bfloat16", "train__param_dtype": "bfloat16"},
        {"train__gradient_checkpointing": True},
        {"train__attention": "eager"},
        {"train__teacher_placement": "cpu"},
        {"train__clip": None},
        {"objective__kv__projector__share_kv": True},
        {"objective__kv__mask": "none"},
        {"objective__ce_weight": 0.0},
    ],
    ids=lambda changed: ", ".join(f"{key}={value}" for key, value in changed.items()),
)
def test_every_setting_trains(world, changed):
    end, events = world.run(train__steps=12, train__warmup_steps=0, **changed)
    steps = of(events, "step")
    assert end.status == "finished"
    assert steps[-1].metrics["loss"] < steps[0].metrics["loss"]


def test_gradient_checkpointing_changes_no_bit(world):
    world.run("plain")
    world.run("checkpointed", train__gradient_checkpointing=True)
    assert same(weights(world.root / "plain"), weights(world.root / "checkpointed"))


def test_a_stop_in_the_last_evaluation_is_resumed_to_the_same_end(world):
    """All steps are safe by then: what is left is judged and exported, nothing is trained again."""
    world.run("whole")
    end, _ = world.run("parts", stop_at=6)  # asked after five of the six steps, then before judging
    assert end.status == "interrupted"
    end, events = world.run("parts", here={"resume": True})
    assert (end.status, of(events, "step")) == ("finished", [])
    assert same(weights(world.root / "whole"), weights(world.root / "parts"))
