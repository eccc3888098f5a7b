"""A step is rehearsed before it is trusted, and memory that runs out later loses nothing in silence."""

from __future__ import annotations

import gc
import json

import pytest
import torch

from kavaspec.errors import KavaError
from kavaspec.events import Deviation
from kavaspec_runtime import checkpoint, rehearsal, run
from kavaspec_runtime.build import build, plan_of
from kavaspec_runtime.checkpoint import newest
from kavaspec_runtime.data import full_rows
from kavaspec_runtime.objectives.kv import KeyValue
from kavaspec_runtime.rehearsal import undone
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import take_step
from tests.runtime.results import of, same, weights

pytestmark = pytest.mark.slow


# ---- a rehearsal


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
    assert receipt["memory"]["rehearsed_peak_bytes"] == rehearsal.peak_bytes


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
        plan = plan_of(settings, world.here)
        take_step(trainer, 0, full_rows(plan.micro_batch, plan.max_length))
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


# ---- memory that runs out


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
