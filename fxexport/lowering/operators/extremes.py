"""The largest and the smallest, and where they are."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.reduce import Dims, extreme
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


def _extreme(name: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
        return extreme(op, name, x, dim, keepdim)

    return lowering


LOWERINGS("amax", "max")(_extreme("ReduceMax"))
LOWERINGS("amin", "min")(_extreme("ReduceMin"))


@LOWERINGS("aminmax")
def aminmax(
    op: OpBuilder, x: Value, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Value, Value]:
    return (
        extreme(op, "ReduceMin", x, dim, keepdim),
        extreme(op, "ReduceMax", x, dim, keepdim),
    )


def _first(
    op: OpBuilder, x: Value, dim: int, keepdim: bool, *, largest: bool
) -> tuple[Value, Value]:
    """The largest or smallest float along a dimension, and where it is first.

    TopK takes NaN for the largest, as PyTorch does; ArgMax passes over it. It costs as much. The
    smallest is the largest of the negated numbers: NaN is NaN there, too.
    """
    turned = x if largest else -x
    values, indices = op.several("TopK", 2, turned, op.i64([1]), axis=dim)
    if not keepdim:
        values, indices = (op.one("Squeeze", v, [dim]) for v in (values, indices))
    return (values if largest else -values), indices


def _arg(name: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
        if x.rank == 0:
            return op.i64(0)
        rank = x.rank
        if dim is None and rank > 1:
            x = op.one("Reshape", x, [-1])
        found = _position(op, name, x, 0 if dim is None else dim % rank, keepdim)
        return op.one("Reshape", found, [1] * rank) if dim is None and keepdim else found

    return lowering


def _position(op: OpBuilder, name: str, x: Value, dim: int, keepdim: bool) -> Value:
    if dtypes.is_float(x.elem) and op.exact:
        return _first(op, x, dim, keepdim, largest=name == "ArgMax")[1]
    wide = ir.DataType.INT32 if x.elem == ir.DataType.BOOL else dtypes.widened(x.elem)
    return op.one(name, op.cast(x, wide), axis=dim, keepdims=int(keepdim))


argmax = LOWERINGS("argmax")(_arg("ArgMax"))
argmin = LOWERINGS("argmin")(_arg("ArgMin"))


def _with_index(
    reduction: str, position: Callable[..., Value]
) -> Callable[..., tuple[Value, Value | None]]:
    def lowering(
        op: OpBuilder, x: Value, dim: int, keepdim: bool = False
    ) -> tuple[Value, Value | None]:
        largest = reduction == "ReduceMax"
        if not op.indices_used:
            return extreme(op, reduction, x, dim, keepdim), None
        if x.rank and dtypes.is_float(x.elem) and op.exact:
            return _first(op, x, dim % x.rank, keepdim, largest=largest)
        return extreme(op, reduction, x, dim, keepdim), position(op, x, dim, keepdim)

    return lowering


LOWERINGS("max.dim")(_with_index("ReduceMax", argmax))
LOWERINGS("min.dim")(_with_index("ReduceMin", argmin))
