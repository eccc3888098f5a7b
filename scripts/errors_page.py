"""Writes docs/errors.md: every code with what it means, and one example that really happens.

    python scripts/errors_page.py           write the page
    python scripts/errors_page.py KV0104    print one example

Each example below is a mistake; what is shown is what kavaspec says about it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("", "runtime") if str(ROOT / part) not in sys.path]

from kavaspec.cli.render import Pen, problem_text  # noqa: E402
from kavaspec.codes import CODES, GROUPS, Code  # noqa: E402
from kavaspec.errors import Exit, KavaError, Problem  # noqa: E402
from kavaspec.facts.model import Fact  # noqa: E402
from kavaspec.lock.derive import derive, facts_of  # noqa: E402
from kavaspec.lock.file import lock_text, parse_lock  # noqa: E402
from kavaspec.lock.model import Here  # noqa: E402
from kavaspec.lock.versions import NOTHING_RECORDED  # noqa: E402
from kavaspec.plain import Plain, freeze  # noqa: E402
from kavaspec.spec.load import parse_spec  # noqa: E402
from kavaspec.trials import is_trial, of  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"
LOCK = ROOT / "tests/golden/cpu-avx512bf16.lock"
HEAD = 'data.source = "builtin:arithmetic"\nmodel.teacher.source = "builtin:tiny-teacher"\n'
STUDENT = 'model.student = { source = "builtin:tiny-student", init = "random" }\n'
CONFLICT = "<<<<<<< HEAD\nsteps = 1\n=======\nsteps = 2\n>>>>>>> other\n"

SPEC_MISTAKES: Mapping[str, str] = {
    "KV0101": "[train]\ncompile = True\n",
    "KV0102": "[train]\nsteps = 300\nseed = 1\nsteps = 400\n",
    "KV0103": f"[train]\n{CONFLICT}",
    "KV0104": "[train]\nmicro_bach = 8\n",
    "KV0105": '[model.teacher]\nsource = "builtin:tiny-teacher"\n',
    "KV0106": '[train]\nlearning_rate = "3e-4"\n',
    "KV0107": '[train]\nprecision = "bf16"\n',
    "KV0108": '[train]\nlearning_rate = "auto"\n',
    "KV0109": "[train]\nmicro_batch = { auto = false, max = 8 }\n",
    "KV0110": "[train]\nmicro_batch = { auto = true, min = 10, max = 5 }\n",
    "KV0111": '[objective]\nkind = "ce"\n[objective.kv]\nloss = "mse"\n',
    "KV0112": "[train]\nlora = 16\n",
    "KV0113": '[targets."my cluster"]\n',
    "KV0114": "[targets.a100]\ntrain.learning_rate = 1e-3\n",
    "KV0115": "[targets.a100]\nfacts = 100\n",
    "KV0116": '[objective]\npreset = "sed"\n',
}
"""Code -> a spec, without its first two lines."""

PROMPTS: Mapping[str, Plain] = {"p50": 25, "p90": 29, "p99": 29, "max": 29}
"""Quantiles of the prompts of builtin:arithmetic."""
ANSWERS: Mapping[str, Plain] = {
    "prompt_min": 21, "prompt_max": 29, "p50": 26, "p90": 36, "p99": 38, "max": 38,
}  # fmt: skip

VALUE_MISTAKES: Mapping[str, tuple[str, Mapping[str, Plain]]] = {
    "KV0205": ("", {"fact.cpu.cores": "unknown"}),
    "KV0227": ("", {"fact.torch.version": "2.13 beta"}),
    "KV0701": ("", {"fact.student.kv_layout": "3x0x0:linear"}),
    "KV0702": ("[train]\nmicro_batch = { auto = true, min = 3, max = 3 }\n", {}),
    "KV0710": ("[train]\nmicro_batch = 6\naccumulation = 5\n", {}),
    "KV0711": ("[train]\nsteps = 10\n", {"fact.data.rows": 20}),
    "KV0712": ('[data]\nprompt = "{qestion}\\n"\n', {}),
    "KV0713": ('[data]\ncompletion = "{solution}"\n', {}),
    "KV0714": ('[data]\nprompt = "question\\n"\n', {}),
    "KV0715": ('[data]\ncompletion = "answer"\n', {}),
    "KV0716": ("", {"fact.data.eval_rows": 0}),
    "KV0717": ('[objective]\nce_weight = 0.0\nkv.projector.side = "teacher"\n', {}),
    "KV0718": ("[objective]\nkv.value_weight = 0.0\n", {}),
    "KV0719": ('[train]\ndevice = "cuda"\n', {}),
    "KV0720": (f'model.teacher.digest = "sha256:{"0" * 64}"\n', {}),
    "KV0721": (f'model.student.digest = "sha256:{"0" * 64}"\n', {}),
    "KV0722": (f'data.digest = "sha256:{"0" * 64}"\n', {}),
    "KV0723": (
        '[objective.kv]\naggregate = "mean"\nstudent_dim = 48\n',
        {"fact.student.kv_layout": "2x2x24+1x4x24"},
    ),
    "KV0724": (
        '[objective.kv]\naggregate = "mean"\nteacher_dim = 64\n',
        {"fact.teacher.kv_layout": "3x2x32+3x4x32"},
    ),
    "KV0725": ("[objective.kv]\nlayers = [0, 7]\n", {}),
    "KV0726": ("[objective.kv]\nlayer_map = [0, 3, 9]\n", {}),
    "KV0727": ("[objective.kv]\nlayers = [0, 2]\nlayer_map = [0, 3, 5]\n", {}),
    "KV0728": ("[data]\nmax_length = 4096\n", {"fact.teacher.max_length": 8192}),
    "KV0729": ("[data]\nmax_length = 4096\n", {"fact.student.max_length": 8192}),
    "KV0731": (
        "[train]\nmicro_batch = 32\n",
        {
            "fact.student.parameters": 494032768,
            "fact.memory.total_bytes": 8 * 2**30,
            "fact.data.token_lengths": {"max": 250},
        },
    ),
    "KV0732": ('[train]\nparallel = "replicated"\n', {}),
    "KV0733": ('[train]\nparam_dtype = "float16"\n', {}),
    "KV0735": ('[train]\nprecision = "float16"\n', {}),
    "KV0757": ('[train]\nprecision = "bfloat16"\n', {"fact.canary.bfloat16": "wrong"}),
    "KV0736": ("[objective.kv.projector]\nin_dim = 48\n", {}),
    "KV0737": ("[objective.kv.projector]\nout_dim = 64\n", {}),
    "KV0738": ('[objective.kv.projector]\nkind = "none"\n', {}),
    "KV0739": ("[objective.kv.projector]\nhidden_dim = [16, 16, 16]\n", {}),
    "KV0740": ("[objective.kv.projector]\nrank = 512\n", {}),
    "KV0741": (
        '[train]\nreproducibility = "bitwise"\n',
        {
            "fact.gpu.name": "Apple M2 Max",
            "fact.gpu.unified": True,
            "fact.torch.backend": "mps",
            "fact.torch.accelerator": "mps",
        },
    ),
    "KV0742": ("", {"fact.student.tokenizer": f"sha256:{'1' * 64}"}),
    "KV0743": ('[software]\npython = "3.10"\n', {}),
    "KV0744": ('[software]\ntorch = "2.6.0"\n', {}),
    "KV0745": ('[software]\ntransformers = "5.0.0"\n', {}),
    "KV0746": ("[objective]\nce_weight = 0.0\nkv.weight = 0.0\n", {}),
    "KV0747": (
        '[objective.kv]\naggregate = "weighted"\nweight_start = 0.0\nweight_stop = 0.0\n',
        {},
    ),
    "KV0748": ("[train]\nsteps = 100\nepochs = 3\n", {}),
    "KV0749": ("model.student.layers = [0, 1]\n", {}),
    "KV0750": ("model.student.layers = [0, 9]\n", {}),
    "KV0751": ("[train]\nthreads = 64\n", {}),
    "KV0752": ('[objective.kv]\nmask = "none"\n', {}),
    "KV0753": ("[train]\nsteps = 100\nwarmup_steps = 200\n", {}),
    "KV0754": ("[objective.kv]\nteacher_dim = [1536, 1536, 1536]\n", {}),
    "KV0755": ("[objective.kv]\nstudent_dim = [896, 896, 896]\n", {}),
    "KV0756": ("[train]\nworld = 4\n", {}),
    "KV0758": ("[data]\nmax_length = 16\n", {"fact.data.prompt_lengths": PROMPTS}),
    "KV0759": ("[data]\nmax_length = 56\n", {"fact.data.prompt_lengths": PROMPTS}),
    "KV0760": ('[data]\neval_split = "test[:60]"\n', {"fact.data.eval_rows": 60}),
    "KV0761": (
        '[data]\nsplit = "train"\n[eval]\nanswer_after = "Answer:"\n',
        {"fact.data.marked_answers": {"marked": 0, "in_a_row": 0}},
    ),
    "KV0762": (
        "[eval]\nmax_new_tokens = 24\n",
        {"fact.data.question_lengths": ANSWERS},
    ),
    "KV0763": (
        "[eval]\nmax_new_tokens = 500\n",
        {"fact.data.question_lengths": ANSWERS},
    ),
    "KV0766": ("[eval]\nmax_new_tokens = 230\n", {"fact.data.question_lengths": ANSWERS}),
    "KV0767": (
        '[train]\nteacher_placement = "cached"\n\n[objective.kv]\nmask = "none"\n',
        {},
    ),
    "KV0768": (
        '[train]\noptimizer_state_dtype = "float32"\n',
        {"fact.student.parameters": 3_085_938_688, "fact.memory.total_bytes": 24 * 2**30},
    ),
    "KV0769": (
        "[train]\nmicro_batch = 32\n",
        {
            "fact.memory.total_bytes": 8 * 2**30,
            "fact.trial.memory": [[1, 3 * 2**30], [4, 4 * 2**30], [32, 13 * 2**30]],
            "fact.trial.memory_checkpointed": [[1, 3 * 2**30], [4, 3 * 2**30], [32, 5 * 2**30]],
        },
    ),
    "KV0770": ('[objective.kv.projector]\nkind = "mlp"\n', {"fact.student.parameters": 1000}),
    "KV0764": (
        "",
        {"fact.data.empty_rows": ["train.jsonl:4", "train.jsonl:9", "test.jsonl:12", "25 more"]},
    ),
    "KV0765": ("", {"fact.teacher.tokenizer": None}),
}
"""Code -> lines after the first three, and facts that are otherwise than in the golden lock."""


def values(lines: str, facts: Mapping[str, Plain]) -> Iterator[Problem]:
    """What resolving says. A top-level line takes the place of the student's."""
    head = HEAD + ("" if lines.startswith("model.student") else STUDENT)
    if lines.startswith("model.student"):
        head += 'model.student.source = "builtin:tiny-student"\nmodel.student.init = "random"\n'
    if lines.startswith("[data]"):
        head = head.replace('data.source = "builtin:arithmetic"\n', "")
        lines = lines.replace("[data]\n", '[data]\nsource = "builtin:arithmetic"\n')
    lock = parse_lock(LOCK.read_text(encoding="utf-8"), "kava.lock")
    known = {**facts_of(lock.facts), **facts_of(lock.targets["cpu"].facts)}
    for name, value in facts.items():
        known[name] = Fact(value=freeze(value), how="measured", probe="example@1")
        if value == "unknown":
            del known[name]
    spec = parse_spec(head + lines, "kava.toml", set={})
    about = {name: fact for name, fact in known.items() if name.startswith(_EXPERIMENT)}
    machine = {
        name: fact for name, fact in known.items() if name not in about and not is_trial(name)
    }
    derived = partial(
        derive, not_found={"fact.cpu.cores": "no /proc here"}, recorded=NOTHING_RECORDED
    )
    asked_for = derived(spec, about, {"here": machine}).trials.get("here", {})
    machine |= {
        name: replace(known[name], of=of(told)) for name, told in asked_for.items() if name in facts
    }
    yield from derived(spec, about, {"here": machine}).problems


