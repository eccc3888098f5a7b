import pytest

from kavaspec.checks.software_is_here import python_is_here, torch_is_here, transformers_is_here


@pytest.mark.parametrize("check", [python_is_here, torch_is_here, transformers_is_here])
@pytest.mark.parametrize("found", ["2.13.0", None], ids=["the-same", "unknown"])
def test_the_version_that_is_there_passes(check, found):
    assert check("2.13.0", found) is None


@pytest.mark.parametrize(
    ("check", "key", "name"),
    [
        (python_is_here, "python", "Python"),
        (torch_is_here, "torch", "torch"),
        (transformers_is_here, "transformers", "transformers"),
    ],
)
def test_another_is_refused(check, key, name):
    problem = check("2.12.1", "2.13.0")
    assert problem.message == f"software.{key} is 2.12.1, but {name} 2.13.0 is installed there"
    assert problem.hint == (
        f'software.{key} = "auto", or install {name} 2.12.1 and lock with --refresh'
    )
    assert problem.key == f"software.{key}"
