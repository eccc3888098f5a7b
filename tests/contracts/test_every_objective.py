"""What may be said about an objective and what it does stand in two folders with the same files."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import kavaspec.spec.objectives as spoken
import kavaspec_runtime.objectives as done
from kavaspec_runtime.objectives import OBJECTIVES, objective_for
from kavaspec_runtime.objectives.objective import Objective


def files(package) -> set[str]:
    return {path.stem for path in Path(package.__file__).parent.glob("*.py")}


def test_every_kind_that_may_be_said_can_be_done_and_the_other_way_round():
    assert {objective.kind: objective.needs_teacher for objective in OBJECTIVES} == {
        kind: objective.needs_teacher for kind, objective in spoken.OBJECTIVES.items()
    }


def test_each_kind_has_a_file_of_its_name_on_both_sides():
    assert files(spoken) - {"__init__"} == files(done) - {"__init__", "objective"}
    assert {objective.kind for objective in OBJECTIVES} == files(spoken) - {"__init__"}


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.kind)
def test_each_kind_has_the_whole_shape(objective):
    assert issubclass(objective, Objective)
    assert not inspect.isabstract(objective)
    assert objective_for(objective.kind) is objective
    assert inspect.getmodule(objective).__doc__.startswith(f'`objective.kind = "{objective.kind}"`')
