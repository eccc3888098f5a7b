"""From resolve on, nothing touches the world: files, sockets, environment, time and processes raise."""

from __future__ import annotations

import builtins
import io
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kavaspec.explain import explain, open_cases
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import lock_text, parse_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.stale import compare
from kavaspec.lock.versions import NOTHING_RECORDED
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import keys
from kavaspec.what_if import read_suppositions, what_if
from kavaspec.why_not import why_not

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "kava.toml").read_text(encoding="utf-8") + '\n[targets.a100]\nfacts = "a100.yaml"\n'
LOCK = (ROOT / "tests/golden/a100-slurm.lock").read_text(encoding="utf-8")


class Touched(AssertionError):
    pass


class Forbidden(dict[str, str]):
    def __getitem__(self, key: object) -> str:
        raise Touched

    get = __contains__ = __iter__ = __getitem__  # type: ignore[assignment]


@contextmanager
def world_that_raises() -> Iterator[None]:
    """Everything that reaches out of the process raises. Undone before an assertion is reported."""

    def touch(*_: object, **__: object) -> None:
        raise Touched

    doors = [
        (builtins, "open"),
        (io, "open"),
        (os, "open"),
        (os, "stat"),
        (os, "listdir"),
        (socket, "socket"),
        (subprocess, "Popen"),
        (time, "time"),
        (time, "monotonic"),
        (time, "perf_counter"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for module, name in doors:
            patch.setattr(module, name, touch)
        patch.setattr(os, "environ", Forbidden())
        yield


def test_resolving_checking_comparing_and_writing_need_nothing():
    parse_spec(SPEC, "kava.toml", set={})  # pydantic may build itself outside
    with world_that_raises():
        spec = parse_spec(SPEC, "kava.toml", set={})
        lock = parse_lock(LOCK, "kava.lock")
        facts, targets = facts_of(lock.facts), {"a100": facts_of(lock.targets["a100"].facts)}
        derived = derive(spec, facts, targets, not_found={}, recorded=NOTHING_RECORDED)
        text, fresh, names = lock_text(derived.lock), compare(spec, lock).fresh, ids(lock, "a100")
    assert not derived.errors
    assert text == LOCK
    assert fresh
    assert names.kx.startswith("kx1:")


def test_explaining_needs_only_the_docstrings_of_the_schema():
    spec, lock = parse_spec(SPEC, "kava.toml", set={}), parse_lock(LOCK, "kava.lock")
    assert [key.meaning for key in keys().values()]  # read from the source once, then kept
    spec.where("train.steps")  # loads the parser that knows positions
    with world_that_raises():
        case = open_cases(spec, lock, kept={})["a100"]
        told = explain(case, "train.micro_batch")
        flips, override = told.flips, told.override
        supposed = what_if(case, read_suppositions(["fact.gpu.memory_bytes=8GiB"]))
        refused = why_not(case, "train.threads", "4000")
        asked = why_not(case, "train.seed", "10")
    assert told.because
    assert flips
    assert override is not None
    assert [one.key for one in supposed.consequences] == []
    assert refused.verdict == "vetoed"
    assert asked.verdict == "allowed"


def test_the_fixture_bites():
    outcomes = []
    with world_that_raises():
        for look in (Path(__file__).read_bytes, lambda: os.environ["HOME"], time.time):
            try:
                look()
            except Touched:
                outcomes.append("raised")
    assert outcomes == ["raised"] * 3
