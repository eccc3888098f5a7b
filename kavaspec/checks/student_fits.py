"""The student fits in memory with its gradients and moments, before anything is computed."""

from __future__ import annotations

from kavaspec.checks.check import AtLeast, Check, Selects, error
from kavaspec.errors import Problem
from kavaspec.resident import student_bytes, which_memory
from kavaspec.sizes import in_bytes


def student_fits(
    param_dtype: str,
    state_dtype: str,
    device: str,
    rank: int,
    parameters: int,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
) -> Problem | None:
    """So much is sure whatever rows, teacher, projector and device take, and so this refuses."""
    fact, memory = which_memory(device, gpu_memory, unified, host_memory)
    if memory is None:
        return None
    needs = student_bytes(parameters, param_dtype, state_dtype, trained=rank == 0)
    if needs <= memory:
        return None
    return error(
        f"{param_dtype} weights and {state_dtype} moments of the student take "
        f"{in_bytes(needs)} with their gradients, and {fact} is {in_bytes(memory)}",
        key="train.param_dtype",
        hint=_smaller(param_dtype, state_dtype, rank),
    )


def _smaller(param_dtype: str, state_dtype: str, rank: int) -> str:
    """What takes less, in the order in which it costs least."""
    ways = [] if state_dtype == "int8" else ['train.optimizer_state_dtype = "int8"']
    if param_dtype == "float32":
        ways.append('train.param_dtype = "bfloat16"')
    if rank == 0:
        ways.append("train.lora.rank = 16 (another experiment)")
    return ", ".join([*ways, "or a larger device"])


CHECK = Check(
    name="student_fits",
    code="KV0768",
    inputs={
        "param_dtype": "train.param_dtype",
        "state_dtype": "train.optimizer_state_dtype",
        "device": "train.device",
        "rank": "train.lora.rank",
        "parameters": "fact.student.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
    },
    veto=student_fits,
    judges="train.param_dtype",
    depends={
        "gpu_memory": AtLeast(),
        "unified": Selects(values=(True, False, None)),
        "host_memory": AtLeast(),
    },
    since=3,
)
