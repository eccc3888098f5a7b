import pytest

from kavaspec.rules.projector_hidden_dim import projector_hidden_dim


@pytest.mark.parametrize(
    ("kind", "in_dim", "value", "because"),
    [
        ("low_rank", (128, 128), (32, 32), "low_rank goes through rank = 32"),
        ("low_rank", 3072, 32, "low_rank goes through rank = 32"),
        ("mlp", 7168, 7168, "mlp is square before it narrows, as the original"),
        ("linear", 3072, 3072, "linear has no middle; what enters is what there is"),
        ("none", (128,), (128,), "none has no middle; what enters is what there is"),
    ],
    ids=["rank-by-layer", "rank", "seed", "linear", "none"],
)
def test_projector_hidden_dim(kind, in_dim, value, because):
    decision = projector_hidden_dim(kind, in_dim, 32)
    assert (decision.value, decision.because) == (value, because)
