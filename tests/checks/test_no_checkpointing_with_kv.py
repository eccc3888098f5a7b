from kavaspec.checks.no_checkpointing_with_kv import no_checkpointing_with_kv


def test_either_alone_passes():
    assert no_checkpointing_with_kv("kv", False) is None
    assert no_checkpointing_with_kv("ce", True) is None


def test_both_together_are_refused():
    problem = no_checkpointing_with_kv("kv", True)
    assert problem.message == (
        'gradient checkpointing takes away the cache that objective.kind = "kv" compares'
    )
    assert problem.hint == "train.gradient_checkpointing = false, with a smaller train.micro_batch"
    assert problem.key == "train.gradient_checkpointing"
