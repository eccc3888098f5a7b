"""What would change: causes before what follows, broken guards, problems and ids; nothing is written."""

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.explain import explain, open_case
from kavaspec.lock.ids import ids
from kavaspec.spec.load import parse_spec
from kavaspec.what_if import read_suppositions, what_if


def suppose(case, *texts):
    return what_if(case, read_suppositions(texts))


def changes(outcome):
    return [
        (one.depth, one.key, one.old and one.old.value, one.new and one.new.value)
        for one in outcome.consequences
    ]


def test_a_smaller_card_and_what_follows_from_it(a100):
    outcome = suppose(a100, "fact.gpu.memory_bytes=24GiB")
    assert changes(outcome) == [
        (0, "train.micro_batch", 32, 8),
        (1, "train.accumulation", 1, 4),
    ]
    assert outcome.broken == (
        ("train.micro_batch", "fact.gpu.memory_bytes >= 50366401535 (46.9 GiB)"),
    )
    assert outcome.problems == ()
    assert outcome.old_ids == ids(a100.lock, "a100")
    assert outcome.new_ids.kx == outcome.old_ids.kx
    assert outcome.new_ids.kn != outcome.old_ids.kn
    assert dict(outcome.before) == {"fact.gpu.memory_bytes": 80 << 30}


def test_a_bigger_card_breaks_no_guard(a100):
    outcome = suppose(a100, "fact.gpu.memory_bytes=160GiB")
    assert (changes(outcome), outcome.broken) == ([], ())
    assert outcome.kept == (
        "train.gradient_checkpointing",
        "train.micro_batch",
        "train.optimizer_state_dtype",
        "train.param_dtype",
    )


def test_a_key_is_the_cause_of_what_follows_from_it(a100):
    outcome = suppose(a100, "train.device=cpu")
    assert changes(outcome) == [
        (0, "train.device", "cuda", "cpu"),
        (1, "scheduler.gpus_per_node", 1, 0),
        (1, "train.gradient_checkpointing", False, None),
        (2, "train.micro_batch", 32, None),
        (3, "train.accumulation", 1, None),
        (1, "train.precision", "bfloat16", "float32"),
        (1, "train.threads", 4, 16),
    ]
    assert outcome.unknown == ("fact.trial.memory", "fact.trial.memory_checkpointed")


def test_several_at_once(a100):
    outcome = suppose(a100, "train.global_batch=64", "fact.cpu.cores=2")
    assert [key for _, key, _, _ in changes(outcome)] == [
        "train.global_batch",
        "train.micro_batch",
        "train.threads",
    ]


def test_what_it_would_be_is_what_locking_it_gives(a100):
    """The same as writing it into kava.toml."""
    outcome = suppose(a100, "train.global_batch=64")
    text = a100.spec.text.replace("global_batch = 32", "global_batch = 64")
    spec = parse_spec(text, "kava.toml", set={})
    written = open_case(spec, a100.lock, "a100", kept={}).decisions
    assert {key: one.value for key, one in outcome.case.decisions.items()} == {
        key: one.value for key, one in written.items()
    }


def test_auto_lets_the_rule_decide_again(a100):
    written = suppose(a100, "train.micro_batch=4").case
    assert changes(what_if(written, read_suppositions(["train.micro_batch=auto"]))) == [
        (0, "train.micro_batch", 4, 32),
        (1, "train.accumulation", 8, 1),
    ]


def test_problems_that_would_arise(a100):
    outcome = suppose(a100, "train.micro_batch=5")
    assert [problem.key for problem in outcome.problems] == ["train.accumulation"]
    assert outcome.new_ids is None
    assert changes(outcome)[1] == (1, "train.accumulation", 1, None)


def test_a_fact_that_the_lock_does_not_hold_is_named(a100):
    outcome = suppose(a100, "data.max_length=auto")
    assert outcome.unknown == (
        "fact.data.token_lengths",
        "fact.trial.memory",
        "fact.trial.memory_checkpointed",
    )


def test_a_fact_that_nothing_reads_changes_nothing(a100):
    outcome = suppose(a100, "fact.gpu.driver=999")
    assert (changes(outcome), outcome.kept, dict(outcome.before)) == ([], (), {})


