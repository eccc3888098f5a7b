from kavaspec.rules.data_digest import data_digest


def test_the_digest_is_what_was_read():
    decision = data_digest("sha256:" + "0a1b2c3d" * 8)
    assert decision.value == "sha256:" + "0a1b2c3d" * 8
    assert decision.because == "the rows of both splits hash to sha256:0a1b2c3d"
