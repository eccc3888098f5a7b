"""How many bytes of tensors live at once, what for, and when there were most.

Every operator is seen as it is dispatched. A storage counts from the first tensor that shows it until
nobody refers to it, once however many tensors share it: what an allocator is asked for. What a kernel
takes and gives back inside of one operator is not seen.

It works the same on tensors with content and without (`weightless`).
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kavaspec_runtime.step import Trainer

COPY = torch.ops.aten._to_copy.default  # noqa: SLF001  # the name of an operator
"""What autocast calls to make a copy of a weight in another dtype."""

WEIGHTS = ("student", "teacher", "projector")


class Liveness(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no annotation here
    """While it is entered: live bytes by part, and the same at the peak.

        student, teacher, projector     weights and buffers
        gradients, moments              of what learns
        copies                          of weights, in the dtype that is computed in
        cache                           what the teacher's forward pass leaves, and takes
        activations, logits             of the student's forward pass
        temporaries                     of the backward pass and the update

    Each storage is rounded up to `granule` bytes, as an allocator does.
    """

    def __init__(self, granule: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no annotation here
        self._granule = granule
        self._known: dict[int, tuple[str, int]] = {}
        self._live: Counter[str] = Counter()
        self._parts = ["activations"]
        self.bytes = 0
        self.peak_bytes = 0
        self.peak: Mapping[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:  # type: ignore[override]  # torch gives all four
        out = func(*args, **(kwargs or {}))
        if func.namespace == "prim":  # a question about a tensor, such as where it is
            return out
        part = self._purpose(func, args)
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._count(leaf, part)
        return out

    def forget_peak(self) -> None:
        """Look for the most from here on."""
        self.peak_bytes = 0
        self._compare()

    def begin(self, part: str) -> None:
        """What appears from here on is counted as `part`."""
        self._parts.append(part)

    def end(self) -> None:
        """The part before is gone on with."""
        self._parts.pop()

    def counts(self, tensors: Iterable[Tensor], part: str) -> None:
        """These are `part`, whatever they were taken for."""
        for tensor in tensors:
            self._count(tensor, part)
            name = id(tensor.untyped_storage())
            was, size = self._known[name]
            self._known[name] = part, size
            self._live[was] -= size
            self._live[part] += size

    def _purpose(self, func: Any, args: Any) -> str:
        if func is COPY and self._part_of(args[0]) in WEIGHTS:
            return "copies"
        in_backward = torch._C._current_graph_task_id() != -1  # noqa: SLF001  # it has no other name
        return "temporaries" if in_backward else self._parts[-1]

    def _part_of(self, tensor: Tensor) -> str:
        return self._known.get(id(tensor.untyped_storage()), ("", 0))[0]

    def _count(self, tensor: Tensor, part: str) -> None:
        storage = tensor.untyped_storage()
        name = id(storage)  # torch keeps the object as long as the storage
        if name in self._known:
            return
        size = -(-storage.nbytes() // self._granule) * self._granule
        self._known[name] = part, size
        self._live[part] += size
        self.bytes += size
        weakref.finalize(storage, self._gone, name).atexit = False
        self._compare()

    def _gone(self, name: int) -> None:
        part, size = self._known.pop(name)
        self._live[part] -= size
        self.bytes -= size

    def _compare(self) -> None:
        if self.bytes > self.peak_bytes:
            self.peak_bytes = self.bytes
            self.peak = dict(self._live)


@contextmanager
def told_apart(liveness: Liveness, trainer: Trainer) -> Iterator[None]:
    """Inside, `liveness` knows what the tensors of this trainer's steps are for."""
    models = trainer.models
    named = [("student", models.student), ("projector", models.projector)]
    named += [] if models.teacher is None else [("teacher", models.teacher)]
    for part, module in named:
        liveness.counts([*module.parameters(), *module.buffers()], part)

    def during(part: str, module: Any) -> list[Any]:
        """`always_call`, because what ends the teacher's pass is an exception."""
        return [
            module.register_forward_pre_hook(lambda *_: liveness.begin(part)),
            module.register_forward_hook(lambda *_: liveness.end(), always_call=True),
        ]

    def accumulated(weight: Tensor) -> None:
        liveness.counts([weight.grad], "gradients")  # type: ignore[list-item]  # it is there now

    def updated(optimizer: torch.optim.Optimizer, *_: object) -> None:
        liveness.end()
        state = (part for of_weight in optimizer.state.values() for part in of_weight.values())
        liveness.counts((part for part in state if torch.is_tensor(part)), "moments")

    hooks = during("logits", models.student.get_output_embeddings())
    if models.teacher is not None:
        hooks += during("cache", models.teacher.base_model)
    for weight in trainer.weights:
        hooks.append(weight.register_post_accumulate_grad_hook(accumulated))  # type: ignore[no-untyped-call]  # as above
    hooks.append(trainer.optimizer.register_step_pre_hook(lambda *_: liveness.begin("temporaries")))
    hooks.append(trainer.optimizer.register_step_post_hook(updated))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
