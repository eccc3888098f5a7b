"""One Typer application of all commands, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kavaspec import __version__
from kavaspec.cli import COMMANDS
from kavaspec.cli.pipe import let_go, say
from kavaspec.cli.render import Pen, jsonable, print_json, problems_text
from kavaspec.errors import Exit, KavaError, did_you_mean, fail

if TYPE_CHECKING:
    from kavaspec.lock.model import Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """What a command may know of the place it was called from."""

    env: Mapping[str, str]
    out: Pen
    err: Pen
    width: int


def shell() -> Shell:
    """The shell of this process. The only reading of environment and terminal in the commands."""
    import shutil

    env = dict(os.environ)
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 160
    return Shell(env=env, out=Pen(sys.stdout, env), err=Pen(sys.stderr, env), width=width)


def build(only: Sequence[str]) -> typer.Typer:
    """The application with the commands named; a command that is not called is not imported."""
    app = typer.Typer(
        name="kavaspec",
        help="Compile a partial experiment spec into a complete, explained lock, and run it.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback(invoke_without_command=True)
    def top(
        version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    ) -> None:
        if version:
            typer.echo(f"kavaspec {__version__}")
            raise typer.Exit

    for name in only:
        module = import_module(f"kavaspec.cli.{name}")
        app.command(name)(module.command)
    return app


def run_app(argv: list[str]) -> int:
    """Parse, run, and turn what went wrong into text and an exit code."""
    named = next((word for word in argv if not word.startswith("-")), None)
    command = typer.main.get_command(build([named] if named in COMMANDS else COMMANDS))
    _speak_utf8()
    try:
        # not `command.main`, which makes a closed pipe its own exit 1
        with command.make_context("kavaspec", argv) as context:
            code = int(command.invoke(context) or 0)
    except typer.Exit as left:  # --help, --version
        code = left.exit_code
    except KavaError as error:
        code = _report(error, as_json="--json" in argv)
    except KeyboardInterrupt:
        say(sys.stderr, "interrupted\n")
        code = Exit.INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone: nothing is left to say
        code = Exit.OK
    except OSError as error:  # a path that no command expected to be like that
        code = (
            _our_mistake(error)
            if error.filename is None
            else _path(error, as_json="--json" in argv)
        )
    except Exception as error:  # noqa: BLE001  # the last stop: a user never sees a traceback
        shown = hasattr(error, "exit_code") and hasattr(error, "show")
        code = _usage(error, argv) if shown else _our_mistake(error)
    let_go(sys.stdout, sys.stderr)
    return code


def spec_and_lock(spec: Path, lock: Path | None) -> tuple[Path, Path]:
    """The lock lies beside its spec unless it was named.

    Raises:
        KavaError: when the spec is a folder, or the lock would replace something that is no lock.
    """
    if spec.is_dir():
        hint = "name the file: kavaspec lock FOLDER/kava.toml"
        raise fail(f"{spec} is a folder, not a spec", Exit.ENVIRONMENT, code="KV0002", hint=hint)
    path = lock or spec.with_suffix(".lock")
    if path.is_dir():
        raise fail(
            f"cannot write {path}: it is a folder",
            Exit.ENVIRONMENT,
            code="KV0002",
            hint="name a file with -o",
        )
    if path.exists() and not _may_be_replaced(path):
        hint = "choose another name with -o; nothing was changed"
        raise fail(f"{path} exists and is not a lock", Exit.USAGE, code="KV0004", hint=hint)
    return spec, path


def one_target(lock: Lock, name: str | None, *, shared: bool) -> str:
    """The target that was named, or any when there is one, or when all `shared` the key."""
    known = ", ".join(lock.targets)
    if name is None and (len(lock.targets) == 1 or shared):
        return next(iter(lock.targets))
    if name is None:
        raise fail(
            f"the lock has several targets: {known}",
            Exit.USAGE,
            code="KV0007",
            hint="name one: --target NAME",
        )
    if name not in lock.targets:
        near = did_you_mean(name, lock.targets) or next(iter(lock.targets))
        raise fail(
            f"the lock has no target {name}; it has {known}",
            Exit.USAGE,
            code="KV0007",
            hint=f"name one: --target {near}",
        )
    return name


def _may_be_replaced(path: Path) -> bool:
    """A lock, the rest of one, or nothing at all.

    Raises:
        KavaError: exit 8 when the file cannot be read.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise fail(
            f"{path} cannot be read: {error.strerror}",
            Exit.ENVIRONMENT,
            code="KV0001",
            hint="check its permissions",
        ) from None
    return not text.strip() or b"lock_version" in text or text.startswith(b"# kava.lock:")


