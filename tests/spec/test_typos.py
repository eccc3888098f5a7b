"""A slip of the pen in any key: found at its place, the right key offered, and mended by `fix`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from kavaspec.decision import AUTO
from kavaspec.plain import toml
from kavaspec.spec.fix import apply, problems_of
from kavaspec.spec.schema import groups, keys

LEAST_RIGHT = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """A spec with one slip."""

    kind: str
    key: str
    text: str
    line: int
    column: int
    before: str
    """The spec as it was meant."""


def value(name: str) -> str:
    key = keys()[name]
    if key.required:
        return '"x"'
    if key.auto:
        return toml(AUTO)
    return "{ unset = true }" if key.default is None else toml(key.default)


def needed(name: str) -> str:
    """The required keys, other than the one that is misspelt."""
    required = ('data.source = "x"', 'model.teacher.source = "x"')
    return "".join(f"{line}\n" for line in required if line.partition(" ")[0] != name)


def slip(name: str, kind: str) -> Mutant:
    """The key in a table of its own, its last name misspelt."""
    table, _, tail = name.rpartition(".")
    at = len(tail) // 2
    if kind == "swapped":
        at = next(i for i in range(max(1, at), len(tail)) if tail[i] != tail[i - 1])
    wrong = {
        "dropped": tail[:at] + tail[at + 1 :],
        "doubled": tail[:at] + tail[at] + tail[at:],
        "swapped": tail[: at - 1] + tail[at] + tail[at - 1] + tail[at + 1 :],
    }[kind]
    lines = f"[{table}]\n# the machine decides\n{tail} = {value(name)}  # so it is\n"
    before = (lines if table else lines.partition("\n")[2]) + others(name)
    row = 3 if table else 2
    return Mutant(
        kind=kind,
        key=name,
        text=before.replace(f"\n{tail} =", f"\n{wrong} =", 1),
        line=row,
        column=1,
        before=before,
    )


def others(name: str) -> str:
    """The required keys in tables of their own, after the others; not twice the same table."""
    text = ""
    for required in ("data", "model.teacher"):
        if f"{required}.source" == name:
            continue
        if name.rpartition(".")[0] == required:
            text = 'source = "x"\n' + text
        else:
            text += f'[{required}]\nsource = "x"\n'
    return text


def misplaced(name: str) -> Mutant:
    """The key under the name of another table."""
    table, _, tail = name.rpartition(".")
    tables = [other for other in groups() if other and f"{other}.{tail}" not in keys()]
    tables = [other for other in tables if f"{other}.{tail}" not in groups()]
    other = tables[(tables.index(table) if table in tables else len(tail)) % len(tables) - 1]
    lines = "# in the wrong table\n{} = " + value(name) + "\n" + needed(name)
    return Mutant(
        kind="wrong table",
        key=name,
        text=lines.replace("{}", f"{other}.{tail}", 1),
        line=2,
        column=len(f"{other}.") + 1,
        before=lines.replace("{}", name, 1),
    )


MUTANTS = [
    mutant
    for name in keys()
    for mutant in (
        *(slip(name, kind) for kind in ("dropped", "doubled", "swapped")),
        misplaced(name),
    )
]


def test_the_specs_are_right_before_the_slip():
    wrong = {mutant.key: problems_of(mutant.before, "kava.toml") for mutant in MUTANTS}
    assert {key: problems for key, problems in wrong.items() if problems} == {}


def test_every_slip_is_one_message_at_its_very_place():
    for mutant in MUTANTS:
        found = problems_of(mutant.text, "kava.toml")
        places = [(problem.code, problem.where.line, problem.where.column) for problem in found]
        assert places == [("KV0104", mutant.line, mutant.column)], mutant


def test_the_right_key_is_offered():
    right = Counter(mutant.kind for mutant in MUTANTS if offers(mutant) == [mutant.key])
    named = Counter(mutant.kind for mutant in MUTANTS if mutant.key in offers(mutant))
    total = Counter(mutant.kind for mutant in MUTANTS)
    shares = {kind: f"{named[kind]} of {total[kind]}, alone {right[kind]}" for kind in total}
    share = named.total() / total.total()
    assert share >= LEAST_RIGHT, f"the right key is offered for {share:.1%}: {shares}"
    for kind in ("dropped", "doubled", "swapped"):
        assert right[kind] / total[kind] >= LEAST_RIGHT, shares


def test_a_fix_gives_back_what_was_meant():
    """No fix is ever wrong; a slip inside a table is nearly always fixed."""
    fixed = Counter[str]()
    for mutant in MUTANTS:
        fixes = [problem.fix for problem in problems_of(mutant.text, "kava.toml") if problem.fix]
        if fixes:
            assert apply(mutant.text, fixes) == mutant.before, mutant
            fixed[mutant.kind] += 1
    total = Counter(mutant.kind for mutant in MUTANTS)
    shares = {kind: f"{fixed[kind]} of {total[kind]}" for kind in total}
    for kind in ("dropped", "doubled", "swapped"):
        assert fixed[kind] / total[kind] >= LEAST_RIGHT, shares


def offers(mutant: Mutant) -> list[str]:
    [problem] = problems_of(mutant.text, "kava.toml")
    said = (problem.hint or "").removeprefix("did you mean ").removesuffix("?")
    return said.replace(" or ", ", ").split(", ")
