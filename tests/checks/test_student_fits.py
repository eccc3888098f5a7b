"""The student alone must fit: so much is known before anything is measured."""

from kavaspec.checks.student_fits import student_fits

GIB = 2**30


def checked(
    memory: int | None,
    param_dtype: str = "float32",
    state_dtype: str = "float32",
    *,
    rank: int = 0,
):
    return student_fits(
        param_dtype,
        state_dtype,
        device="cuda",
        rank=rank,
        parameters=494_032_768,
        gpu_memory=memory,
        unified=False,
        host_memory=None,
    )


def test_what_is_too_large_before_any_row_is_refused():
    problem = checked(7 * GIB)
    assert problem.message == (
        "float32 weights and float32 moments of the student take 7.4 GiB with their gradients, and "
        "fact.gpu.memory_bytes is 7 GiB"
    )
    assert problem.hint == (
        'train.optimizer_state_dtype = "int8", train.param_dtype = "bfloat16", '
        "train.lora.rank = 16 (another experiment), or a larger device"
    )


def test_what_can_be_made_smaller_still_is_named():
    problem = checked(4 * GIB, "bfloat16")
    assert problem.hint == (
        'train.optimizer_state_dtype = "int8", train.lora.rank = 16 (another experiment), '
        "or a larger device"
    )


def test_what_fits_and_what_is_not_known_passes():
    assert checked(8 * GIB) is None
    assert checked(6 * GIB, "float32", "int8") is None
    assert checked(3 * GIB, "bfloat16", "int8") is None
    assert checked(None) is None


def test_adapters_leave_the_weights_only():
    assert checked(3 * GIB, rank=16) is None
    assert checked(1 * GIB, rank=16) is not None