_EXPERIMENT = ("fact.teacher.", "fact.student.", "fact.data.")


def cli(*words: str, files: Mapping[str, str] | None = None, **env: str) -> Callable[[], Problem]:
    """A command in an empty folder with some files."""

    def run() -> Problem:
        from kavaspec.cli.app import build

        for name, text in (files or {}).items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        import typer

        command = typer.main.get_command(build([words[0]]))
        old = dict(os.environ)
        os.environ.update({"NO_COLOR": "1", **env})
        out, err = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        try:
            with command.make_context("kavaspec", list(words)) as context:
                command.invoke(context)
        except KavaError as error:
            return error.problems[0]
        finally:
            os.environ.clear()
            os.environ.update(old)
            sys.stdout, sys.stderr = out, err
        raise AssertionError(f"kavaspec {' '.join(words)} ended well")

    return run


def usage(*words: str) -> Callable[[], Problem]:
    """A command line that cannot be read."""

    def run() -> Problem:
        import typer

        from kavaspec.cli.app import build, misread

        command = typer.main.get_command(build([words[0]]))
        try:
            with command.make_context("kavaspec", list(words)) as context:
                command.invoke(context)
        except Exception as error:  # noqa: BLE001  # Typer's errors have no public name
            said = misread(error, words)
            assert said is not None
            return said.problems[0]
        raise AssertionError(f"kavaspec {' '.join(words)} was read")

    return run


