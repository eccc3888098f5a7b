"""The child process that imports torch: real ones, and what happens when they fail."""

from __future__ import annotations

import os

import pytest

from kavaspec.facts import child as child_module
from kavaspec.facts.child import TorchChild
from kavaspec.facts.probe import NoAnswer

pytestmark = pytest.mark.slow

ECHO = """
import json, sys
print("noise on standard error", file=sys.stderr)
for line in sys.stdin:
    question = json.loads(line)
    {body}
"""


@pytest.fixture
def small_child(tmp_path, monkeypatch):
    """A child that runs a few lines instead of torch."""

    def make(body):
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / "small_child.py").write_text(ECHO.format(body=body))
        monkeypatch.setattr(child_module, "MODULE", "small_child")
        return TorchChild({**os.environ, "PYTHONPATH": str(folder)})

    return make


def test_one_process_answers_all_questions(small_child):
    with small_child(
        'print(json.dumps({"facts": __import__("os").getpid()}), flush=True)'
    ) as child:
        first = child.ask({"ask": "pid"}, timeout_s=30)
        assert child.ask({"ask": "pid"}, timeout_s=30) == first


def test_a_child_that_dies_says_its_last_words_and_the_next_question_starts_another(small_child):
    with small_child(
        'sys.exit("boom") if question["ask"] == "die" else print("{}", flush=True)'
    ) as child:
        with pytest.raises(NoAnswer, match="the process that uses torch ended with 1: boom"):
            child.ask({"ask": "die"}, timeout_s=30)
        assert child.ask({"ask": "live"}, timeout_s=30) == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that kill like this")
def test_a_child_that_is_killed_is_no_traceback(small_child):
    child = small_child('__import__("os").kill(__import__("os").getpid(), 9)')
    with child, pytest.raises(NoAnswer) as caught:
        child.ask({"ask": "x"}, timeout_s=30)
    said = "the process that uses torch ended with -9: noise on standard error"
    assert caught.value.because == said


def test_a_child_that_takes_too_long_is_ended(small_child):
    with small_child('__import__("time").sleep(60)') as child:
        with pytest.raises(NoAnswer, match=r"torch did not answer within 0\.5 s"):
            child.ask({"ask": "x"}, timeout_s=0.5)
        assert child._process is None


def test_without_the_runtime_no_process_is_started(monkeypatch):
    monkeypatch.setattr(child_module, "NEEDED", ("no_such_torch",))
    with TorchChild({}) as child:
        assert child.missing() == "no_such_torch"
        with pytest.raises(NoAnswer) as caught:
            child.ask({"ask": "torch"}, timeout_s=1)
    assert caught.value.because == "no_such_torch is not installed"
    assert caught.value.hint == "pip install 'kavaspec[runtime]'"


def test_a_file_in_the_working_folder_is_never_taken_for_a_module(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    with TorchChild(os.environ) as child:
        answer = child.ask({"ask": "model", "path": str(tmp_path), "layers": None}, timeout_s=120)
    assert "wrong json" not in str(answer)


def test_the_child_is_offline_and_quiet_and_keeps_what_it_is_given():
    env = child_module.environment({"HF_HUB_OFFLINE": "0", "CUDA_VISIBLE_DEVICES": "1"})
    assert env["HF_HUB_OFFLINE"] == env["TRANSFORMERS_OFFLINE"] == "1"
    assert env["TRANSFORMERS_VERBOSITY"] == "error"
    assert env["CUDA_VISIBLE_DEVICES"] == "1"


def test_questions_it_does_not_understand_are_answered_with_an_error():
    with TorchChild({"PATH": ""}) as child:
        assert child.ask({"ask": "nonsense"}, timeout_s=120) == {
            "error": "KeyError: 'nonsense'",
            "hint": None,
        }


def test_the_real_torch_answers_and_so_do_both_canaries():
    with TorchChild(os.environ) as child:
        torch = child.ask({"ask": "torch"}, timeout_s=120)["facts"]
        assert torch["fact.torch.backend"]["value"] in ("cuda", "rocm", "mps", "cpu")
        for dtype in ("bfloat16", "float16"):
            facts = child.ask({"ask": "canary", "dtype": dtype}, timeout_s=120)["facts"]
            assert facts[f"fact.canary.{dtype}"]["value"] in ("faster", "slower", "unsupported")
