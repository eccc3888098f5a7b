"""Why not another value: the schema, a check, a limit or the rule says so; else what would follow."""

import pytest

from kavaspec.explain import open_case
from kavaspec.lock.stale import compare
from kavaspec.spec.load import parse_spec
from kavaspec.why_not import why_not


def said(answer):
    return [f"{reason.who}: {reason.says}" for reason in answer.reasons]


@pytest.mark.parametrize(
    ("key", "value", "verdict", "reasons"),
    [
        ("train.micro_batch", "many", "untyped", ['the schema: expected an integer >= 1 or "auto", got many']),
        ("train.micro_batch", "0", "untyped", ['the schema: expected an integer >= 1 or "auto", got 0']),
        ("train.precision", "float8", "untyped", ['the schema: expected "float32", "bfloat16", "float16" or "auto", got float8']),
        ("train.threads", "400", "vetoed", ["check threads_fit: train.threads = 400 x train.world = 1 needs 400 cores, but 16 may be used"]),
        ("train.micro_batch", "3", "vetoed", [": train.accumulation cannot be decided: global_batch = 32 is not a multiple of 3 (micro_batch) x 1 (world) = 3"]),
        ("objective.kv.teacher_dim", "1536", "vetoed", ["check teacher_width_matches: objective.kv.teacher_dim is 1536, but the teacher's KV layout 28x2x128 gives 28 * 2 * 128 = 7168"]),
        ("train.gradient_checkpointing", "true", "turned_down", ["gradient_checkpointing@2: computes every activation twice"]),
        ("train.precision", "float32", "turned_down", ["precision@1: is slower here; weights and losses are float32 anyway"]),
        ("train.micro_batch", "32", "same", []),
        ("train.steps", "100", "allowed", []),
        ("train.micro_batch", "4", "allowed", []),
    ],
)  # fmt: skip
def test_who_says_no(a100, key, value, verdict, reasons):
    answer = why_not(a100, key, value)
    assert (answer.verdict, said(answer)) == (verdict, reasons)


def test_a_repair_is_offered(a100):
    [reason] = why_not(a100, "train.threads", "400").reasons
    assert reason.hint == "train.threads = 16"


def test_what_would_follow_if_it_were_written(a100):
    answer = why_not(a100, "train.micro_batch", "4")
    assert [one.key for one in answer.outcome.consequences] == [
        "train.micro_batch",
        "train.accumulation",
    ]
    assert answer.outcome.new_ids.kx == answer.outcome.old_ids.kx
    assert answer.prefers.startswith("32 x 512 tokens take 44.56 GiB of 76.00 GiB")


def locked_with(case, old, new):
    """The case with another spec, locked."""
    spec = parse_spec(case.spec.text.replace(old, new), "kava.toml", set={})
    lock = compare(spec, case.lock).derived.lock
    return open_case(spec, lock, case.target, kept={})


def test_the_limit_beside_auto_is_named(a100):
    case = locked_with(a100, "steps = 233", "steps = 233\nmicro_batch = { auto = true, max = 4 }")
    answer = why_not(case, "train.micro_batch", "8")
    assert (answer.verdict, said(answer)) == (
        "limited",
        ["the limit in kava.toml: the spec allows at most 4"],
    )


def test_of_a_written_value_it_says_what_auto_would_give(a100):
    case = locked_with(a100, "steps = 233", "steps = 233\nmicro_batch = 2")
    answer = why_not(case, "train.micro_batch", "4")
    assert (answer.auto.value, answer.auto.decided) == (32, True)
    assert answer.asked == "asked for at kava.toml:36:1"


def test_auto_is_an_answer_of_its_own(a100):
    assert why_not(a100, "train.micro_batch", "auto").verdict == "same"
    written = locked_with(a100, "steps = 233", "steps = 233\nmicro_batch = 2")
    answer = why_not(written, "train.micro_batch", "auto")
    assert (answer.verdict, answer.value, answer.auto.value) == ("allowed", "auto", 32)
    assert said(why_not(a100, "train.seed", "auto")) == [
        'the schema: expected a value: it cannot be "auto", got auto'
    ]
    assert why_not(a100, "data.source", "auto").verdict == "untyped"


def test_where_auto_could_not_decide_it_says_why(a100):
    answer = why_not(a100, "data.max_length", "256")
    assert (answer.auto.decided, answer.auto.because) == (
        False,
        (
            "the lock does not hold fact.data.token_lengths, fact.trial.memory, "
            "fact.trial.memory_checkpointed"
        ),
    )


def test_a_value_the_rule_never_lists_is_asked_of_the_rule(a100):
    case = locked_with(a100, "global_batch = 32", "global_batch = 256")
    [reason] = why_not(case, "train.micro_batch", "256").reasons
    assert reason.who == "check step_fits"
    assert reason.says.startswith("the tensors of a step with 256 x 512 tokens take 246.87 GiB")
