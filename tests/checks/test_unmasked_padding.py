from kavaspec.checks.unmasked_padding import unmasked_padding


def test_masked_padding_passes():
    assert unmasked_padding("attention") is None


def test_unmasked_padding_is_warned_about():
    problem = unmasked_padding("none")
    assert problem.message == 'objective.kv.mask = "none" counts padding as if it were text'
    assert problem.hint == 'objective.kv.mask = "attention"'
    assert (problem.key, problem.severity) == ("objective.kv.mask", "warning")
