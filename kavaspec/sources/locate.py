"""Finds the folder or file of a source on this machine; says every place it looked when there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from kavaspec.errors import Exit, KavaError, did_you_mean, fail
from kavaspec.sources import parse_source

What: TypeAlias = Literal["model", "data"]

BUILTIN_DATA = ("arithmetic",)
_BUILTIN_MODELS = Path(__file__).parent.parent / "builtin"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def expand(place: str, env: Mapping[str, str], project: Path) -> Path | None:
    """The folder that a symbolic place means here, or None when one of its variables is not set.

    `$NAME`, `${NAME}` and a leading `~` are replaced from `env`; a relative place lies under
    `project`. Nothing else of a shell is understood.
    """
    if place == "~" or place.startswith(("~/", "~\\")):
        home = env.get("HOME") or env.get("USERPROFILE")
        if not home:
            return None
        place = home + place[1:]
    names = [braced or bare for braced, bare in _VARIABLE.findall(place)]
    if not all(env.get(name) for name in names):
        return None
    return project / _VARIABLE.sub(lambda match: env[match[1] or match[2]], place)


def locate(
    source_text: str,
    *,
    what: What,
    revision: str | None,
    places: Sequence[Path],
    project: Path,
    env: Mapping[str, str] | None = None,
) -> Path | None:
    """Where a source lies here; None for builtin data, which needs no file.

    Args:
        source_text: as in the spec.
        what: whether a model or data is looked for.
        revision: commit, branch or tag of a hub source; None takes what the cache calls main.
        places: folders to look in, in order (`paths.models` or `paths.data`, expanded).
        project: folder of kava.toml.
        env: environment variables; this process's when left out.

    Raises:
        KavaError: exit 8, naming every place it looked; exit 2 for a builtin that does not exist.
    """
    env = os.environ if env is None else env
    source = parse_source(source_text)
    if source.kind == "builtin":
        return _builtin(source.name, what)
    if source.kind == "path":
        tried = list(_path_places(source.name, places, project, env))
    else:
        tried = list(_hub_places(source.name, what, revision, places, env))
    for candidate in tried:
        if candidate.exists():
            return candidate
    raise _not_found(source_text, what, tried, project)


def _builtin(name: str, what: What) -> Path | None:
    models = sorted(file.parent.name for file in _BUILTIN_MODELS.glob("*/config.json"))
    known = list(BUILTIN_DATA) if what == "data" else models
    if name in known:
        return None if what == "data" else _BUILTIN_MODELS / name
    near = did_you_mean(name, known)
    there = ", ".join(f"builtin:{item}" for item in known) or "none"
    hint = f"did you mean builtin:{near}?" if near else f"there are: {there}"
    kind = "model" if what == "model" else "data set"
    raise fail(f"builtin:{name} is not a builtin {kind}", Exit.USAGE, code="KV0207", hint=hint)


def _path_places(
    name: str, places: Sequence[Path], project: Path, env: Mapping[str, str]
) -> Iterator[Path]:
    path = expand(name, env, project)
    if path is None:
        raise fail(
            f"{name} cannot be found: a variable in it is not set here",
            Exit.ENVIRONMENT,
            code="KV0208",
            hint="set the variable, or write the path without it and add its folder to paths",
        )
    yield path
    if path == project / name and not Path(name).is_absolute():
        yield from (place / name for place in places)


def _hub_places(
    name: str, what: What, revision: str | None, places: Sequence[Path], env: Mapping[str, str]
) -> Iterator[Path]:
    for place in places:
        yield place / name
        yield place / name.partition("/")[2]
    repo = (
        hub_cache(env) / f"{'models' if what == 'model' else 'datasets'}--{name.replace('/', '--')}"
    )
    yield repo / "snapshots" / _commit(repo, revision or "main")


def hub_cache(env: Mapping[str, str]) -> Path:
    """The folder where Hugging Face's own tools keep what they downloaded."""
    if env.get("HF_HUB_CACHE"):
        return Path(env["HF_HUB_CACHE"])
    if env.get("HF_HOME"):
        return Path(env["HF_HOME"]) / "hub"
    home = Path(env.get("HOME") or env.get("USERPROFILE") or ".")
    cache = Path(env["XDG_CACHE_HOME"]) if env.get("XDG_CACHE_HOME") else home / ".cache"
    return cache / "huggingface" / "hub"


def _commit(repo: Path, revision: str) -> str:
    """A branch or tag is a file that holds the commit; anything else is the commit."""
    try:
        return (repo / "refs" / revision).read_text(encoding="utf-8").strip()
    except OSError:
        return revision


def revision_of(path: Path) -> str | None:
    """The commit of a folder inside the hub's cache; None for any other folder."""
    is_snapshot = path.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", path.name)
    return path.name if is_snapshot else None


def _near(source: str, tried: Sequence[Path]) -> str | None:
    """The path as it may have been meant: a name that is in a folder that was looked at."""
    for place in tried:
        try:
            there = sorted(item.name for item in place.parent.iterdir())
        except OSError:  # it is not there, or not to be read
            continue
        near = did_you_mean(place.name, there)
        if near and source.endswith(place.name):
            return source[: -len(place.name)] + near
    return None


def _not_found(source: str, what: What, tried: Sequence[Path], project: Path) -> KavaError:
    looked = "".join(f"\n  {path}" for path in tried)
    message = f"{source} ({what}) is not on this machine. Looked for:{looked}"
    if parse_source(source).kind == "path":
        near = _near(source, tried)
        hint = "correct the path, or put it at one of these places"
        hint = f"did you mean {near}? Else put it at one of these places" if near else hint
    elif (project / source).exists():
        hint = f'there is a folder {source} beside kava.toml: write "./{source}" to mean it'
    else:
        kind = "" if what == "model" else " --repo-type dataset"
        hint = (
            f"where there is network: hf download {source}{kind}; "
            "or copy its folder to one of these places"
        )
    return fail(message, Exit.ENVIRONMENT, code="KV0206", hint=hint)
