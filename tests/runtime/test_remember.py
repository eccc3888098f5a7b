"""The teacher's cache on disk: read once per row, the same bits whoever filled it, and never trusted blindly."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
import torch

from kavaspec_runtime import remember
from kavaspec_runtime.build import build
from kavaspec_runtime.capture import Kept
from kavaspec_runtime.data import Batch, Feed, Row
from kavaspec_runtime.objectives.objective import Models
from kavaspec_runtime.order import Order
from kavaspec_runtime.remember import Layout, Remembered
from kavaspec_runtime.settings import Settings

LONG = {
    "train__teacher_placement": "cached",
    "model__teacher__digest": "sha256:" + "a" * 64,
    "train__steps": 14,
    "train__warmup_steps": 0,
    "train__micro_batch": 4,
    "train__accumulation": 2,
    "checkpoint__every": 4,
    "eval__exact_match_rows": 0,
    "eval__rows": 2,
}


def run(world, folder: str, cache: str = "cache", **rest):
    here = {"cache": world.root / cache, **rest.pop("here", {})}
    return world.run(folder, here=here, **{**LONG, **rest})


def digests(world, folder: str) -> bytes:
    return (world.root / folder / "digest.jsonl").read_bytes()


def data(world, cache: str = "cache") -> Path:
    [path] = (world.root / cache / "teacher").glob("*/data.bin")
    return path


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The rows of every forward pass of the teacher over the split that is trained on."""
    seen: list[tuple[int, ...]] = []
    plain = Models.teacher_reads

    def counted(self, batch):
        if batch.split:
            seen.append(batch.rows)
        return plain(self, batch)

    monkeypatch.setattr(Models, "teacher_reads", counted)
    return seen


def rows_of(world) -> int:
    settings = Settings.of(world.lock(**LONG), "here")
    here = world.at("unused", cache=world.root / "unused")
    return len(build(settings, here, lambda text: None).feed.rows)


def test_every_row_is_read_once_however_often_it_is_trained_on(world, readings):
    count = rows_of(world)
    readings.clear()
    end, _ = run(world, "run")
    assert end.status == "finished"
    read = [row for rows in readings if len(rows) > 1 for row in rows]
    assert sorted(read) == list(range(count)), "14 x 8 rows were trained on"


def test_a_second_run_finds_what_the_first_one_kept(world, readings):
    run(world, "first")
    readings.clear()
    run(world, "second")
    # the scales of `layer_std` are measured row by row, by the teacher itself
    assert [rows for rows in readings if len(rows) > 1] == []
    assert digests(world, "second") == digests(world, "first")


def test_the_mathematics_is_that_of_a_teacher_beside_the_student(world):
    _, events = run(world, "cached")
    _, plain = run(world, "plain", train__teacher_placement="same_device")
    for ours, theirs in zip(
        (it for it in events if it.ev == "step"),
        (it for it in plain if it.ev == "step"),
        strict=True,
    ):
        assert ours.metrics["loss"] == pytest.approx(theirs.metrics["loss"], rel=1e-5)


@pytest.mark.parametrize("lost", ["all of it", "none of it", "the data", "the checksums"])
def test_a_run_that_is_resumed_has_the_bits_of_one_that_never_stopped(world, lost):
    run(world, "whole", "one")
    run(world, "parts", "two", stop_at=5)
    if lost == "all of it":
        shutil.rmtree(world.root / "two")
    elif lost == "the data":
        data(world, "two").unlink()
    elif lost == "the checksums":
        data(world, "two").with_name("rows.crc").unlink()
    _, events = run(world, "parts", "two", here={"resume": True})
    assert [event.proof for event in events if event.ev == "resume"] == ["bitwise"]
    assert digests(world, "parts") == digests(world, "whole")


def test_what_is_damaged_is_read_again_and_said(world):
    run(world, "first")
    kept = bytearray(data(world).read_bytes())
    kept[100] ^= 1
    data(world).write_bytes(kept)
    _, events = run(world, "second")
    told = [
        event.message for event in events if event.ev == "log" and "is damaged" in event.message
    ]
    assert len(told) == 1, "once: what was read again is whole"
    assert told[0].endswith("is damaged: the teacher reads it again")
    assert digests(world, "second") == digests(world, "first")


