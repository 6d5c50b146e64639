"""Functions of tensors that PyTorch works out where no operator is seen: they look at memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.session.session import Session

__all__ = ["memory_functions"]


def memory_functions(
    session: Session, raw: Callable[..., Any]
) -> dict[object, Callable[..., object]]:
    """What is called in place of them.

    Args:
        session: the capture.
        raw: calls a function of PyTorch as it is.
    """
    tensor: Any = torch.Tensor

    def contiguous(x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        # Of a tensor that lies in order nothing is asked of an operator.
        result: torch.Tensor = raw(tensor.contiguous, session.tensors.lift(x), *args, **kwargs)
        if not args and not kwargs:
            session.tensors.memory.made_contiguous(result)
        return result

    def resize(x: torch.Tensor, *size: Any, **kwargs: Any) -> torch.Tensor:
        one = len(size) == 1 and isinstance(size[0], (tuple, list))
        sizes = kwargs.pop("size", size[0] if one else size)
        return resized(torch.ops.aten.resize_.default, x, sizes, kwargs)

    def resize_as(x: torch.Tensor, the_template: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return resized(torch.ops.aten.resize_as_.default, x, the_template, kwargs)

    def resized(func: torch._ops.OpOverload, x: torch.Tensor, *args: Any) -> torch.Tensor:
        # Before an operator is seen, PyTorch asks whether the sizes are those that there are.
        *operands, kwargs = args
        x, *operands = map(session.tensors.lift, (x, *operands))
        func, called, named = session.tensors.memory.call(func, (x, *operands), kwargs)
        result: torch.Tensor = raw(func, *called, **named)
        return result

    return {
        tensor.contiguous: contiguous,
        tensor.resize_: resize,
        tensor.resize_as_: resize_as,
        torch.resize_as_: resize_as,
    }
