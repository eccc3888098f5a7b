"""Where sources lie on a machine, and what is said when they do not."""

from __future__ import annotations

import re

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.sources.locate import expand, hub_cache, locate, revision_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def places(tmp_path):
    """A project and two places, all empty."""
    folders = [tmp_path / name for name in ("project", "one", "two")]
    for folder in folders:
        folder.mkdir()
    return folders


def find(source, places, *, what="model", revision=None, env=None):
    project, *rest = places
    return locate(source, what=what, revision=revision, places=rest, project=project, env=env or {})


def folder(*parts):
    path = parts[0].joinpath(*parts[1:])
    path.mkdir(parents=True)
    return path


def test_an_absolute_path_is_itself(places, tmp_path):
    teacher = folder(tmp_path, "teacher")
    assert find(str(teacher), places) == teacher


def test_a_relative_path_is_looked_for_beside_the_spec_first_then_in_each_place(places):
    project, one, two = places
    last = folder(two, "m")
    assert find("./m", places) == last
    middle = folder(one, "m")
    assert find("./m", places) == middle
    first = folder(project, "m")
    assert find("./m", places) == first


def test_a_hub_id_lies_in_a_place_with_or_without_its_organisation(places):
    _, one, two = places
    short = folder(two, "gsm8k")
    assert find("openai/gsm8k", places, what="data") == short
    full = folder(one, "openai", "gsm8k")
    assert find("openai/gsm8k", places, what="data") == full


def test_a_hub_id_is_found_in_the_hubs_own_cache(places, tmp_path):
    repo = folder(tmp_path, "hf", "hub", "models--Qwen--Q2")
    snapshot = folder(repo, "snapshots", COMMIT)
    folder(repo, "refs")
    (repo / "refs" / "main").write_text(COMMIT)
    env = {"HF_HOME": str(tmp_path / "hf")}
    assert find("Qwen/Q2", places, env=env) == snapshot
    assert find("Qwen/Q2", places, env=env, revision=COMMIT) == snapshot
    assert find("Qwen/Q2", places, env=env, revision="main") == snapshot
    assert revision_of(snapshot) == COMMIT
    with pytest.raises(KavaError, match=re.escape("snapshots")):
        find("Qwen/Q2", places, env=env, revision="another")


def test_only_a_folder_of_the_cache_has_a_commit(tmp_path):
    assert revision_of(tmp_path) is None
    assert revision_of(tmp_path / "snapshots" / "main") is None


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"HF_HUB_CACHE": "/c"}, "/c"),
        ({"HF_HOME": "/h"}, "/h/hub"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/home/ada"}, "/x/huggingface/hub"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/huggingface/hub"),
        ({"USERPROFILE": "/users/ada"}, "/users/ada/.cache/huggingface/hub"),
    ],
)
def test_the_hubs_cache_is_where_its_own_tools_have_it(env, path):
    assert hub_cache(env).as_posix() == path


def test_a_builtin_model_is_a_folder_of_the_package_and_builtin_data_needs_none(places):
    assert find("builtin:tiny-teacher", places).name == "tiny-teacher"
    assert find("builtin:arithmetic", places, what="data") is None


def test_a_missing_path_names_every_place_it_looked(places):
    project, one, two = places
    with pytest.raises(KavaError) as caught:
        find("./teacher", places)
    problem = caught.value.problems[0]
    assert problem.exit == Exit.ENVIRONMENT
    assert problem.message == (
        "./teacher (model) is not on this machine. Looked for:\n"
        f"  {project / 'teacher'}\n  {one / 'teacher'}\n  {two / 'teacher'}"
    )
    assert problem.hint == "correct the path, or put it at one of these places"


def test_a_missing_hub_id_names_every_place_and_how_to_bring_it(places):
    _, one, two = places
    with pytest.raises(KavaError) as caught:
        find("openai/gsm8k", places, what="data", env={"HF_HOME": "/hf"})
    problem = caught.value.problems[0]
    looked = [
        one / "openai/gsm8k", one / "gsm8k", two / "openai/gsm8k", two / "gsm8k",
        "/hf/hub/datasets--openai--gsm8k/snapshots/main",
    ]  # fmt: skip
    assert problem.message == "openai/gsm8k (data) is not on this machine. Looked for:" + "".join(
        f"\n  {place}" for place in looked
    )
    assert problem.hint == (
        "where there is network: hf download openai/gsm8k --repo-type dataset; "
        "or copy its folder to one of these places"
    )


def test_a_folder_that_looks_like_a_hub_id_is_explained(places):
    folder(places[0], "data", "gsm8k")
    with pytest.raises(KavaError) as caught:
        find("data/gsm8k", places, what="data")
    assert caught.value.problems[0].hint == (
        'there is a folder data/gsm8k beside kava.toml: write "./data/gsm8k" to mean it'
    )


@pytest.mark.parametrize(
    ("source", "what", "message", "hint"),
    [
        ("builtin:tiny-techer", "model", "builtin:tiny-techer is not a builtin model",
         "did you mean builtin:tiny-teacher?"),
        ("builtin:zzz", "data", "builtin:zzz is not a builtin data set",
         "there are: builtin:arithmetic"),
    ],
)  # fmt: skip
def test_a_builtin_that_does_not_exist_is_a_mistake_in_the_spec(
    places, source, what, message, hint
):
    with pytest.raises(KavaError) as caught:
        find(source, places, what=what)
    problem = caught.value.problems[0]
    assert (problem.message, problem.hint, problem.exit) == (message, hint, Exit.USAGE)


def test_a_source_with_a_variable_that_is_not_set(places):
    with pytest.raises(KavaError) as caught:
        find("$WORK/teacher", places)
    assert caught.value.problems[0].message == (
        "$WORK/teacher cannot be found: a variable in it is not set here"
    )


EXPANDED = [
    ("$SCRATCH/kava", {"SCRATCH": "/s"}, "/s/kava"),
    ("${SCRATCH}/kava", {"SCRATCH": "/s"}, "/s/kava"),
    ("/scratch/$USER", {"USER": "ada"}, "/scratch/ada"),
    ("$SCRATCH/kava", {}, None),
    ("$SCRATCH/kava", {"SCRATCH": ""}, None),
    ("~/models", {"HOME": "/home/ada"}, "/home/ada/models"),
    ("~", {"HOME": "/home/ada"}, "/home/ada"),
    ("~/models", {}, None),
    ("./data", {}, "/project/data"),
    ("data", {}, "/project/data"),
    ("/data", {}, "/data"),
    ("$A/$B", {"A": "/a", "B": "b"}, "/a/b"),
    ("$A", {"A": "$B", "B": "/b"}, "/project/$B"),
    ("$(rm -rf x)", {}, "/project/$(rm -rf x)"),
]


@pytest.mark.parametrize(("place", "env", "path"), EXPANDED)
def test_symbolic_places_become_paths(places, tmp_path, place, env, path):
    from pathlib import Path

    found = expand(place, env, Path("/project"))
    assert (found and found.as_posix()) == path