def test_the_key_is_explained_as_it_would_be(a100):
    told = explain(suppose(a100, "fact.gpu.memory_bytes=24GiB").case, "train.micro_batch")
    memory = next(source for source in told.sources if source.name == "fact.gpu.memory_bytes")
    assert (told.value, memory.how, memory.value) == (8, "supposed", 24 << 30)
    assert told.because.startswith("8 x 512 tokens take 21.48 GiB of 22.80 GiB")


def test_what_is_supposed_is_never_said_to_stand_in_the_spec(a100):
    told = explain(suppose(a100, "train.global_batch=64").case, "train.global_batch")
    assert (told.value, told.by, told.because, told.asked) == (64, "supposition", "supposition", "")
    assert told.where is None
    told = explain(suppose(a100, "train.seed=0", "train.threads=auto").case, "train.threads")
    assert (told.by, told.asked) == ("threads@1", "as supposed")


def test_objective_kind_changes_which_keys_there_are(a100):
    with pytest.raises(KavaError) as caught:
        suppose(a100, "objective.kind=ce")
    [problem] = caught.value.problems
    assert problem.message == ('then model.teacher.source means nothing with objective.kind = "ce"')


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("train.steps", "--if train.steps: expected NAME=VALUE", None),
        ("=3", "--if =3: expected NAME=VALUE", None),
        ("fact.gpu.memory=3", "--if fact.gpu.memory: there is no such fact", "did you mean fact.gpu.memory_bytes?"),
        ("train.stps=3", "--if train.stps: there is no such key or fact", "did you mean train.steps?"),
        ("fact.gpu.memory_bytes=lots", "--if fact.gpu.memory_bytes: expected a whole number (bytes), for example 24GiB, got lots", None),
        ("fact.gpu.memory_bytes=-1", "--if fact.gpu.memory_bytes: expected 0 or more bytes, for example 24GiB, got -1", None),
        ("fact.student.parameters=0", "--if fact.student.parameters: expected 1 or more parameters, got 0", None),
        ("fact.torch.accelerator=tpu", "--if fact.torch.accelerator: expected one of cuda, rocm, mps, got tpu", None),
        ("train.steps=0", '--if train.steps: expected an integer >= 1 or "auto", got 0', None),
        ("fact.cpu.cores=none", "--if fact.cpu.cores: a rule or check needs it, got none", None),
        ("train.seed=auto", '--if train.seed: it cannot be "auto"', None),
        ("train.steps=99999999999999999999", "--if train.steps: expected an integer >= 1 of at most 64 bits, got 99999999999999999999", None),
    ],
)  # fmt: skip
def test_what_cannot_be_supposed(text, message, hint):
    with pytest.raises(KavaError) as caught:
        read_suppositions([text])
    [problem] = caught.value.problems
    assert (problem.message, problem.exit) == (message, Exit.USAGE)
    if hint is not None:
        assert problem.hint == hint


def test_all_mistakes_are_told_at_once():
    with pytest.raises(KavaError) as caught:
        read_suppositions(["fact.gpu.nam=x", "train.stps=3", "train.seed=1", "train.seed=2"])
    assert [problem.message for problem in caught.value.problems] == [
        "--if fact.gpu.nam: there is no such fact",
        "--if train.stps: there is no such key or fact",
        "--if train.seed is given twice",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fact.gpu.memory_bytes=24GiB", 24 << 30),
        ("fact.gpu.memory_bytes=16GB", 16_000_000_000),
        ("fact.gpu.memory_bytes=none", None),
        ("fact.gpu.capability=[9, 0]", (9, 0)),
        ("fact.gpu.unified=true", True),
        ("fact.gpu.name=H200", "H200"),
        ("fact.python.version=3.12", "3.12"),
    ],
)
def test_facts_are_spelled_as_toml_words_or_sizes(text, value):
    [found] = read_suppositions([text]).facts.values()
    assert found == value


def test_a_whole_number_is_a_fraction_where_the_key_is_one():
    assert read_suppositions(["train.clip=2"]).keys == {"train.clip": 2.0}
    assert type(read_suppositions(["train.clip=2"]).keys["train.clip"]) is float
