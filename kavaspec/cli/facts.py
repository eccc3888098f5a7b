"""`kavaspec facts`: what this machine is, or a model, or the models and data of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kavaspec.cli.app import Shell, shell
from kavaspec.cli.render import clip, print_json, table
from kavaspec.plain import show

if TYPE_CHECKING:
    from kavaspec.facts.model import Fact, Facts, Observation


def command(
    save: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write facts/NAME.yaml, to be committed.")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="Of the models and data that this spec names."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Of this model: a folder, .gguf or hub id.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
) -> int:
    """Print what this machine is, and what could not be found out."""
    at = shell()
    name = None if save is None else checked(save)
    if model is not None and (spec is not None or save is not None):
        from kavaspec.errors import Exit, fail

        message = f"--model cannot be combined with {'--spec' if spec else '--save'}"
        hint = "to keep facts about models: kavaspec facts --spec kava.toml --save NAME"
        raise fail(message, Exit.USAGE, code="KV0008", hint=hint)
    seen = _look(spec, model, at)
    facts = _as_of_a_model(seen.facts) if model is not None else seen.facts
    if as_json:
        print_json("kavaspec.facts/1", facts=facts, not_found=seen.not_found)
    else:
        _print(facts, seen, at)
    if name is not None:
        _save(name, seen, spec, at)
    return 0


def _look(spec: Path | None, model: str | None, at: Shell) -> Observation:
    from kavaspec.facts.observe import observe_experiment, observe_machine

    def report(text: str) -> None:
        at.err.line(at.err(f"· {text}", "dim"))

    if spec is None and model is None:
        return observe_machine(env=at.env, report=report)

    from kavaspec.compile import conventions, experiment_request
    from kavaspec.facts.wanted import ExperimentRequest
    from kavaspec.project import Project

    if spec is not None:
        from kavaspec.spec.load import load_spec

        project = Project(env=at.env, folder=spec.resolve().parent)
        wanted = experiment_request(load_spec(spec, set={}), project, (), report)
    else:
        project = Project(env=at.env, folder=Path.cwd())
        path = project.find(model, "model", revision=None, places=conventions("models"))
        wanted = ExperimentRequest(teacher_source=model, teacher_path=path)
    return observe_experiment(wanted, report=report, env=at.env)


def _print(facts: Mapping[str, Fact], seen: Observation, at: Shell) -> None:
    rows = [
        (name, clip(show(fact.value), 40), f"{fact.how} by {fact.probe}", fact.evidence)
        for name, fact in sorted(facts.items())
    ]
    for line in table(rows, at.width):
        at.out.line(line)
    for item in seen.not_found:
        at.out.line(at.out(f"{item.fact}: not found: {item.because}", "yellow"))
        if item.hint:
            at.out.line(f"  {item.hint}")


def _as_of_a_model(facts: Mapping[str, Fact]) -> Mapping[str, Fact]:
    """`--model` looks at a model as a teacher; on the screen it is just a model."""
    return {name.replace("fact.teacher.", "model."): fact for name, fact in facts.items()}


def _calibration(path: Path) -> Facts:
    """What `kavaspec calibrate` wrote into this file before: no probe can see it."""
    from kavaspec.calibrate import OVERHEAD
    from kavaspec.errors import KavaError
    from kavaspec.facts.file import stated_facts

    try:
        stated = stated_facts(path)
    except KavaError:  # there is none yet, or nobody could read it
        return {}
    return {name: fact for name, fact in stated.items() if name == OVERHEAD}


def _save(name: str, seen: Observation, spec: Path | None, at: Shell) -> None:
    from kavaspec.facts.file import write_facts

    path = (spec.parent if spec else Path()) / "facts" / f"{name}.yaml"
    of = f" --spec {spec.name}" if spec else ""
    kept = _calibration(path)
    note = f"Observed by `kavaspec facts{of} --save {name}`."
    write_facts(path, {**seen.facts, **kept}, note=note)
    at.err.line(f"wrote {path}")
    if kept:
        at.err.line(f"kept what runs measured: {', '.join(kept)}")
    where = "at the top of kava.toml" if spec else "below [targets.NAME] in kava.toml"
    at.err.line(f'name it {where}:  facts = "facts/{name}.yaml"')


def checked(name: str) -> str:
    """The name of a fact file, from the command line.

    Raises:
        KavaError: exit 2 when it is none.
    """
    from kavaspec.errors import Exit, fail

    if (
        not name
        or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or name[0] == "."
    ):
        raise fail(
            f"--save {name}: use letters, digits, `.`, `_` and `-`",
            Exit.USAGE,
            code="KV0008",
            hint="it is a name, not a path: --save cluster writes facts/cluster.yaml",
        )
    return name
