"""train.optimizer_state_dtype: float32 moments where they fit, because AdamW moves them by little.

Where they do not fit beside float32 weights, 8 bits with a factor for each block of 256, rounded
stochastically (`kavaspec_runtime/eight_bit.py`). Moments give way before weights do.
"""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule
from kavaspec.resident import Models, models_of, room_bytes, room_term, which_memory
from kavaspec.sizes import in_bytes


def optimizer_state_dtype(
    beta2: float,
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
    """float32, unless it leaves no room for rows beside float32 weights.

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
        if models.trained and models.bytes("float32", "float32") > room_bytes(memory):
            in_order = narrow(models, memory)
    return choose(in_order, allowed, hint="float32 always works")


def candidates(beta2: float) -> tuple[Candidate, ...]:
    """All dtypes where memory is not known to be short, best first.

    A step moves the second moment by a share of 1 - beta2; bfloat16 holds shares from 1/256.
    """
    share = max(1, round(1 / (1 - beta2)))
    lost = f"a step moves the second moment by 1/{share}, and bfloat16 holds 1/256"
    kept = f"it holds the second moment's steps of 1/{share} with room to spare"
    return (
        Candidate(value="float32", because=lost if share > 256 else kept),
        Candidate(
            value="bfloat16",
            because="the spec rules out float32, and this has more bits than int8",
            otherwise="holds shares from 1/256, and rounds smaller ones stochastically",
        ),
        Candidate(
            value="int8",
            because="the spec leaves only this",
            otherwise="is off by up to 1.4 % of the largest of 256, right in the mean only",
        ),
        FLOAT16,
    )


def narrow(models: Models, memory: int) -> tuple[Candidate, ...]:
    """All dtypes where float32 leaves no room, best first."""
    needs = {dtype: in_bytes(models.bytes("float32", dtype)) for dtype in ("float32", "int8")}
    takes = f"takes {needs['float32']} of {in_bytes(memory)} beside float32 weights, before any row"
    return (
        Candidate(
            value="int8",
            because=f"float32 {takes}; this takes {needs['int8']}",
            terms=(
                models.term("float32", "float32"),
                models.term("float32", "int8"),
                room_term(memory),
            ),
        ),
        Candidate(
            value="bfloat16",
            because=f"float32 {takes}; the spec rules out int8",
            otherwise="takes twice the room of int8",
        ),
        Candidate(value="float32", because="the spec leaves only this", otherwise=takes),
        FLOAT16,
    )


FLOAT16 = Candidate(
    value="float16", because="", impossible="squares of small gradients are 0 in float16"
)


RULE = Rule(
    key="train.optimizer_state_dtype",
    inputs={
        "beta2": "train.beta2",
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
