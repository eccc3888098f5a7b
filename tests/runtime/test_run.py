"""A run from lock to receipt, stopped, resumed, refused."""

from __future__ import annotations

import errno
import gc
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from kavaspec.errors import KavaError
from kavaspec.events import Deviation
from kavaspec_runtime import checkpoint, narrow, rehearsal, run
from kavaspec_runtime.build import build, plan_of
from kavaspec_runtime.checkpoint import newest
from kavaspec_runtime.objectives.kv import KeyValue
from kavaspec_runtime.rehearsal import longest, undone
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import take_step

pytestmark = pytest.mark.slow


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "student" / "model.safetensors") | load_file(
        folder / "projector.safetensors"
    )


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def of(events, kind: str) -> list:
    return [event for event in events if event.ev == kind]


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

    take = module._forward_backward

    def poisoned(trainer, at, micro, batch):
        terms = take(trainer, at, micro, batch)
        nan = terms.loss * float("nan") if (at, micro) == (step, 1) else terms.loss
        return module.Terms(loss=nan, metrics=terms.metrics)

    monkeypatch.setattr(module, "_forward_backward", poisoned)


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

    whole = module._forward_backward

    def poisoned(trainer, at, micro, batch):
        terms = whole(trainer, at, micro, batch)
        if at == 2:
            trainer.weights[0].grad.view(-1)[0] = float("inf")
        return terms

    monkeypatch.setattr(module, "_forward_backward", poisoned)
    end, _ = world.run()
    assert end.status == "failed"
    assert end.reason.startswith(
        "step 3: the gradient is inf; nothing was updated and step 2 is safe. "
        "Rows of train, counted from 0: "
    )
    assert len(end.reason.rpartition(": ")[2].split(", ")) == 8


def test_with_float16_an_overflow_leaves_the_step_out_and_training_goes_on(world, monkeypatch):
    from kavaspec_runtime import step as module

    whole, scales = module._forward_backward, []

    def poisoned(trainer, at, micro, batch):
        terms = whole(trainer, at, micro, batch)
        scales.append(trainer.scaler.get_scale())
        if at == 1:
            trainer.weights[0].grad.view(-1)[0] = float("inf")
        return terms

    monkeypatch.setattr(module, "_forward_backward", poisoned)
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


# ---- rehearsal and memory


def test_a_rehearsal_is_one_step_at_the_longest_shape(world):
    _, events = world.run(here={"rehearse": True})
    [rehearsal] = of(events, "rehearsal")
    assert (rehearsal.micro_batch, rehearsal.length) == (4, 48)
    assert rehearsal.peak_bytes > 2**20


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"train__precision": "float16"},
        {"train__optimizer_state_dtype": "bfloat16"},
        {"train__lora__rank": 2, "train__lora__dropout": 0.5},
        {"train__gradient_checkpointing": True},
        {"objective__kv__projector__dropout": 0.5},
    ],
    ids=["plain", "scaled", "rounded_moments", "lora", "checkpointing", "dropout"],
)
def test_a_rehearsal_changes_no_bit_of_the_run(world, changed):
    world.run("plain", **changed)
    world.run("rehearsed", here={"rehearse": True}, **changed)
    digests = [(world.root / run / "digest.jsonl").read_text() for run in ("plain", "rehearsed")]
    assert digests[0] == digests[1]
    assert same(weights(world.root / "plain"), weights(world.root / "rehearsed"))


def test_a_run_that_goes_on_does_not_rehearse_again_and_its_receipt_knows(world):
    _, first = world.run(here={"rehearse": True}, stop_at=2)
    _, second = world.run(here={"rehearse": True, "resume": True})
    [rehearsal] = of(first, "rehearsal")
    assert of(second, "rehearsal") == []
    receipt = json.loads((world.root / "run" / "receipt.json").read_text())
    assert receipt["memory"]["predicted_peak_bytes"] == rehearsal.peak_bytes


