"""`lock`, then `check`: fresh, for any spec on any machines; and twice the same bytes."""

from __future__ import annotations

import random
from types import MappingProxyType

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from kavaspec.errors import KavaError
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import lock_text, parse_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import compare
from kavaspec.lock.versions import NOTHING_RECORDED, recorded
from kavaspec.plain import toml
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import Key, choices, keys
from tests.effort import effort
from tests.worlds import experiments, known, machines

SOURCES = ("model.teacher.source", "model.student.source", "data.source")
NUMBERS = {
    "train.global_batch": [1, 8, 12, 32, 60, 64],
    "train.micro_batch": [1, 2, 4, 8],
    "train.accumulation": [1, 2, 4, 8],
    "data.max_length": [8, 16, 64],
    "train.steps": [1, 10, 100],
    "train.threads": [1],
}


def value_of(key: Key) -> st.SearchStrategy[object]:
    """Something that a person may write for a key; not always possible with the rest."""
    words, kind = choices(key.field), str(key.field.annotation)
    options: list[st.SearchStrategy[object]] = []
    if key.auto:
        options += [st.just("auto"), st.just({"auto": True})]
    if key.auto and words:
        options.append(st.lists(st.sampled_from(words), min_size=1).map(limited_to))
    if key.name in NUMBERS:
        options.append(st.sampled_from(NUMBERS[key.name]))
        if key.auto:
            options.append(st.integers(1, 64).map(lambda most: {"auto": True, "max": most}))
    elif words:
        options.append(st.sampled_from(words))
    elif "float" in kind:
        options.append(st.floats(1e-6, 1.0))
    elif "bool" in kind:
        options.append(st.booleans())
    return st.one_of(*options) if options else st.nothing()


def limited_to(words: list[str]) -> object:
    return {"auto": True, "one_of": words}


EXPERIMENT = sorted(key.name for key in keys().values() if key.tier == "experiment")
OTHER = sorted(key.name for key in keys().values() if key.tier != "experiment")


def some(names: list[str]) -> st.SearchStrategy[dict[str, object]]:
    """A few keys with values."""
    written = {
        name: value_of(keys()[name])
        for name in names
        if name not in SOURCES and not value_of(keys()[name]).is_empty
    }
    return st.lists(st.sampled_from(sorted(written)), max_size=5, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: written[name] for name in chosen})
    )


@st.composite
def specs(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """The text of a spec, and what `--set` lays over it."""
    lines = [f"{key} = {toml(value)}" for key, value in draw(some(EXPERIMENT + OTHER)).items()]
    lines += [f'{source} = "{source}"' for source in SOURCES]
    draw(st.randoms()).shuffle(lines)
    for name in draw(st.lists(st.sampled_from(["a", "b", "gpu.x"]), max_size=2, unique=True)):
        lines.append(f'[targets."{name}"]')
        lines += [f"{key} = {toml(value)}" for key, value in draw(some(OTHER)).items()]
    settings = draw(some(OTHER)) if draw(st.booleans()) else {}
    return "\n".join(lines) + "\n", {k: v for k, v in settings.items() if not isinstance(v, dict)}


@given(written=specs(), experiment=experiments(), each=st.lists(machines(), min_size=2, max_size=2))
@settings(
    max_examples=effort(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_what_was_locked_is_fresh(written, experiment, each):
    text, setting = written
    try:
        spec = parse_spec(text, "kava.toml", set=MappingProxyType(setting))
    except KavaError:
        event("not a spec")
        assume(False)
    targets = {name: known(each[i % 2]) for i, name in enumerate(spec.targets)}
    derived = derive(spec, known(experiment), targets, not_found={}, recorded=NOTHING_RECORDED)
    if derived.errors:
        event("nothing can be decided")
        return
    event("locked")
    locked = lock_text(derived.lock)
    read = parse_lock(locked, "kava.lock")
    assert lock_text(read) == locked, "reading and writing changes nothing"
    found = compare(spec, read)
    assert (found.differing, found.missing_facts, found.derived.errors) == ((), (), ())
    assert found.fresh
    assert all(ids(read, name) == ids(derived.lock, name) for name in read.targets)
    shuffled = random.Random(len(text))
    order = {name: shuffle(facts, shuffled) for name, facts in targets.items()}
    again = derive(
        spec, shuffle(known(experiment), shuffled), order, not_found={}, recorded=NOTHING_RECORDED
    )
    assert lock_text(again.lock) == locked, "the order of facts means nothing"
    told = {name: facts_of(target.facts) for name, target in read.targets.items()}
    from_the_lock = derive(spec, facts_of(read.facts), told, not_found={}, recorded=recorded(read))
    assert lock_text(from_the_lock.lock) == locked, "locking again is a no-op"
    assert compare(recover_spec(read), read).fresh, "a lock explains itself without its spec"


def shuffle(facts, order):
    names = list(facts)
    order.shuffle(names)
    return {name: facts[name] for name in names}
