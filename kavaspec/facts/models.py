"""Facts about one model: what it is, how big it is, what it leaves in its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.facts.model import Fact, Facts, NotFound, Observation
from kavaspec.facts.probe import Child, Missing, NoAnswer, Seen, sign
from kavaspec.facts.wanted import ExperimentRequest, Role
from kavaspec.plain import Plain
from kavaspec.sources import digest
from kavaspec.sources.locate import revision_of

FILES_PROBE, CONFIG_PROBE, LAYOUT_PROBE = "model_files@1", "model_config@1", "kv_layout@1"
SHAPE = ("parameters", "vocab_size", "max_length", "architecture")
TIMEOUT_S = 300
LARGE_BYTES = 2**28
"""Hashing more than this takes long enough to say so."""
ONLY_CONFIG = "only config.json is here: no weights to hash"
NO_TOKENIZER = "only config.json is here: no tokenizer to hash"


def observe_model(
    role: Role,
    wanted: ExperimentRequest,
    child: Child,
    report: Callable[[str], None],
) -> Observation:
    """Every fact about a model that has files of its own.

    Raises:
        KavaError: exit 8, when it cannot be read.
    """
    path = wanted.path(role)
    assert path is not None, "compile locates a source before it asks for facts about it"
    of = wanted.of_teacher() if role == "teacher" else wanted.of_student()
    with_weights = role == "teacher" or wanted.student_init != "random"
    with about(f"model.{role}.source"):
        if not _is_gguf(path):
            digest.read_config(path)  # the clearest message for a folder that is no model
            _refuse_half_a_model(role, path, wanted, with_weights=with_weights)
        slow = " (a .gguf file takes some seconds)" if _is_gguf(path) else ""
        report(f"looking at the {role}'s architecture{slow} ...")
        shape = _shape(role, path, None, child)
        files = {
            "digest": _digest(role, path, with_weights=with_weights, report=report),
            "tokenizer": _tokenizer(path, child),
            "revision": _revision(path),
        }
    return _signed(role, files, shape, of)


def observe_part_of_teacher(
    wanted: ExperimentRequest,
    teacher: Facts,
    child: Child,
) -> Observation:
    """Every fact about a student that is some layers of its teacher.

    Raises:
        KavaError: exit 7, when the teacher has no such layer.
    """
    path, layers = wanted.path("student"), wanted.student_layers
    files: dict[str, Seen | Missing]
    if path is None or not layers:
        lacks = (
            "model.student.layers names no layer"
            if path
            else "there is no teacher to take layers from"
        )
        files = dict.fromkeys(("digest", "tokenizer", "revision"), Missing(because=lacks))
        return _signed("student", files, _unknown(lacks), wanted.of_student())
    shape = _shape("student", path, layers, child)
    files = {name: _same_as(teacher, f"fact.teacher.{name}") for name in ("tokenizer", "revision")}
    whole = teacher.get("fact.teacher.digest")
    files["digest"] = Missing(because="the teacher's digest is not known")
    if whole is not None:
        value = digest.layers_digest(str(whole.value), layers)
        files["digest"] = Seen(
            value=value, how=whole.how, evidence=f"layers of it: {whole.evidence}"
        )
    return _signed("student", files, shape, wanted.of_student())


def _signed(
    role: Role,
    files: Mapping[str, Seen | Missing],
    shape: Mapping[str, Seen | Missing],
    of: Mapping[str, Plain],
) -> Observation:
    """The facts under their full names, each signed by what saw it."""
    facts: dict[str, Fact] = {}
    not_found: list[NotFound] = []
    for name, item in {**files, **shape}.items():
        by_config = CONFIG_PROBE if name in SHAPE else LAYOUT_PROBE
        signed = sign(
            FILES_PROBE if name in files else by_config, {f"fact.{role}.{name}": item}, of=of
        )
        facts |= signed.facts
        not_found += signed.not_found
    return Observation(facts=facts, not_found=tuple(not_found))


def _shape(
    role: Role,
    path: Path,
    layers: tuple[int, ...] | None,
    child: Child,
) -> dict[str, Seen | Missing]:
    """What the config says, by a forward pass without weights."""
    question = {"ask": "model", "path": str(path), "layers": layers}
    try:
        answer: Mapping[str, Any] = child.ask(question, timeout_s=TIMEOUT_S)
    except NoAnswer as error:
        return _unknown(error.because, hint=error.hint)
    if "error" in answer:
        raise refused(answer, f"the {role} cannot be used", path, f"model.{role}.source")
    shape: dict[str, Seen | Missing] = {
        name: Seen(value=fact["value"], evidence=fact["evidence"], how="derived")
        for name, fact in answer["facts"].items()
    }
    for absent in answer["not_found"]:
        shape[absent["fact"]] = Missing(because=absent["because"], hint=absent["hint"])
    return shape


def _unknown(because: str, *, hint: str | None = None) -> dict[str, Seen | Missing]:
    """Nothing of what a config says could be established."""
    return dict.fromkeys((*SHAPE, "kv_layout"), Missing(because=because, hint=hint))


def _refuse_half_a_model(
    role: Role, path: Path, wanted: ExperimentRequest, *, with_weights: bool
) -> None:
    """Rows become tokens with the tokenizer of the student's files. Where there is only a config, the
    lock is provisional; weights without a tokenizer are a model that nobody can run.
    """
    if path != wanted.path("student") or digest.has_tokenizer(path):
        return
    if with_weights and digest.has_weights(path):
        raise fail(
            f"{path} has weights and no tokenizer: none of {', '.join(digest.TOKENIZERS)}",
            Exit.ENVIRONMENT,
            code="KV0214",
            key=f"model.{role}.source",
            hint="copy tokenizer.json and tokenizer_config.json beside the weights",
        )


def _digest(role: Role, path: Path, *, with_weights: bool, report: Callable[[str], None]) -> Seen:
    if not with_weights:
        if not digest.has_tokenizer(path):
            value = digest.model_digest(path, weights=False)
            return Seen(value=value, evidence=NO_TOKENIZER, how="declared")
        evidence = "config and tokenizer; the weights are drawn from train.seed"
        return Seen(value=digest.model_digest(path, weights=False), evidence=evidence)
    if not digest.has_weights(path):
        return Seen(value=digest.config_digest(path), evidence=ONLY_CONFIG, how="declared")
    size = digest.weights_bytes(path)
    if size > LARGE_BYTES:
        report(f"hashing the {role}'s weights ({size / 1e9:.1f} GB) ...")
    value = digest.model_digest(path, weights=True)
    return Seen(value=value, evidence=f"{size} bytes of weights")


def _tokenizer(path: Path, child: Child) -> Seen | Missing:
    """From tokenizer.json without torch; from any other form through transformers."""
    if (path / "tokenizer.json").is_file():
        return Seen(value=digest.tokenizer_digest(path), evidence="tokenizer.json")
    if not digest.has_tokenizer(path):
        return Missing(
            because="there is no tokenizer beside config.json",
            hint="bring the whole model: weights, config.json and tokenizer.json",
        )
    try:
        answer: Mapping[str, Any] = child.ask(
            {"ask": "tokenizer", "path": str(path)},
            timeout_s=TIMEOUT_S,
        )
    except NoAnswer as error:
        return Missing(because=error.because, hint=error.hint)
    if "error" in answer:
        return Missing(because=answer["error"], hint=answer.get("hint"))
    fact = answer["facts"]["tokenizer"]
    return Seen(value=fact["value"], evidence=fact["evidence"])


def _revision(path: Path) -> Seen:
    commit = revision_of(path)
    if commit is not None:
        return Seen(value=commit, evidence="the folder of the hub's cache")
    return Seen(value=None, evidence="it does not come from the hub's cache")


def _same_as(teacher: Facts, name: str) -> Seen | Missing:
    fact = teacher.get(name)
    if fact is None:
        return Missing(because=f"{name} is not known")
    return Seen(value=fact.value, evidence=f"the teacher's: {fact.evidence}", how=fact.how)


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def refused(answer: Mapping[str, Any], what: str, path: Path | None, key: str) -> KavaError:
    """The child's refusal as an error that carries the key it is about."""
    key = answer.get("key") or key
    code = Exit(
        answer.get("exit") or (Exit.UNSATISFIABLE if answer.get("key") else Exit.ENVIRONMENT)
    )
    told = path is None or str(path) in answer["error"]
    message = f"{what}: {answer['error']}" + ("" if told else f" ({path})")
    return KavaError(
        Problem(
            message=message,
            exit=code,
            code=answer.get("code") or ("KV0213" if answer.get("key") else "KV0212"),
            key=key,
            hint=answer.get("hint"),
        )
    )


@contextmanager
def about(key: str) -> Iterator[None]:
    """Errors raised inside are about this key, unless they name another."""
    try:
        yield
    except KavaError as error:
        named = [replace(problem, key=problem.key or key) for problem in error.problems]
        raise KavaError(*named) from error
