"""The recipes of docs/ci.md run: their shell, in throw-away repositories, with what they would post recorded."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kavaspec.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


def test_there_are_recipes():
    assert len(RECIPES) == 3


@pytest.mark.parametrize("text", [*RECIPES, HOOKS], ids=["github", "gitlab", "config", "hooks"])
def test_a_recipe_is_yaml(text: str):
    assert yaml.safe_load(text)


@pytest.mark.parametrize(
    "line", re.findall(r"(?m)(?:entry: |- run: |- |^ +)(kavaspec (?:check|diff).*)$", PAGE + HOOKS)
)
def test_every_command_exists_with_its_options(line: str, capsys: pytest.CaptureFixture[str]):
    words = shlex.split(re.split(r"\|\||>", line)[0])
    assert words[1] in COMMANDS
    assert main([words[1], "--help"]) == 0
    known = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in known] == []


def test_the_hook_of_the_page_is_the_hook_of_the_repository():
    [ours] = yaml.safe_load(HOOKS)
    [theirs] = yaml.safe_load(RECIPES[2])["repos"][0]["hooks"]
    same = ("id", "entry", "files", "require_serial")
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}


# ---- the shell of the recipes, run for real ----------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one recipe did to one pull request."""

    exit: int
    said: str
    posted: tuple[str, ...]
    """Every call of `gh` or `curl`: its words, then the text that it carries."""
    kept: str
    """The summary of the job on GitHub, the artifact on GitLab."""


RECORD = """\
#!/bin/sh
{ echo "$(basename "$0") $*"; cat meaning.md; } > "$RECORDED/$(date +%s%N)"
"""


