"""The schema is an API: a key's tier and its introducing default are promises about ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.decision import AUTO
from kavaspec.spec.objectives import OBJECTIVES
from kavaspec.spec.schema import choices, describe, keys

REGISTRY = Path(__file__).parent / "registry.json"


def test_tier_and_default_of_every_key_are_as_registered():
    """To move a key or change a default is to change ids: it needs a new version of the id."""
    now = {name: [key.tier, key.default, key.since] for name, key in keys().items()}
    assert now == json.loads(REGISTRY.read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", keys().values(), ids=lambda key: key.name)
def test_every_key_says_what_it_means(key):
    assert key.meaning.endswith((".", "`", "]"))
    assert len(key.meaning) > 10


@pytest.mark.parametrize("key", keys().values(), ids=lambda key: key.name)
def test_every_number_has_a_unit_or_is_a_ratio(key):
    """Counts say what they count; what has no unit is a weight, a rate or a share."""
    if key.field.annotation is int:
        assert key.unit or key.name in {"train.seed", "train.lora.rank"}


@pytest.mark.parametrize("key", keys().values(), ids=lambda key: key.name)
def test_no_key_takes_the_word_auto_as_a_value(key):
    assert AUTO not in choices(key.field)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_presets_set_only_experiment_keys(kind):
    for preset in OBJECTIVES[kind].presets.values():
        assert {keys()[name].tier for name in preset} <= {"experiment"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("train.steps", 'an integer >= 1 or "auto"'),
        ("train.attention", '"sdpa", "eager" or "auto"'),
        ("train.lora.dropout", "a number >= 0 and < 1"),
        ("objective.kv.teacher_dim", 'an integer >= 1 or a list of integers >= 1 or "auto"'),
        ("objective.kind", '"kv" or "ce"'),
    ],
)
def test_description(key: str, text: str):
    assert describe(keys()[key].field, auto=keys()[key].auto) == text
