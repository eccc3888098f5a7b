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


def test_bfloat16_is_trained_with_stochastic_rounding():
    assert param_dtype_trains("bfloat16", 5e-5) is None
