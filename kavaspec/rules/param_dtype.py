"""train.param_dtype: float32 weights where they fit, because 16 bits round small updates away.

Where they do not fit beside the moments, bfloat16 weights are trained with stochastic rounding: an
update that is too small for them is made now and then, so that on average nothing is lost.
"""

from __future__ import annotations

import math

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Term
from kavaspec.resident import Models, models_of, room_bytes, room_term, which_memory
from kavaspec.sizes import in_bytes


def param_dtype(
    learning_rate: float,
    state_dtype: str,
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
    """float32, unless it leaves no room for rows beside moments of `state_dtype` and the teacher.

    bfloat16 weights serve a step that computes in bfloat16: any other would cast them at every use.

    Raises:
        Undecidable: if the spec allows only float16.
    """
    _, memory = which_memory(device, gpu_memory, unified, host_memory)
    in_order = candidates(learning_rate)
    if student is not None and memory is not None and precision == "bfloat16":
        models = models_of(
            student=student,
            teacher=teacher,
            placement=placement,
            device=device,
            quantization=quantization,
            precision=precision,
            rank=rank,
        )
        if models.bytes("float32", state_dtype) > room_bytes(memory):
            in_order = narrow(models, state_dtype, memory)
    return choose(in_order, allowed, hint="float32 always trains")


def candidates(learning_rate: float) -> tuple[Candidate, ...]:
    """All three dtypes where memory is not known to be short, best first."""
    frozen = frozen_from(learning_rate)
    spelled_out = _power(frozen)
    return (
        Candidate(
            value="float32",
            because=f"in bfloat16, steps of {learning_rate} vanish on weights from {spelled_out} up",
            terms=(
                Term(
                    name=f"half of bfloat16's grid at {spelled_out}, above the learning rate",
                    formula=f"{spelled_out} / 256",
                    value=frozen / 256,
                ),
            ),
        ),
        Candidate(
            value="bfloat16",
            because="the spec leaves only this; updates are rounded stochastically",
            otherwise=f"steps of {learning_rate} are made in the mean only: rounded stochastically "
            f"on weights from {spelled_out} up",
        ),
        FLOAT16,
    )


def narrow(models: Models, state_dtype: str, memory: int) -> tuple[Candidate, ...]:
    """All three dtypes where float32 leaves no room, best first."""
    needs = {dtype: in_bytes(models.bytes(dtype, state_dtype)) for dtype in ("float32", "bfloat16")}
    takes = f"takes {needs['float32']} of {in_bytes(memory)} before any row"
    return (
        Candidate(
            value="bfloat16",
            because=f"float32 {takes}; this takes {needs['bfloat16']}, rounded stochastically",
            terms=(
                models.term("float32", state_dtype),
                models.term("bfloat16", state_dtype),
                room_term(memory),
            ),
        ),
        Candidate(value="float32", because="the spec leaves only this", otherwise=takes),
        FLOAT16,
    )


FLOAT16 = Candidate(
    value="float16",
    because="",
    impossible="gradients of float16 weights cannot be unscaled",
)


def frozen_from(learning_rate: float) -> float:
    """The smallest power of two at which a bfloat16 weight no longer moves by `learning_rate`.

    Between w and 2w (w a power of two) bfloat16 has 128 values, w/128 apart; a step below half of
    that, w/256, is rounded away. 2e-4 freezes weights from 1/16 up.
    """
    _, exponent = math.frexp(learning_rate)  # learning_rate < 2 ** exponent, as close as can be
    return math.ldexp(1.0, min(max(exponent + 8, -22), 1023))  # below 2**-22 nothing moves anyway


def _power(value: float) -> str:
    return f"{value:g}" if value >= 1 else f"1 / {1 / value:.0f}"


RULE = Rule(
    key="train.param_dtype",
    inputs={
        "learning_rate": "train.learning_rate",
        "state_dtype": "train.optimizer_state_dtype",
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
    decide=param_dtype,
    version=2,
)