def raised(call: Callable[[], object]) -> Callable[[], Problem]:
    """What a function raises."""

    def run() -> Problem:
        try:
            call()
        except KavaError as error:
            return error.problems[0]
        raise AssertionError("nothing was raised")

    return run


def golden(old: str = "", new: str = "") -> str:
    """The golden lock with one change."""
    text = LOCK.read_text(encoding="utf-8")
    assert not old or old in text, old
    return text.replace(old, new, 1)


def locked(old: str = "", new: str = "") -> dict[str, str]:
    """A spec, its fact file and its golden lock with one change."""
    spec = (ROOT / "kava.toml").read_text(encoding="utf-8")
    facts = (ROOT / "examples/facts/cpu-avx512bf16.yaml").read_text(encoding="utf-8")
    target = '\n[targets.cpu]\n\nfacts = "cpu-avx512bf16.yaml"\n'
    return {
        "kava.toml": spec + target,
        "cpu-avx512bf16.yaml": facts,
        "kava.lock": golden(old, new),
    }


def data(name: str, text: str, split: str = "train") -> Callable[[], Problem]:
    """Reading a data file."""
    from kavaspec.sources.rows import read_rows

    def read() -> None:
        Path(name).write_text(text, encoding="utf-8")
        read_rows(f"./{name}", Path(name), split)

    return raised(read)


