"""Operators that are given tensors for their results: ``out=``.

A tensor that is no view may get other sizes there. PyTorch gives a view whose size is not that of
the result other memory than it had, without asking whose that is: that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import OpArgs, OpKwargs, Size, expression
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["with_dtype_of_out", "write_views"]


class _Watch(Protocol):
    def needs_size(self, own: Size, other: Size, text: str) -> None:
        """Two sizes are taken to be the same."""


def with_dtype_of_out(
    func: torch._ops.OpOverload, kwargs: OpKwargs, outs: Mapping[str, torch.Tensor]
) -> OpKwargs:
    """The arguments with the dtype that the result has by its tensor, where one can be named."""
    if not outs or not compat.takes_dtype(func) or kwargs.get("dtype") is not None:
        return kwargs
    (out,) = outs.values()
    return {**kwargs, "dtype": out.dtype}


def write_views(
    func: torch._ops.OpOverload,
    args: OpArgs,
    kwargs: OpKwargs,
    views: Mapping[str, torch.Tensor],
    env: compat.SizeEnv,
    watch: _Watch,
) -> None:
    """Calls an operator on new tensors in place of views, and writes what it gives into these.

    Args:
        func: the operator.
        args: its arguments.
        kwargs: those given by name.
        views: those of them that it writes to and whose sizes may not change.
        env: what is known of sizes.
        watch: is told what is needed of sizes.

    Raises:
        UnsupportedError: a result certainly has another size.
    """
    made = {name: torch.empty(view.shape, dtype=view.dtype) for name, view in views.items()}
    func(*args, **{**kwargs, **made})
    for name, view in views.items():
        if not _alike(view.shape, made[name].shape, env, watch.needs_size):
            raise UnsupportedError(
                f"out= has the shape {_text(view.shape)} and memory that other tensors look into, "
                f"and the result has the shape {_text(made[name].shape)}: PyTorch moves it in that "
                "memory",
                code=Code.MEMORY,
                location=user_location(),
                hint="give it a tensor of the result's shape, or assign the result",
            )
        torch.ops.aten.copy_.default(view, made[name])


def _alike(
    own: torch.Size,
    result: torch.Size,
    env: compat.SizeEnv,
    needs: Callable[[Size, Size, str], None],
) -> bool:
    """Whether sizes may be the same; that they are is needed then."""
    if len(own) != len(result):
        return False
    for size, other in zip(own, result, strict=True):
        differ = sympy.Ne(expression(size), expression(other))
        if differ is sympy.true or env.certain(differ):
            return False
        if size is not other:
            needs(size, other, "out= has the size of the result")
    return True


def _text(sizes: torch.Size) -> str:
    """A shape in the words of a message; a size that only the run knows has no number."""
    return f"({', '.join(_number(size) for size in sizes)})"


def _number(size: Size) -> str:
    return str(size) if isinstance(size, int) else "?"
