from kavaspec.rules.model_digest import model_digest


def test_the_digest_is_what_was_read():
    decision = model_digest("sha256:" + "6f1c02ab" * 8)
    assert decision.value == "sha256:" + "6f1c02ab" * 8
    assert decision.because == "what it is made of hashes to sha256:6f1c02ab"