def model(files: Mapping[str, str]) -> Callable[[], Problem]:
    """Hashing a model folder."""
    from kavaspec.sources.digest import model_digest

    def read() -> None:
        Path("student").mkdir()
        for name, text in files.items():
            (Path("student") / name).write_text(text, encoding="utf-8")
        model_digest(Path("student"), weights=True)

    return raised(read)


def facts(text: str) -> Callable[[], Problem]:
    """Reading a fact file."""
    from kavaspec.facts.file import read_facts

    def read() -> None:
        Path("a100.yaml").write_text(text, encoding="utf-8")
        read_facts(Path("a100.yaml"))

    return raised(read)


def fact(name: str, fields: str) -> str:
    return f"facts_version: 1\nfacts:\n  {name}: {fields}\n"


# ---- one example for each code that needs more than a line -------------------------------------


def _no_memory(exit_name: str, doing: str) -> Callable[[], Problem]:
    def read() -> None:
        import torch

        from kavaspec_runtime import memory

        told, memory.peak_bytes = memory.peak_bytes, lambda _: 25_554_026_496
        try:
            raise memory.no_memory(doing, 16, torch.device("cuda"), Exit[exit_name])
        finally:
            memory.peak_bytes = told

    return raised(read)


def _full_disk() -> None:
    from kavaspec_runtime.checkpoint import _not_saved

    raise _not_saved(Path("runs"), 300, OSError(28, "No space left on device"))


def _proof(batch: str, loss: float) -> Callable[[], Problem]:
    def read() -> None:
        from kavaspec_runtime.proof import Proof, prove

        saved = SimpleNamespace(step=300, next_batch="3f9d" * 16, next_loss=(1.25).hex())
        prove(saved, Proof(next_batch=batch * 16, next_loss=loss.hex()), bits_promised=True)  # type: ignore[arg-type]  # all that it reads

    return raised(read)


def _folder(known: Mapping[str, object], files: Mapping[str, str]) -> Callable[[], Problem]:
    def read() -> None:
        from kavaspec_runtime.folder import claimed

        run = Path("runs/demo/5880820d-here")
        run.mkdir(parents=True)
        for name, text in files.items():
            (run / name).write_text(text, encoding="utf-8")
        if known:
            (run / "run.json").write_text(json.dumps(known), encoding="utf-8")
        here = SimpleNamespace(
            kx="kx1:5880820d", kn="kn1:8cb18f8b", run_folder=run, resume=False, allow_numerics=False
        )
        with claimed(here):  # type: ignore[arg-type]  # all that it reads
            pass

    return raised(read)


def _lora() -> None:
    from torch import nn

    from kavaspec_runtime.lora import adapt

    student = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("q_proj", "v_proj")})
    adapt(student, SimpleNamespace(rank=8, targets=("query",)))  # type: ignore[arg-type]  # all that it reads


def _width() -> None:

    from kavaspec_runtime.objectives.kv import KeyValue

    objective = SimpleNamespace(
        teacher_layers=(0,), teacher_dims=(256,), aggregate="none", _widths=lambda _: (128,)
    )
    KeyValue._held_against(objective, "teacher", [128])  # type: ignore[arg-type]  # noqa: SLF001


def _layers() -> None:
    from kavaspec_runtime.load import decoder_layers

    config = SimpleNamespace(num_hidden_layers=12)
    model = type("OddForCausalLM", (), {"config": config, "named_modules": {}.items})
    decoder_layers(model())


def _capped() -> None:
    import torch
    from torch import nn

    from kavaspec_runtime import build

    class GemmaForCausalLM(nn.Module):
        def forward(self, **_: object) -> object:
            return SimpleNamespace(logits=torch.ones(1, 4, 3))

    old, build.logits_at = build.logits_at, lambda *_: torch.zeros(3, 3)
    models = SimpleNamespace(
        device="cpu",
        student=GemmaForCausalLM(),
        student_sees=lambda _: SimpleNamespace(hidden_BTC=None),
    )
    try:
        build._plain_head(models)  # type: ignore[arg-type]  # noqa: SLF001
    finally:
        build.logits_at = old


