"""For any machine, models and data: what the rules decide passes every check.

But for one: no decision makes a student fit that is too large for the machine.
"""

from types import MappingProxyType

from hypothesis import given, settings

from kavaspec.checks import CHECKS
from kavaspec.resolve import NOTHING, resolve, veto
from kavaspec.rules import RULES
from kavaspec.spec.load import parse_spec
from tests.worlds import SPEC, experiments, known, machines, objectives

TOO_LARGE = "KV0768"


@given(added=objectives(), experiment=experiments(), machine=machines())
@settings(max_examples=150, deadline=None)
def test_what_the_rules_decide_passes_every_check(added, experiment, machine):
    spec = parse_spec(SPEC + added, "kava.toml", set=MappingProxyType({}))
    about = known(experiment)
    base = resolve(spec.experiment, about, RULES, base=NOTHING, not_found={})
    everything = {**about, **known(machine)}
    target = resolve(spec.targets["here"].asked, everything, RULES, base=base, not_found={})
    assert (*base.problems, *target.problems) == ()
    decisions = {**base.decisions, **target.decisions}
    problems, _ = veto(CHECKS, decisions, everything)
    errors = [problem for problem in problems if problem.severity == "error"]
    assert [problem.message for problem in errors if problem.code != TOO_LARGE] == []
