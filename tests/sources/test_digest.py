"""Digests say what a model or a data set is: equal for equal meaning, different for any difference."""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import UTC, datetime

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.sources import digest

CONFIG = {"model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 2}
TOKENIZER = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
    "added_tokens": [{"id": 3, "content": "<end>"}, {"id": 4, "content": "<pad>"}],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel"},
    "truncation": None,
    "padding": None,
}
TENSORS = {"a.weight": ("F32", [2, 2], b"0123456789abcdef"), "b.bias": ("BF16", [2], b"wxyz")}


def safetensors(file, tensors, *, metadata=None, shift=0):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        first = len(data)
        data += content
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [first, len(data) + shift]}
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def model(tmp_path):
    """A function that makes a model folder and returns it."""

    def make(name="m", *, config=CONFIG, tokenizer=TOKENIZER, shards=(TENSORS,), metadata=None):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        if tokenizer is not None:
            (folder / "tokenizer.json").write_text(json.dumps(tokenizer, indent=2))
        if len(shards) == 1:
            safetensors(folder / "model.safetensors", shards[0], metadata=metadata)
        weight_map = {}
        for number, shard in enumerate(shards if len(shards) > 1 else (), 1):
            file = f"model-{number:05}-of-{len(shards):05}.safetensors"
            safetensors(folder / file, shard)
            weight_map |= dict.fromkeys(shard, file)
        if weight_map:
            index = folder / "model.safetensors.index.json"
            index.write_text(json.dumps({"weight_map": weight_map}))
        return folder

    return make


def of(folder, *, weights=True):
    return digest.model_digest(folder, weights=weights)


def test_a_digest_is_64_hexadecimal_digits(model):
    assert of(model()).removeprefix("sha256:").strip("0123456789abcdef") == ""
    assert len(of(model("n"))) == len("sha256:") + 64


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_bytes_under_a_digest_never_change(model):
    """Locks hold digests for ever: whoever changes how they are made breaks every lock."""
    weights = sha256(
        b'["a.weight", "F32", [2, 2]]\x000123456789abcdef["b.bias", "BF16", [2]]\x00wxyz'
    )
    config = sha256(b'{"hidden_size":64,"model_type":"qwen2","num_hidden_layers":2}')
    tokenizer = sha256(
        b'{"added_tokens":[{"content":"<end>","id":3},{"content":"<pad>","id":4}],'
        b'"model":{"merges":[["a","b"]],"type":"BPE","vocab":{"a":0,"ab":2,"b":1}},'
        b'"normalizer":null,"pre_tokenizer":{"type":"ByteLevel"}}'
    )
    whole = f'{{"config":"{config}","tokenizer":"{tokenizer}","weights":"{weights}"}}'
    assert of(model()) == sha256(whole.encode())
    without = f'{{"config":"{config}","tokenizer":"{tokenizer}"}}'
    assert of(model("n"), weights=False) == sha256(without.encode())


def test_the_bytes_under_the_other_digests_never_change():
    layers = b'{"layers":[0,2],"teacher":"sha256:00"}'
    assert digest.layers_digest("sha256:00", (0, 2)) == sha256(layers)
    rows = 'train\n{"a":2,"q":"1+1"}\neval\n{"q":"é"}\n'
    assert digest.data_digest([{"q": "1+1", "a": 2}], [{"q": "é"}]) == sha256(rows.encode())