@dataclass(frozen=True, kw_only=True)
class Forge:
    """A repository `origin`, and what its CI has on its path."""

    folder: Path

    def env(self, **more: str) -> dict[str, str]:
        outside = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
        path = os.pathsep.join(
            [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "A"), ("EMAIL", "a@example.org"))
        }
        alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1"}
        recorded = {"RECORDED": str(self.folder / "recorded"), "PATH": path}
        return {**outside, **who, **alone, **recorded, "LC_ALL": "C", **more}

    def git(self, *words: str, at: str = "origin") -> str:
        ran = subprocess.run(
            ["git", *words],
            cwd=self.folder / at,
            env=self.env(),
            capture_output=True,
            encoding="utf-8",
        )
        assert ran.returncode == 0, f"{words}: {ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def commit(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.folder / "origin" / name).write_text(text, encoding="utf-8", newline="\n")
        self.git("add", ".")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")

    def shell(self, lines: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> Ran:
        """Each of `lines` as a script of its own, until one fails."""
        code, said = 0, ""
        for script in lines:
            ran = subprocess.run(
                [*words, script],
                cwd=self.folder / "checkout",
                env=self.env(**env),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
            code, said = ran.returncode, said + ran.stdout
            if code != 0:
                break
        recorded = sorted((self.folder / "recorded").iterdir())
        kept = self.folder / ("summary" if "GITHUB_STEP_SUMMARY" in env else "checkout/meaning.md")
        return Ran(
            exit=code,
            said=said,
            posted=tuple(file.read_text(encoding="utf-8") for file in recorded),
            kept=kept.read_text(encoding="utf-8") if kept.exists() else "",
        )

    def github(self, *, may_comment: str = "true") -> Ran:
        """What actions/checkout gives: every branch, and the merge of the pull request, detached."""
        self.git("clone", "-q", "origin", "checkout", at=".")
        self.git("checkout", "-q", "--detach", "origin/main", at="checkout")
        self.git("merge", "-q", "--no-ff", "--no-edit", "origin/change", at="checkout")
        [job] = yaml.safe_load(RECIPES[0])["jobs"].values()
        env = {
            "BASE": "main",
            "NUMBER": "7",
            "MAY_COMMENT": may_comment,
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
        }
        steps = [step["run"] for step in job["steps"] if "run" in step]
        assert set(job["steps"][-1]["env"]) == {"GH_TOKEN", "BASE", "NUMBER", "MAY_COMMENT"}
        return self.shell(steps, ["bash", "-e", "-c"], env)

    def gitlab(self, *, token: str = "secret") -> Ran:
        """What the runner gives: the commit of the pipeline, and no branch."""
        (self.folder / "checkout").mkdir()
        self.git("init", "-q", at="checkout")
        self.git("remote", "add", "origin", f"file://{self.folder / 'origin'}", at="checkout")
        self.git("update-ref", "refs/pipelines/1", "change")
        only = "+refs/pipelines/1:refs/pipelines/1"
        self.git("fetch", "-q", "--depth", "20", "origin", only, at="checkout")
        self.git("checkout", "-q", "--detach", "refs/pipelines/1", at="checkout")
        assert self.git("for-each-ref", "--format=%(refname)", at="checkout") == "refs/pipelines/1"
        env = {
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
            "CI_MERGE_REQUEST_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "7",
            **({"KAVASPEC_TOKEN": token} if token else {}),
        }
        script = "\n".join(yaml.safe_load(RECIPES[1])["lock"]["script"])
        return self.shell([script], ["bash", "-eo", "pipefail", "-c"], env)


GH = "gh pr comment 7 --body-file meaning.md\n"
CURL = (
    "curl --fail --silent --show-error --output /dev/null --header PRIVATE-TOKEN: secret "
    "--data-urlencode body@meaning.md "
    "https://gitlab.example.org/api/v4/projects/3/merge_requests/7/notes\n"
)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    for name in ("bin", "recorded", "origin"):
        (tmp_path / name).mkdir()
    for name, text in {"gh": RECORD, "curl": RECORD, "pip": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    made = Forge(folder=tmp_path)
    made.git("init", "-q", "-b", "main")
    return made


Locked = Callable[..., Mapping[str, str]]


@pytest.fixture
def files(locked: Path) -> Locked:
    """Spec, lock and facts after one edit of the spec; the lock is made again unless it is to be stale."""

    def after(old: str, new: str, *, lock: bool = True) -> Mapping[str, str]:
        path = locked / "kava.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert not lock or main(["lock"]) == 0
        names = ("kava.toml", "kava.lock", "cpu-avx512bf16.yaml")
        return {name: (locked / name).read_text(encoding="utf-8") for name in names}

    return after


def pull_request(forge: Forge, base: Mapping[str, str], change: Mapping[str, str]) -> None:
    forge.commit(base)
    forge.git("switch", "-q", "-c", "change")
    forge.commit(change)
    forge.git("switch", "-q", "main")


both = pytest.mark.parametrize(
    ("forge_of", "call"), [("github", GH), ("gitlab", CURL)], ids=["github", "gitlab"]
)
EDITS = {
    "unchanged": ("", "", "same experiment, same numerics, same placement"),
    "placement": (
        "[targets.cpu]",
        "[logging]\n\nevery = 3\n\n[targets.cpu]",
        "same experiment, same numerics, different placement",
    ),
    "numerics": (
        'micro_batch = "auto"',
        "micro_batch = 2",
        "same experiment, different numerics, same placement",
    ),
    "experiment": (
        "steps = 1000",
        "steps = 2000",
        "different experiment, same numerics, different placement",
    ),
}


@pytest.mark.slow
@both
@pytest.mark.parametrize(("old", "new", "verdict"), EDITS.values(), ids=EDITS)
def test_what_a_change_means_is_posted_and_nothing_fails(
    forge: Forge, files: Locked, forge_of: str, call: str, old: str, new: str, verdict: str
):
    pull_request(forge, files("", ""), files(old, new))
    ran: Ran = getattr(forge, forge_of)()
    assert ran.exit == 0, ran.said
    assert ran.posted == (call + ran.kept,)
    assert ran.kept.startswith(f"### `origin/main` → `kava.lock`: {verdict}\n")


@pytest.mark.slow
@both
def test_a_first_lock_is_posted_as_new(forge: Forge, files: Locked, forge_of: str, call: str):
    pull_request(forge, {"README": "no experiment yet\n"}, files("", ""))
    ran: Ran = getattr(forge, forge_of)()
    assert ran.exit == 0, ran.said
    assert ran.posted == (call + ran.kept,)
    assert ran.kept.startswith(
        "The first kava.lock:\n\n    kava.lock is fresh: 107 decisions derived again, all equal\n"
    )


@pytest.mark.slow
@both
def test_a_stale_lock_fails_and_nothing_is_posted(
    forge: Forge, files: Locked, forge_of: str, call: str
):
    pull_request(forge, files("", ""), files("steps = 1000", "steps = 2000", lock=False))
    ran: Ran = getattr(forge, forge_of)()
    assert (ran.exit, ran.posted, ran.kept) == (3, (), "")
    told = {
        "github": "::error file=kava.toml,line=",
        "gitlab": "error[KV0301]: kava.lock is stale\n",
    }
    assert told[forge_of] in ran.said


@pytest.mark.slow
@both
def test_a_broken_base_is_not_taken_for_a_first_lock(
    forge: Forge, files: Locked, forge_of: str, call: str
):
    new = files("", "")
    pull_request(forge, {**new, "kava.lock": new["kava.lock"][:-8]}, new)
    ran: Ran = getattr(forge, forge_of)()
    assert (ran.exit, ran.posted) == (6, ())
    assert "origin/main:kava.lock" in ran.said


@pytest.mark.slow
def test_who_may_not_post_keeps_what_it_means(forge: Forge, files: Locked):
    pull_request(forge, files("", ""), files("steps = 1000", "steps = 2000"))
    ran = forge.github(may_comment="false")
    assert (ran.exit, ran.posted) == (0, ())
    assert "different experiment" in ran.kept
    shutil.rmtree(forge.folder / "checkout")
    ran = forge.gitlab(token="")
    assert (ran.exit, ran.posted) == (0, ())
    assert "different experiment" in ran.kept


def test_gitlab_runs_it_for_merge_requests_alone_and_keeps_what_it_means():
    """A pipeline of a branch does not know the target branch."""
    job = yaml.safe_load(RECIPES[1])["lock"]
    assert job["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert job["artifacts"]["paths"] == ["meaning.md"]