def test_models_are_loaded_once_for_rehearsal_and_training(world, monkeypatch):
    from kavaspec_runtime import load

    loaded = []
    whole = load.pretrained
    monkeypatch.setattr(
        load, "pretrained", lambda *path, **how: loaded.append(how["role"]) or whole(*path, **how)
    )
    world.run(here={"rehearse": True})
    assert loaded == ["student", "teacher"]


def test_a_rehearsal_leaves_every_weight_moment_gradient_and_scale(world):
    settings = Settings.of(world.lock(train__precision="float16"), "here")
    built = build(settings, world.here, tell=lambda text: None)
    trainer = built.trainer
    trainer.weights[0].data.view(-1)[0] = -0.0  # equal to 0.0, but not the same bits
    before = state_bits(trainer)
    held = tensor_bytes()
    with undone(trainer):
        take_step(trainer, 0, longest(plan_of(settings, world.here), built.feed.pad_id))
        assert state_bits(trainer) != before
        assert trainer.optimizer.state
    assert state_bits(trainer) == before
    assert not trainer.optimizer.state
    assert [weight.grad for weight in trainer.weights if weight.grad is not None] == []
    assert tensor_bytes() == held + 8  # the two numbers that a scaler makes when it is first asked


def state_bits(trainer) -> list:
    models = (trainer.models.student, trainer.models.teacher, trainer.models.projector)
    tensors = {f"{n}.{name}": value for n, one in enumerate(models) for name, value in one.state_dict().items()}  # fmt: skip
    bits = {name: value.numpy().tobytes() for name, value in tensors.items()}
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    return [bits, rates, trainer.scaler.state_dict()]


def tensor_bytes() -> int:
    gc.collect()
    alive = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    return sum(tensor.untyped_storage().nbytes() for tensor in alive)


def test_a_run_says_what_it_loads_before_it_loads_it(world):
    _, events = world.run()
    assert [event.ev for event in events[:2]] == ["run", "log"]
    assert events[1].message == "loading teacher ./teacher and student ./student"


GONE = "CUDA out of memory. Tried to allocate 2.00 GiB."


def out_of_memory(monkeypatch, *, at_step: int, phase: str, fits: int) -> None:
    """From step `at_step` on (from 0), memory runs out for micro-batches of more than `fits` rows."""
    now = {"step": 0}

    def noting(trainer, step, batch):
        now["step"] = step
        return take_step(trainer, step, batch)

    def hungry(rows: int) -> bool:
        return now["step"] >= at_step and rows > fits and torch.is_grad_enabled()

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError(GONE)

    def terms(self, models, batch, totals):
        found = real_terms(self, models, batch, totals)
        if phase == "forward" and hungry(len(batch.rows)):
            refuse()
        if phase == "backward" and hungry(len(batch.rows)):
            found.loss.register_hook(refuse)
        return found

    def update(self, *args, **kwargs):
        return refuse() if hungry(fits + 1) else real_update(self, *args, **kwargs)

    real_terms, real_update = KeyValue.terms, torch.optim.AdamW.step
    monkeypatch.setattr(KeyValue, "terms", terms)
    if phase == "optimizer":
        monkeypatch.setattr(torch.optim.AdamW, "step", torch.enable_grad()(update))
    for module in (rehearsal, run):
        monkeypatch.setattr(module, "take_step", noting)
        monkeypatch.setattr(module, "peak_bytes", lambda device: 3 * 2**30)
    monkeypatch.setattr("kavaspec_runtime.memory.peak_bytes", lambda device: 3 * 2**30)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_a_step_without_memory_is_done_again_in_smaller_pieces(world, monkeypatch, phase):
    world.run(folder="whole", train__steps=6)
    out_of_memory(monkeypatch, at_step=2, phase=phase, fits=2)
    end, events = world.run(folder="split", train__steps=6, train__on_oom="split")
    assert end.status == "finished"
    assert of(events, "deviation") == [
        Deviation(
            step=3,
            key="train.micro_batch",
            was=4,
            now=2,
            because='memory ran out, and train.on_oom = "split"',
        )
    ]
    whole, split = (
        [json.loads(line) for line in (world.root / name / "digest.jsonl").read_text().splitlines()]
        for name in ("whole", "split")
    )
    assert [line["step"] for line in split] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(whole, split, strict=True):
        for name in ("loss", "grad_norm"):
            a, b = float.fromhex(one[name]), float.fromhex(other[name])
            assert a == b if one["step"] <= 2 else a == pytest.approx(b, rel=1e-5)


