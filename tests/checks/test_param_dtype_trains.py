from kavaspec.checks.param_dtype_trains import param_dtype_trains


def test_float32_passes():
    assert param_dtype_trains("float32", 2e-4) is None


def test_float16_is_refused():
    problem = param_dtype_trains("float16", 2e-4)
    assert problem.message == (
        "float16 weights cannot be trained: gradients of float16 weights cannot be unscaled"
    )
    assert problem.hint == 'train.param_dtype = "float32"'
    assert (problem.key, problem.severity) == ("train.param_dtype", "error")


def test_bfloat16_is_warned_about():
    problem = param_dtype_trains("bfloat16", 5e-5)
    assert problem.message == (
        "bfloat16 weights of 0.015625 and more do not move at "
        "train.learning_rate = 5e-05: the update is rounded away"
    )
    assert problem.hint == 'train.param_dtype = "float32"'
    assert (problem.key, problem.severity) == ("train.param_dtype", "warning")
