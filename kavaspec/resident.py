"""What a training step keeps in memory however few rows it computes.

    student    weights + gradients + two moments, and copies in the compute dtype while a step computes
    teacher    weights in the compute dtype, or quantized

Rows come on top: activations, logits, keys and values. So does the projector, which is small beside
both models unless it is an `mlp` over all layers, and what the device itself takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from kavaspec.decision import Term

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of one number of a dtype."""

FACTOR_BYTES, BLOCK = 4, 256
"""8-bit moments have one float32 factor for each block of so many."""

QUANTIZED_BYTES = {"int8": 1.0, "nf4": 0.5625}
"""Of one weight of a quantized teacher; nf4 has a float32 factor for each 64."""

SHARE = (3, 4)
"""Of the device's memory, for what is always there. The rest is for rows, the device's context and
the allocator. An assumption, until a step is measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """How large the two models are, and how the teacher is held."""

    student: int
    """Parameters."""
    trained: bool
    """Whether all of them learn; with adapters they are only there."""
    teacher: int
    """Parameters; 0 where no teacher computes on the device."""
    quantization: str
    precision: str
    """What matrix products are computed in."""

    def bytes(self, weights: str, moments: str) -> int:
        """Of all that stays, for these dtypes of the student."""
        return self.student_bytes(weights, moments) + self.teacher_bytes

    def student_bytes(self, weights: str, moments: str) -> int:
        kept = student_bytes(self.student, weights, moments, trained=self.trained)
        return kept + copies_bytes(self.student, weights, self.precision)

    @property
    def teacher_bytes(self) -> int:
        return int(self.teacher * QUANTIZED_BYTES.get(self.quantization, BYTES[self.precision]))

    def term(self, weights: str, moments: str) -> Term:
        """The arithmetic of `bytes`, as a line of a decision."""
        of_student = self.student_bytes(weights, moments)
        and_moments = f" and {moments} moments" if self.trained else ""
        return Term(
            name=f"bytes that stay with {weights} weights{and_moments}",
            formula=f"{of_student} + {self.teacher_bytes}",
            value=of_student + self.teacher_bytes,
        )


def models_of(
    *,
    student: int,
    teacher: int | None,
    placement: str,
    device: str,
    quantization: str | None,
    precision: str,
    rank: int,
) -> Models:
    """`placement` and `rank` are `train.teacher_placement` and `train.lora.rank`."""
    elsewhere = placement == "cpu" and device != "cpu"
    return Models(
        student=student,
        trained=rank == 0,
        teacher=0 if elsewhere else teacher or 0,
        quantization=quantization or "none",
        precision=precision,
    )


def student_bytes(count: int, weights: str, moments: str, *, trained: bool) -> int:
    """Of a module with so many parameters: itself, and where it learns gradients and moments.

    Every step has all of it at its end, so that less than this never suffices.
    """
    if not trained:
        return count * BYTES[weights]
    return 2 * count * BYTES[weights] + moments_bytes(moments, count)


def copies_bytes(count: int, weights: str, precision: str) -> int:
    """Of the copy that autocast keeps of each weight that it casts, until the backward pass is done.

    With gradients of earlier micro-batches they are there all at once. float32 is no autocast.
    """
    return 0 if precision in ("float32", weights) else count * BYTES[precision]


def moments_bytes(dtype: str, count: int) -> int:
    """Of AdamW's two moments for `count` weights."""
    if dtype == "int8":
        return 2 * (count + FACTOR_BYTES * -(-count // BLOCK))
    return 2 * count * BYTES[dtype]


def which_memory(
    device: str, gpu_memory: int | None, unified: bool | None, host_memory: int | None
) -> tuple[str, int | None]:
    """The fact that says in how much memory the step runs, and what it says, in bytes."""
    if device in {"cuda", "rocm"} and not unified:
        return "fact.gpu.memory_bytes", gpu_memory
    return "fact.memory.total_bytes", host_memory


def room_bytes(memory_bytes: int) -> int:
    """How much of a device's memory may be taken before any row is computed."""
    share, of = SHARE
    return memory_bytes * share // of


def room_term(memory_bytes: int) -> Term:
    """The arithmetic of `room_bytes`."""
    share, of = SHARE
    return Term(
        name="bytes for what stays",
        formula=f"{memory_bytes} * {share} // {of}",
        value=room_bytes(memory_bytes),
    )
