"""Made-up machines, models and objectives, for tests of laws that hold for all of them."""

from hypothesis import strategies as st

from kavaspec.facts.model import Fact
from kavaspec.plain import freeze

GIB = 1 << 30

SPEC = """
[model.teacher]
source = "teacher"

[model.student]
source = "student"

[data]
source = "rows.jsonl"
"""

NO_GPU = {
    "fact.gpu.vendor": None,
    "fact.gpu.name": None,
    "fact.gpu.count": 0,
    "fact.gpu.memory_bytes": None,
    "fact.gpu.capability": None,
    "fact.gpu.arch": None,
    "fact.gpu.unified": None,
    "fact.torch.backend": "cpu",
    "fact.torch.accelerator": None,
    "fact.torch.arch_list": [],
}


@st.composite
def cards(draw):
    """The GPU of a machine, usable by the installed torch; or none."""
    kind = draw(st.sampled_from(["none", "cuda", "rocm", "mps"]))
    if kind == "none":
        return NO_GPU
    major, minor = draw(st.tuples(st.integers(5, 12), st.sampled_from([0, 5, 6, 9])))
    amd = draw(st.sampled_from(["gfx90a", "gfx942", "gfx1100", "gfx1032", "gfx906", "gfx908"]))
    arch = {"cuda": f"sm_{major}{minor}", "rocm": amd, "mps": None}[kind]
    return {
        "fact.gpu.vendor": {"cuda": "nvidia", "rocm": "amd", "mps": "apple"}[kind],
        "fact.gpu.name": "A card",
        "fact.gpu.count": draw(st.integers(1, 8)),
        "fact.gpu.memory_bytes": draw(st.integers(1 * GIB, 200 * GIB)),
        "fact.gpu.capability": [major, minor] if kind == "cuda" else None,
        "fact.gpu.arch": arch,
        "fact.gpu.unified": kind == "mps" or draw(st.booleans()),
        "fact.torch.backend": kind,
        "fact.torch.accelerator": kind,
        "fact.torch.arch_list": [arch] if arch else [],
    }


canary = st.sampled_from([None, "faster", "slower", "wrong", "unsupported"])
some = st.integers(1, 10**9)


@st.composite
def machines(draw):
    """Facts about a machine."""
    return draw(cards()) | {
        "fact.python.version": "3.11",
        "fact.cpu.cores": draw(st.integers(1, 256)),
        "fact.cpu.features": draw(st.lists(st.sampled_from(["avx2", "avx512_bf16", "sve_bf16"]))),
        "fact.memory.total_bytes": draw(st.integers(1 * GIB, 2000 * GIB)),
        "fact.memory.batch_table": [[40 * GIB, 8], [24 * GIB, 4], [8 * GIB, 2], [0, 1]],
        "fact.torch.version": "2.13.0",
        "fact.transformers.version": "5.23.0",
        "fact.canary.bfloat16": draw(canary),
        "fact.canary.float16": draw(canary),
        "fact.disk.places": draw(st.lists(st.sampled_from(["$SCRATCH", "$LOCAL_SCRATCH"]))),
        "fact.scheduler.kind": draw(st.sampled_from([None, "slurm", "kubernetes"])),
        "fact.scheduler.login_node": None,
        "fact.scheduler.nodes": draw(st.none() | st.integers(1, 64)),
        "fact.scheduler.gpus_per_node": draw(st.none() | st.integers(0, 8)),
        "fact.scheduler.cpus": draw(st.none() | st.integers(1, 256)),
        "fact.scheduler.memory_bytes": draw(st.none() | some),
        "fact.scheduler.walltime_s": draw(st.none() | st.integers(60, 10**6)),
    }


@st.composite
def trials(draw):
    """What a step takes on a machine, where somebody tried it."""
    names = ("fact.trial.memory", "fact.trial.memory_checkpointed")
    one, more = draw(st.integers(0, 64 * GIB)), draw(st.integers(0, 4 * GIB))
    pairs = [[rows, one + rows * more] for rows in (1, 4, 32)]
    overhead = draw(st.none() | st.just({"device_bytes": GIB, "allocator_percent": 3}))
    return {
        **{name: draw(st.sampled_from([None, pairs])) for name in names},
        "fact.trial.overhead": overhead,
    }


@st.composite
def layouts(draw):
    """One kind of attention, of one width, with or without linear layers in between."""
    heads, dim = draw(st.tuples(st.integers(1, 8), st.sampled_from([16, 64, 128])))
    pattern = draw(
        st.sampled_from(["{n}x{kv}", "1x0x0:linear+{n}x{kv}", "1x{kv}:sliding+{n}x{kv}"])
    )
    return pattern.format(n=draw(st.integers(1, 32)), kv=f"{heads}x{dim}")


@st.composite
def experiments(draw):
    """Facts about models and data that belong together."""
    facts = {
        "fact.data.digest": "sha256:" + "d" * 64,
        "fact.data.revision": None,
        "fact.data.rows": draw(st.integers(32, 10**7)),
        "fact.data.eval_rows": draw(st.integers(1, 10**5)),
        "fact.data.columns": ["answer", "question"],
        "fact.data.token_lengths": {"p50": 1, "max": draw(st.integers(1, 10**5))},
    }
    reach = draw(st.integers(64, 10**6))
    for role in ("teacher", "student"):
        facts |= {
            f"fact.{role}.digest": "sha256:" + role[0].replace("t", "a").replace("s", "b") * 64,
            f"fact.{role}.revision": None,
            f"fact.{role}.kv_layout": draw(layouts()),
            f"fact.{role}.parameters": draw(st.integers(1, 10**12)),
            f"fact.{role}.tokenizer": "sha256:" + "e" * 64,
            f"fact.{role}.max_length": reach,
        }
    return facts


@st.composite
def objectives(draw):
    """What a person may add to the spec."""
    aggregate = draw(st.sampled_from(["none", "concat", "mean", "weighted"]))
    projector = draw(st.sampled_from(["linear", "mlp", "low_rank"]))
    side = draw(st.sampled_from(["teacher", "student"]))
    tail = draw(st.sampled_from(["drop", "wrap"]))
    return (
        f'tail = "{tail}"\n'
        f'[objective.kv]\naggregate = "{aggregate}"\n'
        f'[objective.kv.projector]\nkind = "{projector}"\nside = "{side}"\n'
        f"[train]\nglobal_batch = {draw(st.integers(1, 32))}\n"
        f"epochs = {draw(st.integers(1, 5))}\n"
    )


def known(values):
    return {
        name: Fact(value=freeze(value), how="measured", probe="test@1")
        for name, value in values.items()
    }
