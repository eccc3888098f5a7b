"""Checkpoints are whole or not there."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch

from kavaspec.errors import KavaError
from kavaspec_runtime import checkpoint
from kavaspec_runtime.checkpoint import (
    State,
    damage,
    newest,
    prune,
    save,
    state_in,
    tensors_in,
)


def state(step: int) -> State:
    return State(
        step=step,
        tokens=step * 100,
        kx="kx1:a",
        kn="kn1:b",
        next_batch="ab",
        next_loss="0x1.8p+0",
        scaler={"scale": 65536.0, "_growth_tracker": 3},
        deviations=[{"step": 2, "key": "train.micro_batch", "was": 4, "now": 2, "because": "so"}],
        rehearsed_bytes=2**30,
        micro_batch=2,
    )


def tensors(step: int) -> dict:
    return {
        "student": {"w": torch.full((3, 2), float(step))},
        "projector": {},
        "optimizer": {"student.w:step": torch.tensor(float(step))},
    }


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_is_what_is_loaded(tmp_path):
    saved = save(tmp_path, tensors(4), state(4))
    found, skipped = newest(tmp_path)
    assert (found, skipped) == (saved, [])
    assert found.bytes == sum(file.stat().st_size for file in found.path.iterdir())
    assert state_in(found.path) == state(4)
    loaded = tensors_in(found.path)
    assert torch.equal(loaded["student"]["w"], torch.full((3, 2), 4.0))
    assert loaded["optimizer"]["student.w:step"].shape == ()


def test_a_checkpoint_holds_five_files_and_no_pickle(tmp_path):
    save(tmp_path, tensors(4), state(4))
    assert names(tmp_path) == ["step-4"]
    assert names(tmp_path / "step-4") == [
        "manifest.json",
        "optimizer.safetensors",
        "projector.safetensors",
        "state.json",
        "student.safetensors",
    ]


def test_the_manifest_lists_size_and_sha256_of_every_other_file(tmp_path):
    save(tmp_path, tensors(4), state(4))
    files = json.loads((tmp_path / "step-4" / "manifest.json").read_text())["files"]
    assert set(files) == set(names(tmp_path / "step-4")) - {"manifest.json"}
    assert files["state.json"]["bytes"] == (tmp_path / "step-4" / "state.json").stat().st_size


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (
            lambda path: (path / "student.safetensors").write_bytes(b""),
            "student.safetensors has 0 bytes, the manifest says 96",
        ),
        (
            lambda path: (path / "state.json").write_text(
                (path / "state.json").read_text().replace("400", "500")
            ),
            "state.json is not what was written: its SHA-256 differs",
        ),
        (
            lambda path: (path / "optimizer.safetensors").unlink(),
            "optimizer.safetensors is missing",
        ),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda path: (path / "manifest.json").write_text('{"fi'), "manifest.json is damaged"),
        (lambda path: (path / "manifest.json").write_text("[]"), "manifest.json is damaged"),
    ],
    ids=["truncated", "changed", "missing", "no manifest", "torn manifest", "other manifest"],
)
def test_a_damaged_checkpoint_is_skipped_and_named(tmp_path, harm, expected):
    older = save(tmp_path, tensors(2), state(2))
    newer = save(tmp_path, tensors(4), state(4))
    harm(newer.path)
    found, [skipped] = newest(tmp_path)
    assert found == older
    assert (skipped.path, skipped.because) == (newer.path, expected)


def test_without_any_there_is_none(tmp_path):
    assert newest(tmp_path / "nowhere") == (None, [])


def test_steps_are_numbers_not_words(tmp_path):
    for step in (9, 10, 100):
        save(tmp_path, tensors(step), state(step))
    assert newest(tmp_path)[0].step == 100
    prune(tmp_path, keep=2)
    assert names(tmp_path) == ["step-10", "step-100"]


def test_half_written_ones_are_never_seen_and_are_cleared_away(tmp_path):
    save(tmp_path, tensors(2), state(2))
    (tmp_path / "step-4.tmp").mkdir()
    (tmp_path / "step-1.old").mkdir()
    assert newest(tmp_path)[0].step == 2
    prune(tmp_path, keep=2)
    assert names(tmp_path) == ["step-2"]


def test_a_checkpoint_that_could_not_be_read_is_written_anew(tmp_path):
    path = save(tmp_path, tensors(2), state(2)).path
    (path / "student.safetensors").write_bytes(b"")
    save(tmp_path, tensors(2), state(2))
    assert names(tmp_path) == ["step-2"]
    assert damage(path) is None


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["save_file", "write_flushed", "_flush", "flush_folder"])
def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(tmp_path, monkeypatch, function):
    safe = save(tmp_path, tensors(2), state(2))
    monkeypatch.setattr(checkpoint, function, full_disk)
    with pytest.raises(KavaError) as caught:
        save(tmp_path, tensors(4), state(4))
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (8, "paths.output")
    assert problem.message == (
        f"the checkpoint of step 4 could not be written: the disk is full; {safe.path} is safe"
    )
    assert problem.hint == (
        "make room or choose another paths.output, then `kavaspec run LOCK --resume`"
    )
    monkeypatch.undo()
    assert newest(tmp_path) == (safe, [])
    assert names(tmp_path) == ["step-2"]


def test_the_first_checkpoint_on_a_full_disk_says_that_nothing_is_safe(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(KavaError) as caught:
        save(tmp_path, tensors(4), state(4))
    assert str(caught.value) == (
        "the checkpoint of step 4 could not be written: the disk is full; no checkpoint is there yet"
    )


def test_other_trouble_is_told_as_it_is(tmp_path, monkeypatch):
    def read_only(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checkpoint, "save_file", read_only)
    with pytest.raises(
        KavaError, match=r"could not be written: \[Errno 30\] Read-only file system;"
    ):
        save(tmp_path, tensors(4), state(4))
