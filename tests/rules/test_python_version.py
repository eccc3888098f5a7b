from kavaspec.rules.python_version import python_version


def test_python_version():
    decision = python_version("3.11")
    assert (decision.value, decision.because) == ("3.11", "Python 3.11 is what runs there")