SAME = {
    "sharded": {"shards": tuple({name: tensor} for name, tensor in TENSORS.items())},
    "other-order-in-the-file": {"shards": (dict(reversed(TENSORS.items())),)},
    "metadata-in-the-file": {"metadata": {"format": "pt"}},
    "another-version-wrote-the-config": {
        "config": {**CONFIG, "transformers_version": "9", "_name_or_path": "x", "torch_dtype": "f"}
    },
    "dtype-in-a-nested-config": {"config": {**CONFIG, "dtype": "bfloat16"}},
    "keys-in-another-order": {"config": dict(reversed(CONFIG.items()))},
    "old-spelling-of-merges": {
        "tokenizer": {**TOKENIZER, "model": {**TOKENIZER["model"], "merges": ["a b"]}}
    },
    "added-tokens-in-another-order": {
        "tokenizer": {**TOKENIZER, "added_tokens": TOKENIZER["added_tokens"][::-1]}
    },
    "padding-switched-on": {"tokenizer": {**TOKENIZER, "padding": {"length": 8}}},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_means_the_same_has_the_same_digest(model, change):
    assert of(model("changed", **change)) == of(model("plain"))


def tensors(name, **change):
    return {"shards": ({**TENSORS, name: tuple({**dict(zip("dsc", TENSORS[name], strict=True)), **change}.values())},)}  # fmt: skip


OTHER = {
    "one-byte-of-a-weight": tensors("b.bias", c=b"wxyZ"),
    "dtype-of-a-weight": tensors("b.bias", d="F16"),
    "shape-of-a-weight": tensors("b.bias", s=[2, 1]),
    "name-of-a-weight": {"shards": ({"a.weight": TENSORS["a.weight"], "c": TENSORS["b.bias"]},)},
    "one-weight-less": {"shards": ({"a.weight": TENSORS["a.weight"]},)},
    "a-number-of-the-config": {"config": {**CONFIG, "hidden_size": 65}},
    "a-token": {"tokenizer": {**TOKENIZER, "model": {**TOKENIZER["model"], "vocab": {"a": 1}}}},
    "an-added-token": {"tokenizer": {**TOKENIZER, "added_tokens": []}},
    "how-text-is-split": {"tokenizer": {**TOKENIZER, "pre_tokenizer": None}},
    "no-tokenizer": {"tokenizer": None},
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_means_something_else_has_another_digest(model, change):
    assert of(model("changed", **change)) != of(model("plain"))


def test_weights_do_not_count_for_a_model_that_starts_with_random_ones(model):
    one, other = model("one"), model("other", **tensors("b.bias", c=b"abcd"))
    assert of(one, weights=False) == of(other, weights=False)
    assert of(one, weights=False) != of(one)


def test_an_old_tokenizer_counts_by_its_files(model):
    one, other = model("one", tokenizer=None), model("other", tokenizer=None)
    (one / "tokenizer.model").write_bytes(b"sentencepiece")
    (other / "tokenizer.model").write_bytes(b"sentencepiece")
    assert of(one) == of(other) != of(model("none", tokenizer=None))


def test_a_gguf_file_is_its_bytes(tmp_path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert of(file) == f"sha256:{expected}"


def test_files_bigger_than_a_chunk_are_read_to_their_end(tmp_path, monkeypatch):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"abc")
    whole = of(file)
    monkeypatch.setattr(digest, "CHUNK_BYTES", 2)
    assert of(file) == whole


def test_the_order_of_layers_counts():
    assert digest.layers_digest("sha256:00", (0, 1)) != digest.layers_digest("sha256:00", (1, 0))


ROWS = [{"q": "one", "a": 1}, {"q": "two", "a": 2}]


def test_data_is_its_rows_in_order_whatever_the_order_of_columns():
    turned = [dict(reversed(row.items())) for row in ROWS]
    assert digest.data_digest(ROWS, []) == digest.data_digest(turned, [])
    assert digest.data_digest(ROWS, []) != digest.data_digest(ROWS[::-1], [])
    assert digest.data_digest(ROWS, []) != digest.data_digest([], ROWS)
    assert digest.data_digest(ROWS, []) != digest.data_digest(ROWS[:1], ROWS[1:])


def test_cells_that_only_parquet_has_are_digested_too():
    cells = {"when": datetime(2026, 1, 2, tzinfo=UTC), "raw": b"\x00\xff"}
    assert digest.data_digest([cells], []) == digest.data_digest(
        [{"when": "2026-01-02T00:00:00+00:00", "raw": {"bytes": "00ff"}}], []
    )


def test_a_cell_that_is_no_data_is_named():
    with pytest.raises(KavaError) as caught:
        digest.data_digest([{"a": 1}, {"a": object()}], [])
    problem = caught.value.problems[0]
    assert problem.message == "row 1 of train: a object is not text, a number, a list or a table"
    assert problem.exit == Exit.ENVIRONMENT


def broken(folder, name, content):
    (folder / name).write_bytes(content)
    return folder


HEADER = struct.pack("<Q", 8)
BROKEN = {
    "cut-short": (lambda f: broken(f, "model.safetensors", (f / "model.safetensors").read_bytes()[:-2]),
                  "{f}/model.safetensors is damaged: b.bias ends at byte 169 of 167"),
    "empty": (lambda f: broken(f, "model.safetensors", b""),
              "{f}/model.safetensors is damaged: its header claims 0 of 0 bytes"),
    "a-huge-header": (lambda f: broken(f, "model.safetensors", struct.pack("<Q", 2**60) + b"{}"),
                      "{f}/model.safetensors is damaged: its header claims 1152921504606846976 of 10 bytes"),
    "not-json": (lambda f: broken(f, "model.safetensors", HEADER + b"........"),
                 "{f}/model.safetensors is damaged: its header is not JSON"),
    "not-tensors": (lambda f: broken(f, "model.safetensors", HEADER + b'{"a":12}'),
                    "{f}/model.safetensors is damaged: its header is not a table of tensors"),
    "a-list": (lambda f: broken(f, "model.safetensors", HEADER + b"[1,2,34]"),
               "{f}/model.safetensors is damaged: its header is not a table of tensors"),
    "config-not-json": (lambda f: broken(f, "config.json", b"{"),
                        ("{f}/config.json is damaged: it is not JSON: expecting property name "
                        "enclosed in double quotes at line 1, column 2")),
    "config-a-list": (lambda f: broken(f, "config.json", b"[]"),
                      "{f}/config.json is damaged: it is not a JSON object"),
    "tokenizer-without-model": (lambda f: broken(f, "tokenizer.json", b"{}"),
                                "{f}/tokenizer.json is damaged: it is not a tokenizer: it has no model"),
}  # fmt: skip


@pytest.mark.parametrize(("breaks", "message"), BROKEN.values(), ids=BROKEN)
def test_a_damaged_model_is_named_with_what_is_wrong(model, breaks, message):
    folder = breaks(model())
    with pytest.raises(KavaError) as caught:
        of(folder)
    problem = caught.value.problems[0]
    assert problem.message == message.replace("{f}", str(folder))
    assert problem.exit == Exit.ENVIRONMENT


def test_a_shard_that_the_index_names_has_to_be_there(model):
    folder = model(shards=tuple({name: tensor} for name, tensor in TENSORS.items()))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(KavaError) as caught:
        of(folder)
    assert caught.value.problems[0].message == (
        f"{folder} is incomplete: model.safetensors.index.json names "
        "model-00002-of-00002.safetensors, which is not there"
    )


def test_an_index_cannot_point_out_of_its_folder(model, tmp_path):
    folder = model(shards=tuple({name: tensor} for name, tensor in TENSORS.items()))
    index = folder / "model.safetensors.index.json"
    safetensors(tmp_path / "secret.safetensors", TENSORS)
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(KavaError, match=r"names secret\.safetensors, which is not there"):
        of(folder)


def test_a_tensor_in_two_files_is_refused(model):
    folder = model(shards=(TENSORS, {"b.bias": TENSORS["b.bias"]}))
    with pytest.raises(
        KavaError, match=r"b\.bias is in two files: model-00001-of-00002\.safetensors"
    ):
        of(folder)


def test_weights_in_a_pickle_are_refused(model):
    folder = model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(KavaError) as caught:
        of(folder)
    problem = caught.value.problems[0]
    assert problem.message == (
        f"{folder} has its weights only as a pickle (pytorch_model.bin), which can run code"
    )
    assert problem.hint == "use the same model saved as safetensors"


def test_a_folder_that_is_no_model_says_what_it_has(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(KavaError) as caught:
        digest.read_config(tmp_path)
    assert caught.value.problems[0].message == (
        f"{tmp_path} is not a model: it has no config.json (it has notes.txt)"
    )
    with pytest.raises(KavaError) as caught:
        digest.read_config(tmp_path / "notes.txt")
    assert caught.value.problems[0].message == (
        f"{tmp_path / 'notes.txt'} is not a model: expected a folder with config.json, or a .gguf file"
    )


def test_our_reader_sees_the_tensors_that_safetensors_writes(tmp_path):
    numpy = pytest.importorskip("numpy")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    content = {"w": numpy.arange(6, dtype="float32").reshape(2, 3), "b": numpy.zeros(0, "int64")}
    save_file(content, tmp_path / "model.safetensors")
    found = {t.name: t for t in digest.read_header(tmp_path / "model.safetensors")}
    assert (found["w"].dtype, found["w"].shape) == ("F32", (2, 3))
    bytes_of_w = (tmp_path / "model.safetensors").read_bytes()[found["w"].start :][
        : found["w"].size_bytes
    ]
    assert bytes_of_w == content["w"].tobytes()
    assert found["b"].size_bytes == 0