def _report(error: KavaError, *, as_json: bool) -> int:
    if as_json:
        problems = [jsonable(problem) for problem in error.problems]
        print_json("kavaspec.problems/1", exit=int(error.exit_code), problems=problems)
    else:
        pen = Pen(sys.stderr, os.environ)
        pen.line(problems_text(error.problems, pen))
    return int(error.exit_code)


def _path(error: OSError, *, as_json: bool) -> int:
    """The system refused a path: too long a name, no permission, a file where a folder should be."""
    hint = "correct the path, or its permissions"
    message = f"{error.filename} cannot be used: {error.strerror}"
    return _report(fail(message, Exit.ENVIRONMENT, code="KV0001", hint=hint), as_json=as_json)


_PLAINER = (
    (r"^no such option: (\S+)$", r"there is no option \1"),
    (r"^no such command `(.*)`$", r"there is no command \1"),
    (r"^got unexpected extra arguments? \((.*)\)$", r"too many arguments: \1"),
    (r"^got unexpected extra argument\(s\) \((.*)\)$", r"too many arguments: \1"),
    (r"^missing argument `(.*)`$", r"the argument \1 is missing"),
    (r"^option `(.*)` requires an argument$", r"\1 needs a value"),
    (r"^invalid value for `(.*)`: (?:Value error, )?(.*)$", r"\1: \2"),
    (r": Input should be a valid (\w+)\b.*$", r": expected a whole number"),
)
"""Typer's words, and ours."""


def _usage(error: Any, argv: Sequence[str]) -> int:
    """What Typer says about the command line."""
    said = misread(error, argv)
    if said is not None:
        return _report(said, as_json="--json" in argv)
    words = StringIO()  # `kavaspec` alone: its help
    error.show(words)
    say(sys.stderr, words.getvalue())
    return int(error.exit_code)


def misread(error: Any, argv: Sequence[str]) -> KavaError | None:
    """Typer's words as a problem; None where they are none. Its error types have no public names."""
    said = str(error.format_message()).strip().rstrip(".") if error.exit_code == Exit.USAGE else ""
    if not said or said.startswith("Usage:"):
        return None
    named = next((word for word in argv if not word.startswith("-")), None)
    called = f"kavaspec {named}" if named in COMMANDS else "kavaspec"
    said, near = re.split(r" \(Possible options: |\. Did you mean |$", said, maxsplit=1)
    message = f"{said[:1].lower()}{said[1:]}".replace("'", "`")
    for theirs, ours in _PLAINER:
        message = re.sub(theirs, ours, message)
    meant = " or ".join(re.findall(r"[\w-]+", near))
    lists = "the commands" if called == "kavaspec" else "what it takes"
    hint = (f"did you mean {meant}? " if meant else "") + f"`{called} --help` lists {lists}"
    return fail(f"{called}: {message}", Exit.USAGE, code="KV0014", hint=hint)


def _our_mistake(error: Exception) -> int:
    """Keep the traceback in a file, and say where."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="kavaspec-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
    say(
        sys.stderr,
        f"error: kavaspec made a mistake ({type(error).__name__}: {error}). This is a bug.\n"
        f"  please report it with this file: {file.name}\n",
    )
    return Exit.FAILED


def _speak_utf8() -> None:
    """On Windows and under LC_ALL=C, streams default to an encoding that cannot say much."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