def test_without_room_only_speed_is_lost(world, monkeypatch):
    run(world, "first", "one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(remember, "_write", full)
    end, events = run(world, "second", "two")
    assert end.status == "finished"
    told = [
        event.message for event in events if event.ev == "log" and "remembered" in event.message
    ]
    assert told == ["no more rows of the teacher are remembered: No space left on device"]
    assert digests(world, "second") == digests(world, "first")


def test_only_layers_that_are_compared_take_room(world):
    settings = Settings.of(world.lock(**LONG), "here")
    parts = build(settings, world.at("run", cache=world.root / "cache"), lambda text: None)
    tokens = sum(len(row.ids) for row in parts.feed.rows)
    layers, tensors, features = 2, 2, 16  # layers 0 and 3 of four
    assert data(world).stat().st_size == tokens * layers * tensors * features * 4
    parts.trainer.models.remembered.close()


def test_other_numerics_are_another_file(world):
    run(world, "first")
    run(world, "second", train__micro_batch=2, train__accumulation=4)
    assert len(list((world.root / "cache/teacher").iterdir())) == 2


def test_what_comes_back_is_what_the_teacher_left_token_for_token(world):
    settings = Settings.of(world.lock(**LONG), "here")
    parts = build(settings, world.at("run", cache=world.root / "cache"), lambda text: None)
    remembered = parts.trainer.models.remembered
    assert isinstance(remembered, Remembered)
    batch = parts.feed.batch([3, 0, 3])
    kept = remembered.sees(batch)
    for place, row in enumerate(batch.rows):
        alone = parts.trainer.models.teacher_reads(parts.feed.batch([row]))
        length = len(parts.feed.rows[row].ids)
        for layer in (0, 3):
            for ours, theirs in (
                (kept.keys_BHTD[layer], alone.keys_BHTD[layer]),
                (kept.values_BHTD[layer], alone.values_BHTD[layer]),
            ):
                torch.testing.assert_close(ours[place, :, :length], theirs[0], rtol=1e-5, atol=1e-6)
                assert not ours[place, :, length:].any()
    assert kept.keys_BHTD[1].numel() == 0, "nobody compares layer 1"
    remembered.close()


def test_keys_and_values_of_different_kinds_come_back_as_they_were(tmp_path):
    """Some models keep values wider, or in another dtype, than keys."""
    rows = [Row(ids=(0,) * n, first_label=1, prompt=(), completion="") for n in (3, 5, 4)]
    feed = Feed(
        rows=rows,
        order=Order(lengths=[3, 5, 4], global_batch=1, window=1, tail="drop", seed=0),
        micro_batch=2,
        pad_id=0,
        pad_to=None,
        split="train",
        max_length=8,
    )

    def teach(batch: Batch) -> Kept:
        size, longest = batch.ids_BT.shape
        generator = torch.Generator().manual_seed(batch.rows[0])
        keys = torch.randn(size, 2, longest, 3, generator=generator).bfloat16()
        return Kept(keys_BHTD=[keys], values_BHTD=[keys.float().repeat(1, 1, 1, 2) / 3])

    layout = Layout.of(teach(feed.batch([0])), [0])
    remembered = Remembered(tmp_path, feed, layout, teach, together=2, tell=print)
    first, again = (remembered.sees(feed.batch([1, 0])) for _ in range(2))
    for kept in (first, again):
        assert kept.keys_BHTD[0].dtype == torch.bfloat16
        assert kept.values_BHTD[0].shape == (2, 2, 5, 6)
        assert torch.equal(kept.values_BHTD[0][..., :3], kept.keys_BHTD[0].float() / 3)
        assert torch.equal(
            kept.keys_BHTD[0][1, :, :3], teach(feed.batch([0, 2])).keys_BHTD[0][0, :, :3]
        )
    remembered.close()
