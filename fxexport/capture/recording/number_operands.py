"""Numbers where operators take tensors."""

from __future__ import annotations

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import OpArgs

__all__ = ["with_tensor"]

_DTYPES: dict[type, torch.dtype] = {
    bool: torch.bool,
    int: torch.int64,
    float: torch.float64,
    complex: torch.complex128,
}


def with_tensor(func: torch._ops.OpOverload, args: OpArgs) -> OpArgs:
    """The arguments, with a tensor where an operator on one is given a number alone.

    `torch.vmap` makes tensors of numbers (``row * 2``), which PyTorch hands on as numbers again.
    """
    given = args[0] if args else None
    if type(given) not in _DTYPES or compat.tensors_among(args, {}):
        return args
    if str(func._schema.arguments[0].type) != "Tensor":
        return args
    return (torch.scalar_tensor(given, dtype=_DTYPES[type(given)]), *args[1:])  # type: ignore[arg-type]
