"""Tensors with a shape and no content: a step of any size takes seconds, and no memory.

Weights and all that is computed from them are torch's fake tensors. Tokens and masks are real, because
how many rows a mask leaves is a shape too; so a mask is turned into places before it meets a fake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN = torch.ops.aten

BY_PLACE = {
    getattr(ATEN, name)
    for name in ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put")
}
"""Operators whose second argument says where, by place or by mask."""

NUMBER = ATEN._local_scalar_dense  # noqa: SLF001  # the name of an operator
"""What `.item()` calls."""


real = unset_fake_temporarily
"""Inside `weightless`: what is made in here has content after all."""


@contextmanager
def weightless() -> Iterator[None]:
    """What is made inside has no content; a number that is read from it is 1, and true."""
    with ExitStack() as modes:
        modes.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        modes.enter_context(_RealMasks())  # type: ignore[no-untyped-call]  # torch has no annotation here
        yield


class _RealMasks(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no annotation here
    """Computes with content where all inputs have it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:  # type: ignore[override]  # torch gives all four
        kwargs = kwargs or {}
        if func.namespace == "prim":  # a question about a tensor, such as where it is
            return func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if tensors and not any(isinstance(tensor, FakeTensor) for tensor in tensors):
            with real():
                return func(*args, **kwargs)
        if func.overloadpacket is NUMBER:
            return _one(args[0].dtype)
        if func.overloadpacket in BY_PLACE:
            args = (args[0], _places(args[1]), *args[2:])
        return func(*args, **kwargs)


def _one(dtype: torch.dtype) -> bool | int | float:
    if dtype == torch.bool:
        return True
    return 1.0 if dtype.is_floating_point else 1


def _places(where: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The same with the places where a mask is true instead of the mask."""
    found: list[Tensor | None] = []
    for one in where:
        if one is not None and one.dtype == torch.bool and not isinstance(one, FakeTensor):
            with real():
                found += one.nonzero().unbind(1)
        else:
            found.append(one)
    return found