def test_a_resumed_run_goes_on_in_the_smaller_pieces_and_its_receipt_tells(world, monkeypatch):
    changed = {"train__steps": 6, "train__on_oom": "split"}
    out_of_memory(monkeypatch, at_step=2, phase="forward", fits=2)
    world.run("whole", **changed)
    world.run("parts", stop_at=4, **changed)
    end, events = world.run("parts", here={"resume": True}, **changed)
    assert end.status == "finished"
    assert of(events, "deviation") == []
    one, other = ((world.root / name / "digest.jsonl").read_text() for name in ("whole", "parts"))
    assert one == other
    for name in ("whole", "parts"):
        assert json.loads((world.root / name / "receipt.json").read_text())["deviations"] == [
            {
                "step": 3,
                "key": "train.micro_batch",
                "was": 4,
                "now": 2,
                "because": 'memory ran out, and train.on_oom = "split"',
            }
        ]


def rows_at_once(monkeypatch) -> list[tuple[int, int]]:
    """Every step that is begun from here on: its number, and the rows of its first micro-batch."""
    begun = []

    def noting(trainer, step, batch):
        begun.append((step, len(batch.micro[0].rows)))
        return real(trainer, step, batch)

    real = run.take_step
    monkeypatch.setattr(run, "take_step", noting)
    return begun


def under_new_numerics(**changed):
    return {"resume": True, "allow_numerics": True, "kn": "kn1:cccc", **changed}


def test_after_a_split_a_new_lock_says_how_many_rows_and_may_split_anew(world, monkeypatch):
    changed = {"train__steps": 8, "train__on_oom": "split"}
    out_of_memory(monkeypatch, at_step=2, phase="forward", fits=2)
    world.run(stop_at=4, **changed)
    begun = rows_at_once(monkeypatch)
    locked = {"train__micro_batch": 1, "train__accumulation": 8}
    _, events = world.run(here=under_new_numerics(), stop_at=2, **changed, **locked)
    assert begun == [(4, 1), (5, 1)]
    assert of(events, "resume")[0].proof == "bitwise"
    begun.clear()
    again = under_new_numerics(kn="kn1:dddd")
    end, _ = world.run(here=again, **changed, train__micro_batch=8, train__accumulation=1)
    assert begun == [(6, 8), (6, 4), (6, 2), (7, 2)]
    assert end.status == "finished"
    told = json.loads((world.root / "run" / "receipt.json").read_text())["deviations"]
    assert [(it["step"], it["was"], it["now"]) for it in told] == [(3, 4, 2), (7, 8, 4), (7, 4, 2)]


def test_the_remedy_for_no_memory_goes_on_with_the_run(world, monkeypatch):
    """A smaller micro-batch is locked; the proof is of the one that was saved."""
    out_of_memory(monkeypatch, at_step=3, phase="forward", fits=2)
    with pytest.raises(KavaError, match="out of memory in step 4 with train.micro_batch = 4"):
        world.run(checkpoint__every=2)
    smaller = {"train__micro_batch": 2, "train__accumulation": 4}
    end, events = world.run(here=under_new_numerics(), **smaller)
    assert (end.status, of(events, "resume")[0].proof) == ("finished", "bitwise")


