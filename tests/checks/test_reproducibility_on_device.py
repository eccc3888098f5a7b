import pytest

from kavaspec.checks.reproducibility_on_device import reproducibility_on_device


@pytest.mark.parametrize(
    ("reproducibility", "device"),
    [("bitwise", "cpu"), ("bitwise", "cuda"), ("data_exact", "mps"), ("statistical", "rocm")],
)
def test_a_promise_that_can_be_kept_passes(reproducibility, device):
    assert reproducibility_on_device(reproducibility, device) is None


def test_one_that_cannot_is_refused():
    problem = reproducibility_on_device("bitwise", "mps")
    assert problem.message == (
        "bitwise cannot be promised on mps: "
        "deterministic mode on MPS stops in the embedding's backward"
    )
    assert problem.hint == 'train.reproducibility = "data_exact"'
    assert problem.key == "train.reproducibility"
