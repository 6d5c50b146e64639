"""The refusal of operators of other libraries of which PyTorch does not know what they give."""

from __future__ import annotations

import torch

from fxexport import _torch_compat as compat
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["refuse_foreign_operator"]

# PyTorch's own, each of which says itself what is wrong.
_OWN = frozenset({"aten", "prims", "prim", "_c10d_functional", "higher_order"})


def refuse_foreign_operator(func: torch._ops.OpOverload) -> None:
    """Refuses an operator behind ``torch.ops`` that can be run with real tensors only.

    Raises:
        UnsupportedError: it is one, or writes in place.
    """
    if func.namespace in _OWN:
        return
    name = func._schema.name
    if func._schema.is_mutable:
        raise UnsupportedError(
            f"the operator {name} writes in place, and fxexport cannot read it",
            code=Code.COMPILED_CODE,
            location=user_location(),
            hint="register an operator that gives new tensors, and copy them: x.copy_(...)",
        )
    if not compat.has_fake_kernel(func):
        raise UnsupportedError(
            f"fxexport cannot read the operator {name}, and PyTorch has no fake kernel that "
            "says what it gives",
            code=Code.COMPILED_CODE,
            location=user_location(),
            hint=f'say what it gives with torch.library.register_fake("{name}"), and its ONNX form '
            f'with fxexport.register_lowering("{name}", ...)',
        )