def test_under_new_numerics_a_resumed_run_rehearses_what_is_new(world):
    world.run(stop_at=3, here={"rehearse": True})
    larger = {"train__micro_batch": 8, "train__accumulation": 1}
    _, events = world.run(here=under_new_numerics(rehearse=True), **larger)
    assert [event.ev for event in events if event.ev in ("rehearsal", "resume")] == [
        "rehearsal",
        "resume",
    ]
    assert of(events, "rehearsal")[0].micro_batch == 8


@pytest.mark.parametrize("before", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("after", ["float32", "bfloat16", "int8"])
def test_moments_of_another_dtype_are_converted(world, monkeypatch, before, after):
    monkeypatch.setattr("kavaspec_runtime.narrow.SMALLEST_IN_8_BITS", 64)
    world.run(stop_at=3, train__optimizer_state_dtype=before)
    here = {"resume": True} if before == after else under_new_numerics()
    end, _ = world.run(here=here, train__optimizer_state_dtype=after, checkpoint__keep=1)
    assert end.status == "finished"
    kept = checkpoint.tensors_in(newest(world.root / "run" / "checkpoints")[0].path)["optimizer"]
    found = {tensor.dtype for name, tensor in kept.items() if name.endswith(":exp_avg")}
    expected = {"float32": set(), "bfloat16": {torch.bfloat16}, "int8": {torch.uint8}}[after]
    assert found - {torch.float32} == expected


def test_memory_that_runs_out_in_a_proof_is_said_so(world, monkeypatch):
    def terms(self, models, batch, totals):
        if not torch.is_grad_enabled():
            raise torch.OutOfMemoryError(GONE)
        return real(self, models, batch, totals)

    real = KeyValue.terms
    monkeypatch.setattr(KeyValue, "terms", terms)
    with pytest.raises(KavaError, match=r"out of memory in the proof of step 3 with train\.micro"):
        world.run(checkpoint__every=2)


def test_splitting_ends_where_nothing_is_left_to_split(world, monkeypatch):
    out_of_memory(monkeypatch, at_step=3, phase="forward", fits=0)
    events = []
    with pytest.raises(KavaError) as caught:
        run.run(world.lock(train__on_oom="split"), world.at("run"), events.append, lambda: None)
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith("out of memory in step 4 with train.micro_batch = 1: ")
    assert [(it.was, it.now) for it in of(events, "deviation")] == [
        (4, 2),
        (2, 1),
    ]


@pytest.mark.parametrize("policy", ["fail", "split"])
def test_without_memory_in_the_update_a_step_is_never_done_twice(world, monkeypatch, policy):
    """Some weights may have moved already."""
    out_of_memory(monkeypatch, at_step=3, phase="optimizer", fits=0)
    with pytest.raises(KavaError) as caught:
        world.run(train__on_oom=policy, checkpoint__every=2)
    assert str(caught.value).startswith("out of memory in step 4 with train.micro_batch = 4: ")
    assert newest(world.root / "run" / "checkpoints")[0].step == 2


def test_no_memory_in_the_rehearsal_names_micro_batch_and_bytes(world, monkeypatch):
    out_of_memory(monkeypatch, at_step=0, phase="forward", fits=0)
    with pytest.raises(KavaError) as caught:
        world.run(here={"rehearse": True})
    [problem] = caught.value.problems
    assert problem.exit == 4
    assert problem.message == (
        "out of memory in the rehearsal (48 tokens a row) with train.micro_batch = 4: "
        "3.00 GiB (3221225472 bytes) were in use on cpu"
    )
    assert problem.hint == (
        "set train.micro_batch to a divisor of it below 4 and lock again; the experiment stays the same"
    )


def test_no_memory_in_training_is_a_failed_run(world, monkeypatch):
    out_of_memory(monkeypatch, at_step=3, phase="forward", fits=0)
    with pytest.raises(KavaError) as caught:
        world.run()
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith("out of memory in step 4 with train.micro_batch = 4: ")


def test_other_errors_of_torch_are_not_taken_for_memory(world, monkeypatch):
    from kavaspec_runtime import run as module

    def broken(trainer, step, batch):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(module, "take_step", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        world.run()


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
