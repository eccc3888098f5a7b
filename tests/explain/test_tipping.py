"""Tipping points are exact: a step before, the old value; there, the new one; and they say how far."""

from kavaspec.decision import Allowed, Decision, Rule, Undecidable
from kavaspec.explanation import flips_text
from kavaspec.rules import RULES
from kavaspec.tipping import decide_again, tipping_points

BY_KEY = {rule.key: rule for rule in RULES}
BATCH = {
    "train.global_batch": 32,
    "train.world": 1,
    "train.device": "cuda",
    "data.max_length": 512,
    "fact.student.parameters": 494_032_768,
    "fact.gpu.memory_bytes": 8 << 30,
    "fact.gpu.unified": False,
    "fact.memory.total_bytes": 64 << 30,
    "fact.memory.batch_table": ((40_000_000_000, 8), (24_000_000_000, 4), (8_000_000_000, 2)),
}
DECIDED = ("train.world", "train.device")


def told(key, inputs, decided=()):
    return [str(flip) for flip in tipping_points(BY_KEY[key], inputs, decided=decided)]


def test_the_memory_from_which_more_rows_fit():
    assert told("train.micro_batch", BATCH, DECIDED) == [
        "to 4 when data.max_length <= 256, down to 129",
        "to 1 when data.max_length >= 513",
        "to 1 when fact.gpu.memory_bytes <= 7999999999 (7.5 GiB)",
        "to 4 when fact.gpu.memory_bytes >= 24000000000 (22.4 GiB), up to 39999999999 (37.3 GiB)",
        "to 8 when fact.gpu.unified is true",
        "to 4 when fact.student.parameters <= 247016384, down to 123508193",
        "to 1 when fact.student.parameters >= 494032769",
        "to 8 when train.device is mps or cpu",
        "to 1 when train.global_batch = 31",
        "to 1 when train.global_batch = 33",
    ]


def test_the_limit_of_the_spec_counts():
    limited = {**BATCH, "auto": {"max": 2}}
    assert "fact.gpu.memory_bytes >=" not in " ".join(told("train.micro_batch", limited))


def test_no_value_is_an_outcome_with_its_reason():
    inputs = {"train.global_batch": 32, "train.micro_batch": 16, "train.world": 1}
    assert told("train.accumulation", inputs, ("train.micro_batch", "train.world")) == [
        f"to no value when train.global_batch {where} is not a multiple of 16 (micro_batch) x 1 (world) = 16"
        for where in ("<= 31, down to 17: global_batch = 31", ">= 33, up to 47: global_batch = 33")
    ]


def test_a_number_that_another_rule_decides_does_not_move_and_a_word_does():
    inputs = {"train.device": "cuda", "fact.cpu.cores": 16, "train.world": 1}
    assert told("train.threads", inputs, ("train.device", "train.world")) == [
        "to 3 when fact.cpu.cores = 3",
        "to 16 when train.device is cpu",
    ]


def test_words_with_one_outcome_stand_together():
    inputs = {
        "train.device": "cpu",
        "fact.cpu.features": ("amx_bf16",),
        "fact.canary.bfloat16": "faster",
        "fact.student.parameters": 494_032_768,
    }
    assert told("train.precision", inputs, ("train.device",)) == [
        "to float32 when fact.canary.bfloat16 is slower, wrong, unsupported or none",
        "to float32 when fact.student.parameters <= 15999999",
        "to float32 when train.device is cuda or mps",
    ]


def test_one_number_of_a_table():
    inputs = {"fact.data.token_lengths": {"p50": 30, "max": 70}, "fact.student.max_length": 128}
    assert told("data.max_length", inputs) == [
        "to 64 when fact.data.token_lengths.max <= 64, down to 57",
        "to 80 when fact.data.token_lengths.max >= 73, up to 80",
        "to 71 when fact.student.max_length = 71",
    ]


def test_a_fraction_is_told_in_few_digits_and_within_a_millionth():
    def half(learning_rate: float) -> Decision:
        """Toy."""
        return Decision(value=learning_rate >= 0.004999, because="toy")

    rule = Rule(key="train.compile", inputs={"learning_rate": "train.learning_rate"}, decide=half)
    [flip] = tipping_points(rule, {"train.learning_rate": 0.02}, decided=())
    assert str(flip) == "to false when train.learning_rate <= 0.0049989999"
    [flip] = tipping_points(rule, {"train.learning_rate": 0.001}, decided=())
    assert str(flip) == "to true when train.learning_rate >= 0.004999"


def test_a_word_that_cannot_be_here_is_not_tried():
    inputs = {"train.device": "cpu", "fact.cpu.cores": 16, "train.world": 1}
    points = tipping_points(
        BY_KEY["train.threads"],
        inputs,
        decided=("train.device", "train.world"),
        can_be=lambda name, value: (name, value) not in {("train.device", "rocm"), ("train.device", "mps")},
    )  # fmt: skip
    assert str(points[-1]) == "to 4 when train.device is cuda"


def test_what_repeats_its_source_or_moves_with_it_is_told_once():
    def shown(key, inputs, decided=()):
        return [*flips_text(tipping_points(BY_KEY[key], inputs, decided=decided))]

    assert shown("scheduler.kind", {"fact.scheduler.kind": "slurm"}) == [
        "with fact.scheduler.kind: pbs, sge, lsf or kubernetes",
        "to none when fact.scheduler.kind is none",
    ]
    assert shown("scheduler.walltime_s", {"fact.scheduler.walltime_s": 86400}) == [
        "with fact.scheduler.walltime_s, step by step",
    ]
    memory = {"fact.scheduler.memory_bytes": None, "fact.memory.total_bytes": 64 << 30}
    assert shown("scheduler.memory_bytes", memory) == ["a little with fact.memory.total_bytes"]
    cores = {"train.device": "cpu", "fact.cpu.cores": 16, "train.world": 1}
    assert shown("train.threads", cores, ("train.device", "train.world")) == [
        "with fact.cpu.cores, step by step",
        "to 4 when train.device is cuda, rocm or mps",
    ]
    batch = {**BATCH, "fact.gpu.memory_bytes": 80 << 30}
    assert shown("train.micro_batch", batch, DECIDED)[-2:] == [
        "to 1 when train.global_batch = 31",  # no pattern: each is told
        "to 3 when train.global_batch = 33",
    ]


def test_what_never_changes_anything_is_not_told():
    assert told("train.optimizer_state_dtype", {"train.beta2": 0.999}) == []
    assert told("train.gradient_checkpointing", {}) == []


def test_deciding_again_is_deciding():
    for rule in RULES:
        if rule.key == "train.micro_batch":
            assert decide_again(rule, BATCH).value == 2
    refused = decide_again(BY_KEY["train.threads"], {
        "train.device": "cpu", "fact.cpu.cores": 2, "train.world": 1, "auto": Allowed(min=4).plain(),
    })  # fmt: skip
    assert isinstance(refused, Undecidable)
