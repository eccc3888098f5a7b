"""`digest.jsonl`: every bit of a step counts, the way it was computed does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kavaspec.seals import START, read_digests
from kavaspec_runtime import digests
from kavaspec_runtime.data import Row, pad

WEIGHTS = {
    "float32": torch.linspace(-1, 1, 15),
    "float64": torch.linspace(-1, 1, 3, dtype=torch.float64),
    "bfloat16": torch.linspace(-1, 1, 13).bfloat16(),
    "float16": torch.linspace(-1, 1, 4).half(),
    "transposed": torch.linspace(-1, 1, 12).reshape(3, 4).T,
    "one": torch.tensor(0.5),
    "shifted": torch.linspace(-1, 1, 16)[1:],
}


def digest(**weights: torch.Tensor) -> str:
    return digests.weights_digest(weights)


@pytest.mark.parametrize("name", WEIGHTS)
def test_any_bit_of_any_weight_changes_the_digest(name: str):
    weight = WEIGHTS[name].clone().contiguous()
    before = digest(w=weight)
    bits = weight.view(digests.INTEGERS[weight.element_size()]).view(-1)
    for place in range(bits.numel()):
        for bit in range(8 * weight.element_size() - 1):
            bits[place] ^= 1 << bit
            assert digest(w=weight) != before
            bits[place] ^= 1 << bit
    assert digest(w=weight) == before


def test_how_a_weight_lies_in_memory_does_not_count():
    weight = torch.linspace(-1, 1, 35).reshape(5, 7)
    shifted = torch.cat([torch.zeros(1), weight.reshape(-1)])[1:].reshape(5, 7)
    assert shifted.storage_offset() == 1
    assert torch.equal(shifted, weight)
    assert digest(w=weight.T.contiguous().T) == digest(w=weight)


def test_which_weight_it_is_counts():
    one, two = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    assert digest(a=one, b=two) != digest(a=two, b=one)
    assert digest(a=one) != digest(b=one)


def test_a_model_in_which_nothing_learns_has_a_digest():
    assert len(digest()) == 16


def row(*ids: int) -> Row:
    return Row(ids=ids, first_label=1, prompt=(), completion="")


def test_the_digest_of_a_batch_knows_tokens_not_padding_nor_pieces():
    rows = [row(1, 2, 3), row(4, 5), row(6, 7, 8, 9), row(10, 11)]

    def batches(size: int, pad_to: int | None = None) -> list:
        return [
            pad(rows[i : i + size], (0,) * size, pad_id=0, pad_to=pad_to)
            for i in range(0, len(rows), size)
        ]

    whole = digests.batch_digest(batches(4))
    assert {digests.batch_digest(batches(size)) for size in (1, 2)} == {whole}
    assert digests.batch_digest(batches(4, pad_to=9)) == whole
    rows[2] = row(6, 7, 8, 12)
    assert digests.batch_digest(batches(4)) != whole


def test_lines_are_sealed_one_after_the_other_and_cut_for_a_resume(tmp_path: Path):
    path, seal = tmp_path / "digest.jsonl", START
    for step in range(1, 6):
        weights = {"w": torch.ones(3)} if step == 4 else None
        text = digests.line(step, 1.5 / step, 2.0, "0" * 16, weights)
        seal = digests.append(path, text, seal)
    found = read_digests(path.read_bytes())
    assert (found.faults, [it.step for it in found.steps]) == ((), [1, 2, 3, 4, 5])
    assert [it.weights is not None for it in found.steps] == [False, False, False, True, False]
    assert found.steps[-1].seal == seal

    before = path.read_bytes()
    again = digests.cut(path, 3)
    assert again == found.steps[2].seal
    for it in found.steps[3:]:
        weights = {"w": torch.ones(3)} if it.step == 4 else None
        again = digests.append(
            path, digests.line(it.step, 1.5 / it.step, 2.0, "0" * 16, weights), again
        )
    assert path.read_bytes() == before


def test_a_file_of_an_older_version_is_gone_on_with(tmp_path: Path):
    path = tmp_path / "digest.jsonl"
    old = {"step": 1, "loss": (1.5).hex(), "grad_norm": (2.0).hex()}
    path.write_text(json.dumps(old) + "\n", encoding="utf-8")
    assert digests.cut(path, 1) == START
    digests.append(path, digests.line(2, 1.5, 2.0, "0" * 16, None), START)
    found = read_digests(path.read_bytes())
    assert (found.faults, [it.seal is None for it in found.steps]) == ((), [True, False])
    assert digests.cut(tmp_path / "none.jsonl", 0) == START
