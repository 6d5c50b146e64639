"""QR factors, and the operators on Householder's reflections."""

from __future__ import annotations

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.any_rank import smaller, wide
from fxexport.lowering.linear_algebra.matrices import turned
from fxexport.lowering.linear_algebra.reflections import (
    Reflections,
    orthonormal,
    reflected,
    upper,
)
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("linalg_qr")
def qr(op: OpBuilder, x: Value, mode: str = "reduced") -> tuple[Value, Value]:
    """Q and R; mode "r" has an empty Q."""
    rows = op.size1(x, -2)
    packed, taus = reflected(op, wide(op, x))
    kept = rows if mode == "complete" else smaller(op, x)
    r = op.cast(upper(op, packed, kept), x.elem)
    if mode == "r" or 0 not in op.used:
        return op.const([], x.elem), r
    return op.cast(orthonormal(op, packed, taus, kept), x.elem), r


@LOWERINGS("geqrf")
def geqrf(op: OpBuilder, x: Value) -> tuple[Value, Value]:
    """LAPACK's packed result: R above, the reflections below."""
    packed, taus = reflected(op, wide(op, x))
    return op.cast(packed, x.elem), op.cast(taus, x.elem)


@LOWERINGS("linalg_householder_product", "orgqr")
def householder_product(op: OpBuilder, packed: Value, taus: Value) -> Value:
    """As many columns of Q as the packed result has."""
    made = orthonormal(op, wide(op, packed), wide(op, taus), op.size1(packed, -1))
    return op.cast(made, packed.elem)


@LOWERINGS("ormqr")
def ormqr(
    op: OpBuilder,
    packed: Value,
    taus: Value,
    other: Value,
    left: bool = True,
    transpose: bool = False,
) -> Value:
    """Q C, Q^T C, C Q or C Q^T."""
    reflections = Reflections(op, wide(op, packed), wide(op, taus))
    given = wide(op, other)
    if left:
        found = reflections.times(given, transposed=transpose)
    else:
        found = turned(op, reflections.times(turned(op, given), transposed=not transpose))
    return op.cast(found, other.elem)
