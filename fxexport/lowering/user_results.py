"""Whether what a user's lowering gives fits what PyTorch gives."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["fitting"]


def fitting(op: OpBuilder, what: object, result: object) -> object:
    """The result or results of a user's lowering.

    Args:
        op: the builder; it knows what PyTorch gives.
        what: the operator or function.
        result: what the lowering has returned.

    Raises:
        UnsupportedError: it is another number of results, of another dtype, or no values.
    """
    vals = list(op.val) if isinstance(op.val, (tuple, list)) else [op.val]
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    wanted = [dtypes.of_val(val) for val in vals if val is not None]
    got = [one.dtype if isinstance(one, Value) else type(one).__name__ for one in results]
    fits = len(wanted) == len(got) and all(
        kind in (want, None) for kind, want in zip(got, wanted, strict=True)
    )
    if not fits:
        raise op.refuse(
            f"the ONNX form that {what} was given has {_listed(got)}, and PyTorch gives "
            f"{_listed(wanted)}",
            "return a value for each result, of its dtype: op.cast(x, dtype) converts one",
        )
    return result


def _listed(kinds: Sequence[object]) -> str:
    named = [kind.name.lower() if isinstance(kind, ir.DataType) else str(kind) for kind in kinds]
    return f"{len(named)} result{'s' * (len(named) != 1)} ({', '.join(named)})"
