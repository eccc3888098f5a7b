"""What is offered for a word that a key does not take."""

import pytest

from kavaspec.spec.repair import repair_of
from kavaspec.spec.schema import keys


@pytest.mark.parametrize(
    ("word", "meant"),
    [("bf16", "bfloat16"), ("FP16", "float16"), ("fp32", "float32")],
)
def test_dtypes_have_short_names(word: str, meant: str):
    assert repair_of(keys()["train.precision"], word) == (
        f'did you mean "{meant}"?',
        f'"{meant}"',
    )


def test_a_gpu_is_never_turned_into_a_cpu():
    assert repair_of(keys()["train.device"], "gpu") == (
        'write "cuda", "rocm" or "mps"; "auto" takes the one that is here',
        None,
    )