def _answer() -> None:
    from kavaspec_runtime.evaluate import hold_against

    hold_against([SimpleNamespace(completion="the answer is 4")], "####")  # type: ignore[list-item]


def _gap() -> None:
    from kavaspec.facts.texts import refuse_gaps
    from kavaspec.facts.wanted import ExperimentRequest
    from kavaspec.sources.rows import read_rows

    file = Path("train.jsonl")
    rows = ['{"question": "1 + 1 =", "answer": "2"}'] * 3 + ['{"question": "1 + 2 ="}']
    file.write_text("\n".join(rows), encoding="utf-8")
    wanted = ExperimentRequest(data_source="./train.jsonl", data_path=file)
    refuse_gaps(wanted, {"train": read_rows("./train.jsonl", file, "train")})


def _silent() -> None:
    from kavaspec.facts.texts import empty_rows
    from kavaspec.facts.wanted import ExperimentRequest

    empty_rows(ExperimentRequest(), {"train": [{"question": "1 + 1 =", "answer": ""}]})


def _no_progress() -> None:
    from kavaspec_runtime.folder import MOST_IDLE, claimed

    here = Here(
        target="a100",
        kx="kx1:aaaa",
        kn="kn1:bbbb",
        lock_text="",
        run_folder=Path("run"),
        teacher=None,
        student=None,
        data=None,
        device_index=0,
        resume=True,
        allow_numerics=False,
        rehearse=False,
        stop_after=None,
        judge_at_most=None,
        facts={},
    )
    for attempt in range(MOST_IDLE + 1):
        with claimed(replace(here, resume=attempt > 0)):
            (Path("run") / "events.jsonl").touch()


def _no_labels() -> None:
    from kavaspec_runtime.data import Row, hold_labels

    rows = [Row(ids=(1,) * 8, first_label=9, prompt=(1,) * 9, completion="4")] * 2
    hold_labels(rows, (31, 64), "train", "step 12 trains on", 8)


def _other_data() -> None:
    from kavaspec_runtime.build import _same_data

    settings = SimpleNamespace(text=lambda _: f"sha256:{'0' * 64}", provisional=())
    _same_data(settings, [{"question": "1 + 1 ="}], [])  # type: ignore[arg-type]  # all that it reads


def _setting(values: Mapping[str, object]) -> Callable[[], Problem]:
    def read() -> None:
        from kavaspec_runtime.settings import Settings

        Settings(values=values, provisional=frozenset()).whole("train.steps")  # type: ignore[arg-type]

    return raised(read)


def _row(**row: object) -> Callable[[], Problem]:
    """One line of the preflight table that fails."""

    def read() -> None:
        from kavaspec.preflight import Row, Verdict, refusal

        raise refusal(Verdict(rows=(Row(ok=False, **row),), here=None, target="here"))  # type: ignore[arg-type]

    return raised(read)


def _refused(key: str | None, error: str, hint: str) -> Callable[[], Problem]:
    """What the child that may use torch answers about a model."""
    from kavaspec.facts.models import refused

    answer = {"error": error, "hint": hint, "key": key}

    def read() -> None:
        raise refused(answer, "the teacher cannot be used", Path("teacher"), "model.teacher.source")

    return raised(read)


def _bytes(name: str, content: bytes) -> None:
    from kavaspec.spec.load import load_spec

    Path(name).write_bytes(content)
    load_spec(Path(name), set={})


def _no_terminal() -> None:
    from kavaspec.cli import tui

    old = tui._dashboard  # noqa: SLF001
    tui._dashboard = lambda: SimpleNamespace(can_draw=lambda _: "this is not a terminal")  # type: ignore[assignment,return-value]  # noqa: SLF001
    try:
        tui.beside(SimpleNamespace(), SimpleNamespace(), [], SimpleNamespace(env={}))  # type: ignore[arg-type]
    finally:
        tui._dashboard = old  # noqa: SLF001


