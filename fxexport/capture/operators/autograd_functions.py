"""What ``Function.apply`` of `torch.autograd` runs: ``forward``, with a stand-in for its context.

These functions are rewritten like the user's own, so the ifs and loops of ``forward`` are staged.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.autograd import Function

__all__ = ["apply", "function_of"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True


class Context:
    """The ``ctx`` of ``forward`` and ``setup_context``: what it is told is for a backward pass.

    Attributes:
        needs_input_grad: for each argument whether it is a tensor that requires a gradient.
        saved_tensors: nothing: PyTorch saves after ``forward``.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[object, ...] = ()
        self.to_save: tuple[object, ...] = ()
        self.dirty: tuple[object, ...] = ()

    def save_for_backward(self, *tensors: object) -> None:
        self.to_save = tensors

    def save_for_forward(self, *tensors: object) -> None:
        pass

    def mark_dirty(self, *tensors: object) -> None:
        self.dirty = tensors

    def mark_non_differentiable(self, *tensors: object) -> None:
        pass

    def mark_shared_storage(self, *pairs: object) -> None:
        pass

    def set_materialize_grads(self, value: bool) -> None:
        pass


def function_of(method: object) -> type[Function] | None:
    """The class whose ``apply`` a callable is; None for any other, an ``apply`` of its own too."""
    owner = getattr(method, "__self__", None)
    if not isinstance(owner, type) or not issubclass(owner, Function):
        return None
    if getattr(method, "__name__", "") != "apply":
        return None
    is_torch = all("apply" not in vars(base) for base in owner.__mro__ if issubclass(base, Function)
                   and base is not Function)  # fmt: skip
    return owner if is_torch else None


def apply(function: type[Any], *args: object) -> object:
    """``function.apply(*args)``."""
    needs = tuple([isinstance(arg, torch.Tensor) and arg.requires_grad for arg in args])
    ctx = Context(needs)
    if function.setup_context is Function.setup_context:
        output = function.forward(ctx, *args)
    else:
        output = function.forward(*args)
        function.setup_context(ctx, args, output)
    if type(output) is tuple:
        return tuple([as_result(value, args, ctx) for value in output])
    return as_result(output, args, ctx)


def as_result(value: object, args: tuple[object, ...], ctx: Context) -> object:
    """A result: an argument that comes back, and was not written to, is a view of itself."""
    if not isinstance(value, torch.Tensor) or not is_among(value, args):
        return value
    return value if is_among(value, ctx.dirty) else value.view_as(value)


def is_among(value: object, others: tuple[object, ...]) -> bool:
    # The operator `is` would ask which path a merged tensor comes from; that is another one.
    return any([operator.is_(value, other) for other in others])  # noqa: C419
