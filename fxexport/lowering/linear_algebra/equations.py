"""Systems of equations, inverses and determinants, by elimination."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.elimination import Factors, eliminated
from fxexport.lowering.linear_algebra.factors import factors_of, lu_solved
from fxexport.lowering.linear_algebra.matrices import (
    broadcast,
    diagonal,
    flat,
    identities,
    range_of,
    turned,
    unflat,
)
from fxexport.lowering.linear_algebra.triangular import substituted
from fxexport.lowering.registry import LoweringTable

__all__ = ["determinant"]

LOWERINGS = LoweringTable()


@LOWERINGS("_linalg_solve_ex")
def solve(
    op: OpBuilder, a: Value, b: Value, *, left: bool = True, check_errors: bool = False
) -> tuple[Value, Value, Value, Value]:
    vector = op.result.dim() < max(a.rank, b.rank) or b.rank == 1
    right = op.one("Unsqueeze", b, [b.rank]) if vector else b
    wide, right = broadcast(op, a, right), broadcast(op, right, a)
    matrices = flat(op, a)
    # Matrices that are the same for several right sides are factored once.
    if left and _is_batch_of_matrices(op):
        sides = turned(op, flat(op, right))
        factors = eliminated(op, matrices, sides)
        assert factors.right is not None
        found = turned(op, substituted(op, factors.columns, factors.right, upper=True))
    else:
        factors = eliminated(op, matrices)
        columns = flat(op, broadcast(op, unflat(op, factors.columns, a), wide))
        order = flat(op, broadcast(op, unflat(op, factors.order, a), wide))
        sides = flat(op, right)
        if left:
            found = lu_solved(op, columns, order, turned(op, sides), adjoint=False)
            found = turned(op, found)
        else:
            found = lu_solved(op, columns, order, sides, adjoint=True)
    found = unflat(op, found, right)
    if vector:
        found = op.one("Squeeze", found, [right.rank - 1])
    return (found, *factors_of(op, factors, a))


def _is_batch_of_matrices(op: OpBuilder) -> bool:
    """Whether there are as many solutions as matrices."""
    packed = op.results[1]
    outer = packed.shape[:-2]
    return list(map(str, op.result.shape[: len(outer)])) == list(map(str, outer)) and (
        op.result.dim() in (packed.dim(), packed.dim() - 1)
    )


@LOWERINGS("linalg_inv_ex")
def inverse(op: OpBuilder, x: Value, check_errors: bool = False) -> tuple[Value, Value]:
    matrices = flat(op, x)
    factors = eliminated(op, matrices, identities(op, matrices))
    assert factors.right is not None
    found = substituted(op, factors.columns, factors.right, upper=True)
    return unflat(op, turned(op, found), x), factors_of(op, factors, x)[2]


@LOWERINGS("_linalg_det")
def det(op: OpBuilder, x: Value) -> tuple[Value, None, None]:
    if op.indices_used:
        raise op.refuse("the LU factors of a determinant", "use torch.linalg.lu_factor")
    # ONNX Runtime (1.32) has it in single precision only.
    found = op.one("Det", x) if x.elem == ir.DataType.FLOAT else determinant(op, x)
    return found, None, None


def determinant(op: OpBuilder, x: Value) -> Value:
    """By elimination: for runtimes that have no Det."""
    return unflat(op, _product(op, eliminated(op, flat(op, x)), x.elem), x, 0)


def _product(op: OpBuilder, factors: Factors, dtype: ir.DataType) -> Value:
    pivots = diagonal(op, factors.columns)
    return op.one("ReduceProd", pivots, [1], keepdims=0) * _sign(op, factors, dtype)


@LOWERINGS("_linalg_slogdet")
def slogdet(op: OpBuilder, x: Value) -> tuple[Value, Value, None, None]:
    """The determinant itself may be too large or too small."""
    factors = eliminated(op, flat(op, x))
    pivots = diagonal(op, factors.columns)
    sign = op.one("ReduceProd", op.one("Sign", pivots), [1], keepdims=0)
    sign = sign * _sign(op, factors, x.elem)
    size = op.one("ReduceSum", op.one("Log", op.one("Abs", pivots)), [1], keepdims=0)
    # PyTorch factors the matrix or its transpose, by its strides: no file gives these factors.
    return unflat(op, sign, x, 0), unflat(op, size, x, 0), None, None


def _sign(op: OpBuilder, factors: Factors, dtype: ir.DataType) -> Value:
    """Of the permutation: -1 for an odd number of rows that were swapped; [B]."""
    own = range_of(op, op.size(factors.pivots, 1)) + 1
    swaps = op.one("ReduceSum", op.cast(~op.one("Equal", factors.pivots, own), ir.DataType.INT64),
                   [1], keepdims=0)  # fmt: skip
    return op.cast(1 - (swaps % 2) * 2, dtype)