def _no_parquet() -> None:
    from kavaspec.sources.rows import _parquet

    old = sys.modules.get("pyarrow")
    sys.modules["pyarrow"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        _parquet(Path("train.parquet"))
    finally:
        del sys.modules["pyarrow"]
        if old is not None:
            sys.modules["pyarrow"] = old


def _read_facts(name: str) -> None:
    from kavaspec.facts.file import read_facts

    read_facts(Path(name))


def _find(source: str) -> None:
    from kavaspec.sources.locate import locate

    project = Path("/home/ada/kv")
    locate(
        source, what="model", revision=None, places=[Path("/scratch/models")], project=project,
        env={"HOME": "/home/ada"},
    )  # fmt: skip


def _no_tokenizer() -> None:
    from kavaspec_runtime.load import tokenizer_of

    Path("student").mkdir()
    tokenizer_of(Path("student"))


def _cell() -> None:
    from decimal import Decimal

    from kavaspec.sources.digest import data_digest

    data_digest([{"price": Decimal(3)}], [])


def _with_facts() -> dict[str, str]:
    facts = (ROOT / "examples/facts/cpu-avx512bf16.yaml").read_text(encoding="utf-8")
    student = fact("fact.student.parameters", "{value: 1, how: measured}")
    return {
        "kava.toml": f'{HEAD}{STUDENT}[targets.cpu]\nfacts = "a.yaml"\n',
        "a.yaml": facts + student.partition("facts:\n")[2],
    }


def _stale() -> str:
    """What `check` prints: not one problem, but every difference."""
    from kavaspec.cli import main

    for name, text in locked().items():
        Path(name).write_text(text.replace("seed = 0", "seed = 1"), encoding="utf-8")
    told, sys.stdout = sys.stdout, io.StringIO()
    try:
        main(["check"])
        lines = sys.stdout.getvalue().splitlines()
        return "\n".join(line for line in lines if not line.startswith("target "))
    finally:
        sys.stdout = told


def _no_target() -> None:
    from kavaspec.fit import Seen, choose_target

    lock = parse_lock(golden(), "kava.lock")
    both = replace(lock, targets={"a": lock.targets["cpu"], "b": lock.targets["cpu"]})
    choose_target(both, None, Seen(facts={"fact.cpu.cores": 2}, reasons={}))


def _guard_cut() -> None:
    from kavaspec.lock.prove import prove

    lock = parse_lock(golden(), "kava.lock")
    cpu = lock.targets["cpu"]
    bare = replace(cpu.decisions["train.threads"], guard=())
    cut = replace(cpu, decisions={**cpu.decisions, "train.threads": bare})
    prove(replace(lock, targets={"cpu": cut}), "cpu")


def _drift() -> None:
    from kavaspec.fit import Seen, hold
    from kavaspec.preflight import guard_row

    text = (ROOT / "tests/golden/a100-slurm.lock").read_text(encoding="utf-8")
    older = Seen(facts={"fact.gpu.capability": (7, 5)}, reasons={})
    held = hold(parse_lock(text, "kava.lock"), "a100", older)
    [row] = [guard_row(it) for it in held if it.guard.fact in older.facts]
    raise KavaError(row.problem)


def _memory() -> None:
    from kavaspec.preflight import memory_row

    raise KavaError(
        memory_row("the tensors of a step with 4 rows", 7_904_524_288, 5 * 2**30).problem
    )


def _no_place() -> None:
    from kavaspec.preflight import no_place_row
    from kavaspec.run_folder import choose

    Path("runs").write_text("", encoding="utf-8")
    places = [("$KAVA_OUTPUT_PATH", None), ("./runs", Path("runs"))]
    inside = Path("arithmetic/5880820d-here")
    chosen = choose(places, inside, project=Path(), resume=False)
    raise KavaError(no_place_row(chosen).problem)


def _no_cache() -> None:
    from kavaspec.preflight import no_cache_row

    raise KavaError(no_cache_row({"paths.cache": ("$KAVA_CACHE_PATH", "./cache")}).problem)


def _no_room() -> None:
    from kavaspec.footprint import footprint
    from kavaspec.preflight import disk_row

    lock = parse_lock((ROOT / "examples/qwen2.5/kava.lock").read_text(encoding="utf-8"), "")
    size = footprint(lock.values("a100"), 494_032_768, None)
    folder = Path("runs/qwen2.5/0d51ea3c-a100")
    raise KavaError(disk_row(folder, size, held=0, free=12 * 2**30).problem)


def _provisional() -> None:
    from kavaspec.preflight import _refuse_provisional

    lock = parse_lock(golden(), "kava.lock")
    block = replace(lock.experiment["model.teacher.digest"], provisional=True)
    _refuse_provisional(replace(lock, experiment={"model.teacher.digest": block}))


def _unknown_kind() -> None:
    from kavaspec.spec.load import applicable_keys

    applicable_keys("distil")


def _other_ids() -> None:
    from kavaspec.lock import migrate

    lock = parse_lock(golden(), "kava.lock")
    old, migrate.ids = migrate.ids, lambda *_: object()  # type: ignore[assignment,return-value]
    try:
        migrate.prove_same_ids(lock, "kava.lock")
    finally:
        migrate.ids = old


def _two_seeds() -> str:
    """A lock in which git shows two branches, each locked with a `--set train.seed` of its own."""
    lock = parse_lock(golden(), "kava.lock")
    ours, theirs = (
        lock_text(replace(lock, set={"train.seed": seed})).splitlines(keepends=True)
        for seed in (1, 2)
    )
    both = []
    for mine, other in zip(ours, theirs, strict=True):
        both += [mine] if mine == other else [f"<<<<<<< HEAD\n{mine}=======\n{other}>>>>>>> two\n"]
    return "".join(both)


def _stopped() -> None:
    from kavaspec.cli.run import stopped_at_once

    raise stopped_at_once(Path("runs/demo/5880820d-here"))


def _recorded(name: str) -> Path:
    """A copy of a real run."""
    run = Path(f"runs/tiny/90c087c5-here-{name}")
    shutil.copytree(ROOT / "tests/verify/recorded" / name, run)
    return run


def _altered_run() -> Problem:
    from kavaspec.run_record import read_run
    from kavaspec.verify import problems, verify

    run = _recorded("steady")
    digest = run / "digest.jsonl"
    digest.write_text(digest.read_text(encoding="utf-8").replace("p+3", "p+2", 1), encoding="utf-8")
    return problems(verify(read_run(run)))[0]


def _two_runs() -> Problem:
    from kavaspec.agreement import compare, parted
    from kavaspec.run_record import read_run

    a, b = _recorded("steady"), _recorded("flipped")
    problem = parted(compare(read_run(a), read_run(b)), str(a), str(b))
    assert problem is not None
    return problem


OTHERS: Mapping[str, Callable[[], Problem]] = {
    "KV0001": cli("check"),
    "KV0002": cli("lock", "facts", files={"facts/a.yaml": ""}),
    "KV0003": cli("init", "missing/kava.toml"),
    "KV0004": cli("init", files={"kava.toml": ""}),
    "KV0005": raised(lambda: _bytes("kava.toml", b"name = \xff")),
    "KV0006": cli("lock", "--set", "train.steps", files={"kava.toml": HEAD}),
    "KV0007": cli("lock", "--target", "a1000", files=locked()),
    "KV0008": cli("run", "kava.lock", "--allow", "experiment", files=locked()),
    "KV0009": cli("why", "train.precison", files=locked()),
    "KV0010": cli("tui", "runs", "--once", files={"runs/notes.txt": ""}),
    "KV0011": raised(_no_terminal),
    "KV0012": raised(_no_parquet),
    "KV0013": cli("why", "train", "--uses", files=locked()),
    "KV0014": usage("lock", "--traget", "a100"),
    "KV0015": cli(
        "pin", "train.micro_batch=8", files={"kava.toml": HEAD + "train = { global_batch = 32 }\n"}
    ),
    "KV0016": cli(
        "calibrate", "runs/a", files={"runs/a/run.json": "{}", "runs/a/kava.lock": golden()}
    ),
    "KV0201": raised(lambda: _read_facts("facts/a100.yaml")),
    "KV0202": facts("facts_version: 1\nfacts: [\n"),
    "KV0203": facts(fact("fact.gpu.memory", "{value: 80GiB, how: declared}")),
    "KV0204": facts(fact("fact.gpu.memory_bytes", "{value: 80 GB, how: declared}")),
    "KV0206": raised(lambda: _find("Qwen/Qwen2.5-0.5B")),
    "KV0207": raised(lambda: _find("builtin:tiny-techer")),
    "KV0208": raised(lambda: _find("$WORK/qwen")),
    "KV0209": model({"notes.txt": ""}),
    "KV0210": model({"config.json": "{"}),
    "KV0211": model({"config.json": "{}", "pytorch_model.bin": ""}),
    "KV0212": _refused(
        None, "it needs code from its own repository, which kavaspec never runs",
        "use a model that transformers knows by itself",
    ),
    "KV0213": _refused(
        "model.student.layers", "it has no layer 30, only 0 to 23", "name layers from 0 to 23"
    ),
    "KV0214": raised(_no_tokenizer),
    "KV0220": data("train.parquet", "PAR1"),
    "KV0221": data("rows.jsonl", '{"question": "1 + 1 =", "answer": "2"}\n', "test"),
    "KV0222": data("train.jsonl", '{"question": "1 + 1 =", "answer": "2"}\n{"question": \n'),
    "KV0223": data("train.jsonl", "{}\n", "train[1]"),
    "KV0224": data("rows.csv", "question,answer\n"),
    "KV0225": raised(_cell),
    "KV0226": cli("lock", files=_with_facts()),
    "KV0228": raised(_gap),
    "KV0229": raised(_silent),
    "KV0302": raised(_guard_cut),
    "KV0401": raised(_drift),
    "KV0402": _row(
        what="model.teacher.digest", lock="sha256:e832773c82ec", here="sha256:90b1c2b5c1de",
        code="KV0402", hint="teacher is another model than the one that was locked",
    ),
    "KV0403": raised(_memory),
    "KV0404": raised(_no_place),
    "KV0405": raised(_other_data),
    "KV0406": raised(_width),
    "KV0407": raised(_lora),
    "KV0408": raised(_no_target),
    "KV0409": raised(_no_room),
    "KV0410": raised(_no_cache),
    "KV0501": cli("run", "kava.toml", files={"kava.toml": HEAD}),
    "KV0502": raised(_provisional),
    "KV0503": _setting({}),
    "KV0601": cli("check", files={"kava.toml": HEAD, "kava.lock": "name: kava\n"}),
    "KV0602": cli("check", files=locked("experiment:\n", f"experiment:\n{CONFLICT}")),
    "KV0603": cli("check", files=locked("lock_version: 1", "lock_version: 99")),
    "KV0604": cli("check", files=locked("value: 72\n", "value: 96\n")),
    "KV0605": cli("check", files={**locked(), "kava.lock": golden()[:2000]}),
    "KV0606": cli("check", files=locked("    value: 72\n", "")),
    "KV0607": raised(_unknown_kind),
    "KV0608": _setting({"train.steps": "300"}),
    "KV0609": raised(_other_ids),
    "KV0610": cli("lock", files={**locked(), "kava.lock": _two_seeds()}),
    "KV0730": data("train.jsonl", "\n"),
    "KV0801": _no_memory("FAILED", "in step 301"),
    "KV0802": _no_memory("DRIFT", "in the rehearsal (512 tokens a row)"),
    "KV0803": raised(_full_disk),
    "KV0804": _proof("90b1", 1.25),
    "KV0805": _proof("3f9d", 1.5),
    "KV0806": _folder({"kx": "kx1:0f3c77ab", "kn": "kn1:8cb18f8b"}, {}),
    "KV0807": _folder({"kx": "kx1:5880820d", "kn": "kn1:8cb18f8b"}, {"receipt.json": "{}"}),
    "KV0808": raised(_stopped),
    "KV0809": raised(_layers),
    "KV0810": raised(_answer),
    "KV0811": raised(_capped),
    "KV0812": raised(_no_labels),
    "KV0813": raised(_no_progress),
    "KV0821": _altered_run,
    "KV0822": _two_runs,
}  # fmt: skip


def example(code: str) -> Problem:
    """What kavaspec says about the mistake that stands for a code."""
    with _empty_folder():
        if code in SPEC_MISTAKES:
            head = {"KV0105": "", "KV0111": HEAD.partition("\n")[0] + "\n"}.get(code, HEAD)
            text = head + SPEC_MISTAKES[code]
            found = _problems(lambda: parse_spec(text, "kava.toml", set={}))
        elif code in VALUE_MISTAKES:
            found = tuple(values(*VALUE_MISTAKES[code]))
        else:
            found = (OTHERS[code](),)
    match = next((problem for problem in found if problem.code == code), None)
    if match is None:
        raise AssertionError(f"{code}: {[(problem.code, problem.message) for problem in found]}")
    return match


def shown_example(code: str) -> str:
    """The same as text."""
    if code == "KV0301":
        with _empty_folder():
            return _stale()
    return problem_text(example(code), Pen(io.StringIO(), {}))


def page() -> str:
    """The whole of docs/errors.md."""
    lines = [
        "# What every message means",
        "",
        "Every message carries a code, `error[KV0104]`, and with `--json` a field `code`. Codes are",
        "stable: scripts may branch on them, and none is ever given to something else. The exit code",
        "of a command is that of its first error. Where only one repair can be meant, the message",
        "says `fix: kavaspec fix`, and that command writes it.",
        "",
        "This page is written by `python scripts/errors_page.py`; the examples are what kavaspec says.",
    ]
    for prefix, title in GROUPS.items():
        lines += ["", f"## {title}"]
        for _, it in sorted(CODES.items()):
            if it.code.startswith(prefix):
                lines += _entry(it)
    return "\n".join(lines) + "\n"


def _entry(it: Code) -> list[str]:
    ends = "a warning" if it.exit is None else f"exit {int(it.exit)}"
    shown = shown_example(it.code)
    return [
        "",
        f"### {it.code}: {it.title}",
        "",
        f"{it.meaning} *({ends})*",
        "",
        "```text",
        shown,
        "```",
        "",
        it.do,
    ]


def _problems(call: Callable[[], object]) -> tuple[Problem, ...]:
    try:
        call()
    except KavaError as error:
        return error.problems
    return ()


@contextmanager
def _empty_folder() -> Iterator[None]:
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


if __name__ == "__main__":
    if sys.argv[1:]:
        for word in CODES if sys.argv[1] == "all" else sys.argv[1:]:
            try:
                print(shown_example(word), end="\n\n")
            except Exception as error:  # noqa: BLE001  # say which, and go on
                print(f"!! {word}: {type(error).__name__}: {error}\n")
    else:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
