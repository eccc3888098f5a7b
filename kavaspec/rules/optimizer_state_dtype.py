"""train.optimizer_state_dtype: float32 moments where they fit, because AdamW moves them by little.

Where they do not fit, 8 bits with a factor for each block of 256: a scale finer towards zero than
bfloat16's is in its place (`kavaspec_runtime/eight_bit.py`).
"""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule
from kavaspec.resident import Models, models_of, room_bytes, room_term, which_memory
from kavaspec.sizes import in_bytes


def optimizer_state_dtype(
    beta2: float,
    param_dtype: str,
    device: str,
    precision: str,
    quantization: str | None,
    placement: str,
    rank: int,
    student: int | None,
    teacher: int | None,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """float32, unless it leaves no room for rows beside weights of `param_dtype`.

    Raises:
        Undecidable: if the spec allows only float16.
    """
    _, memory = which_memory(device, gpu_memory, unified, host_memory)
    in_order = candidates(beta2)
    if student is not None and memory is not None:
        models = models_of(
            student=student,
            teacher=teacher,
            placement=placement,
            device=device,
            quantization=quantization,
            precision=precision,
            rank=rank,
        )
        if models.trained and models.bytes(param_dtype, "float32") > room_bytes(memory):
            in_order = narrow(models, param_dtype, memory)
    return choose(in_order, allowed, hint="float32 always works")


def candidates(beta2: float) -> tuple[Candidate, ...]:
    """All dtypes where memory is not short, best first.

    A step moves the second moment by a share of 1 - beta2; bfloat16 holds shares from 1/256.
    """
    share = max(1, round(1 / (1 - beta2)))
    lost = f"a step moves the second moment by 1/{share}, and bfloat16 holds 1/256"
    kept = f"it holds the second moment's steps of 1/{share} with room to spare"
    return (
        Candidate(value="float32", because=lost if share > 256 else kept),
        Candidate(
            value="int8",
            because="the spec leaves only this",
            otherwise="is off by up to 0.7 % of the largest of 256, and float32 fits",
        ),
        Candidate(
            value="bfloat16",
            because="the spec leaves only this",
            otherwise="holds steps from 1/256 only"
            if share > 256
            else "is close to its limit, 1/256",
        ),
        FLOAT16,
    )


def narrow(models: Models, param_dtype: str, memory: int) -> tuple[Candidate, ...]:
    """All dtypes where float32 leaves no room, best first."""
    whole, small = (models.bytes(param_dtype, dtype) for dtype in ("float32", "int8"))
    takes = f"takes {in_bytes(whole)} of {in_bytes(memory)} with all that stays, before any row"
    return (
        Candidate(
            value="int8",
            because=f"float32 {takes}; this takes {in_bytes(small)}",
            terms=(
                models.term(param_dtype, "float32"),
                models.term(param_dtype, "int8"),
                room_term(memory),
            ),
        ),
        Candidate(value="float32", because="the spec leaves only this", otherwise=takes),
        Candidate(
            value="bfloat16",
            because="the spec leaves only this",
            otherwise="takes twice the room of int8, and holds steps from 1/256 only",
        ),
        FLOAT16,
    )


FLOAT16 = Candidate(
    value="float16", because="", impossible="squares of small gradients are 0 in float16"
)


RULE = Rule(
    key="train.optimizer_state_dtype",
    inputs={
        "beta2": "train.beta2",
        "param_dtype": "train.param_dtype",
        "device": "train.device",
        "precision": "train.precision",
        "quantization": "model.teacher.quantization",
        "placement": "train.teacher_placement",
        "rank": "train.lora.rank",
        "student": "fact.student.parameters",
        "teacher": "fact.teacher.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
    },
    decide=optimizer_state_dtype,
    version=2,
)
