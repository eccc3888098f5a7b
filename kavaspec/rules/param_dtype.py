"""train.param_dtype: float32 weights where they fit, because 16 bits round small updates away.

Where they do not fit, bfloat16 weights are trained with stochastic rounding: an update that is too
small for them is made now and then, so that on average nothing is lost.
"""

from __future__ import annotations

import math

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Term
from kavaspec.resident import Models, models_of, room_bytes, room_term, which_memory
from kavaspec.sizes import in_bytes


def param_dtype(
    learning_rate: float,
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
    """float32, unless the two models leave no room for rows and the device computes bfloat16.

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
        if models.bytes("float32", "int8") > room_bytes(memory):
            in_order = narrow(models, memory)
    return choose(in_order, allowed, hint="float32 always trains")


def candidates(learning_rate: float) -> tuple[Candidate, ...]:
    """All three dtypes where memory is not short, best first."""
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
            otherwise=f"steps of {learning_rate} vanish on weights from {spelled_out} up, "
            "but for stochastic rounding, and float32 fits",
        ),
        FLOAT16,
    )


def narrow(models: Models, memory: int) -> tuple[Candidate, ...]:
    """All three dtypes where float32 leaves no room, best first."""
    needs = models.bytes("float32", "int8")
    too_much = (
        f"even with 8-bit moments it takes {in_bytes(needs)} of {in_bytes(memory)} before any row"
    )
    return (
        Candidate(
            value="bfloat16",
            because=f"float32 takes {in_bytes(needs)} of {in_bytes(memory)} before any row; this takes "
            f"{in_bytes(models.bytes('bfloat16', 'int8'))}, rounded stochastically",
            terms=(
                models.term("float32", "int8"),
                models.term("bfloat16", "int8"),
                room_term(memory),
            ),
        ),
        Candidate(value="float32", because="the spec leaves only this", otherwise=too_much),
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
