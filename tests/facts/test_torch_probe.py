"""How answers of the torch child become facts."""

from __future__ import annotations

import pytest

from kavaspec.facts.model import NotFound
from kavaspec.facts.probe import NoAnswer
from kavaspec.facts.probes import torch_child

TORCH = {
    "facts": {
        "fact.torch.version": {"value": "2.13.0", "evidence": "torch 2.13.0+cu130"},
        "fact.torch.backend": {"value": "cuda", "evidence": "CUDA 13.0"},
        "fact.torch.arch_list": {"value": ["sm_80", "sm_90"], "evidence": "get_arch_list()"},
        "fact.torch.accelerator": {"value": "cuda", "evidence": "a matrix product ran on A100"},
        "fact.transformers.version": {"value": "5.23.0", "evidence": "transformers.__version__"},
    },
    "not_found": [],
}


def canary(dtype, value):
    return {"facts": {f"fact.canary.{dtype}": {"value": value, "evidence": "tried"}}}


class Both:
    """Answers both canaries."""

    def __init__(self, torch, canaries):
        self.torch, self.canaries = torch, canaries

    def missing(self):
        return None

    def ask(self, question, *, timeout_s):
        answer = self.torch if question["ask"] == "torch" else self.canaries[question["dtype"]]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


def test_answers_become_measured_facts_and_the_person_hears_what_is_tried(pretend):
    child = Both(
        TORCH, {"bfloat16": canary("bfloat16", "faster"), "float16": canary("float16", "wrong")}
    )
    seen = torch_child.observe(pretend.machine(child=child))
    assert seen.not_found == ()
    assert seen.facts["fact.torch.arch_list"].value == ("sm_80", "sm_90")
    assert seen.facts["fact.canary.float16"].value == "wrong"
    assert {fact.how for fact in seen.facts.values()} == {"measured"}
    assert pretend.reports == [
        "starting torch to see what it can use ...",
        "trying a small training step in bfloat16 ...",
        "trying a small training step in float16 ...",
    ]


def test_without_torch_there_is_none_and_the_canaries_say_how_to_get_it(pretend):
    seen = torch_child.observe(pretend.machine())
    for name in ("backend", "arch_list", "accelerator"):
        fact = seen.facts[f"fact.torch.{name}"]
        assert (fact.value, fact.evidence) == (None, "torch is not installed")
    assert seen.not_found == tuple(
        NotFound(
            fact=f"fact.canary.{dtype}",
            probe="torch@1",
            because="torch is not installed",
            hint="pip install 'kavaspec[runtime]'",
        )
        for dtype in ("bfloat16", "float16")
    )
    assert pretend.reports == []


@pytest.mark.parametrize(
    ("trouble", "because"),
    [
        (NoAnswer("torch did not answer within 300 s"), "torch did not answer within 300 s"),
        ({"error": "OSError: libtorch.so is broken"}, "OSError: libtorch.so is broken"),
    ],
)
def test_a_torch_that_fails_is_not_found_with_the_reason(pretend, trouble, because):
    child = Both(trouble, {"bfloat16": trouble, "float16": trouble})
    seen = torch_child.observe(pretend.machine(child=child))
    assert not seen.facts
    assert {absent.because for absent in seen.not_found} == {because}
    assert {absent.fact for absent in seen.not_found} == set(torch_child.NAMES)
