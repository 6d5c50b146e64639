"""Comparisons, logic and bits."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
BOOL, INT64 = ir.DataType.BOOL, ir.DataType.INT64


def comparable(op: OpBuilder, *operands: Operand, bools: bool = False) -> list[Value]:
    """The operands in one dtype that runtimes compare."""
    dtype = op.common(*operands)
    wide = dtypes.widened(dtype)
    if dtype == BOOL and not bools:
        wide = ir.DataType.INT32
    return [op.cast(op.cast(x, dtype), wide) for x in operands]


def equal(op: OpBuilder, a: Operand, b: Operand) -> Value:
    """``a == b`` with promotion."""
    return op.one("Equal", *comparable(op, a, b, bools=True))


def _ordering(name: str) -> Callable[[OpBuilder, Operand, Operand], Value]:
    def lowering(op: OpBuilder, a: Operand, b: Operand) -> Value:
        return op.one(name, *comparable(op, a, b))

    return lowering


for _name, _onnx in (
    ("lt", "Less"),
    ("le", "LessOrEqual"),
    ("gt", "Greater"),
    ("ge", "GreaterOrEqual"),
):
    LOWERINGS(f"{_name}.Tensor", f"{_name}.Scalar")(_ordering(_onnx))


LOWERINGS("eq.Tensor", "eq.Scalar")(equal)


@LOWERINGS("ne.Tensor", "ne.Scalar")
def not_equal(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return ~equal(op, a, b)


@LOWERINGS("equal")
def all_equal(op: OpBuilder, a: Value, b: Value) -> Value:
    """``torch.equal``: a Python bool."""
    if a.rank != b.rank:
        return op.const(False, BOOL)
    if a.rank == 0:
        return equal(op, a, b)
    # Unequal shapes cannot be compared, so both are cut to the part they share.
    same = op.one("Equal", op.shape(a), op.shape(b))
    same_shape = _all(op, same)
    if op.constant(same_shape) is None:
        size = op.one("Min", op.shape(a), op.shape(b))
        starts, axes = op.i64([0] * a.rank), op.i64(list(range(a.rank)))
        a, b = (op.one("Slice", x, starts, size, axes) for x in (a, b))
    elif not bool(op.constant(same_shape)):
        return op.const(False, BOOL)
    flat = op.one("Reshape", equal(op, a, b), [-1])
    return same_shape & _all(op, flat)


def _all(op: OpBuilder, x: Value) -> Value:
    known = op.constant(x)
    if known is not None:
        return op.const(bool(known.all()), BOOL)
    whole = op.one("ReduceSum", op.cast(~x, ir.DataType.INT64), [0], keepdims=0)
    return op.one("Equal", whole, 0)


def truth(op: OpBuilder, x: Operand) -> Value:
    """``x != 0``."""
    if isinstance(x, Value) and x.elem in dtypes.SMALL_INTS:
        x = op.cast(x, ir.DataType.INT32)
    return op.cast(x, BOOL)


@LOWERINGS("logical_and")
def logical_and(op: OpBuilder, a: Value, b: Value) -> Value:
    return truth(op, a) & truth(op, b)


@LOWERINGS("logical_or")
def logical_or(op: OpBuilder, a: Value, b: Value) -> Value:
    return truth(op, a) | truth(op, b)


@LOWERINGS("logical_xor")
def logical_xor(op: OpBuilder, a: Value, b: Value) -> Value:
    return op.one("Xor", truth(op, a), truth(op, b))


@LOWERINGS("logical_not")
def logical_not(op: OpBuilder, a: Value) -> Value:
    return ~truth(op, a)


def _bitwise(bits: str, logic: str) -> Callable[[OpBuilder, Operand, Operand], Value]:
    def lowering(op: OpBuilder, a: Operand, b: Operand) -> Value:
        a, b = op.promote(a, b)
        return op.one(logic if a.elem == BOOL else bits, a, b)

    return lowering


for _name, _bits, _logic in (
    ("and", "BitwiseAnd", "And"),
    ("or", "BitwiseOr", "Or"),
    ("xor", "BitwiseXor", "Xor"),
):
    LOWERINGS(
        f"bitwise_{_name}.Tensor",
        f"bitwise_{_name}.Scalar",
        f"bitwise_{_name}.Scalar_Tensor",
        f"__{_name}__.Tensor",
        f"__{_name}__.Scalar",
    )(_bitwise(_bits, _logic))


@LOWERINGS("bitwise_not")
def bitwise_not(op: OpBuilder, a: Value) -> Value:
    return ~a if a.elem == BOOL else op.one("BitwiseNot", a)


_SHIFT_LEFT = "bitwise_left_shift.Tensor bitwise_left_shift.Tensor_Scalar __lshift__.Scalar"
_SHIFT_RIGHT = "bitwise_right_shift.Tensor bitwise_right_shift.Tensor_Scalar __rshift__.Scalar"


@LOWERINGS(*_SHIFT_LEFT.split(), "__lshift__.Tensor", "bitwise_left_shift.Scalar_Tensor")
def left_shift(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return _shift(op, a, b, "LEFT")


@LOWERINGS(*_SHIFT_RIGHT.split(), "__rshift__.Tensor", "bitwise_right_shift.Scalar_Tensor")
def right_shift(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return _shift(op, a, b, "RIGHT")


def _shift(op: OpBuilder, a: Operand, b: Operand, direction: str) -> Value:
    """Shifts by arithmetic: ONNX shifts unsigned integers only.

    A product with a power of two wraps like a shift to the left; an arithmetic shift to the right
    is a division that rounds down. A shift by all bits or more, or by a negative number, leaves
    nothing but the sign, as in PyTorch.
    """
    dtype = op.dtype
    a, b = op.cast(a, dtype), op.cast(b, dtype)
    if dtype in (ir.DataType.UINT32, ir.DataType.UINT64):
        return op.one("BitShift", a, b, direction=direction)
    x, by = op.cast(a, INT64), op.cast(b, INT64)
    top = 63
    fits = (by >= op.i64(0)) & (by < op.i64(int(8 * dtype.itemsize)))
    table = op.i64([1 << k for k in range(top)] + [-(2**63)])
    factor = op.one("Gather", table, op.one("Where", fits, by, op.i64(0)), axis=0)
    if direction == "LEFT":
        return op.cast(op.one("Where", fits, x * factor, op.i64(0)), dtype)
    sign = op.one("Where", x < op.i64(0), op.i64(-1), op.i64(0))
    below = fits & (by < op.i64(top))  # only there is the factor positive
    divisor = op.one("Where", below, factor, op.i64(1))
    floor = (x - op.one("Mod", x, divisor)) / divisor
    return op.cast(op.one("Where", below, floor, sign), dtype)


@LOWERINGS("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def where(op: OpBuilder, condition: Value, a: Operand, b: Operand) -> Value:
    return op.one("Where", truth(op, condition), op.cast(a, op.dtype), op.cast(b, op.dtype))


@LOWERINGS("isnan")
def isnan(op: OpBuilder, x: Value) -> Value:
    return op.one("IsNaN", x) if dtypes.is_float(x.elem) else _never(op, x)


@LOWERINGS("isinf")
def isinf(op: OpBuilder, x: Value) -> Value:
    if not dtypes.is_float(x.elem):
        return _never(op, x)
    return op.one("Equal", op.one("Abs", x), float("inf"))


@LOWERINGS("isfinite")
def isfinite(op: OpBuilder, x: Value) -> Value:
    if not dtypes.is_float(x.elem):
        return ~_never(op, x)
    return op.one("Abs", x) < float("inf")


@LOWERINGS("isposinf")
def isposinf(op: OpBuilder, x: Value) -> Value:
    return op.one("Equal", x, float("inf")) if dtypes.is_float(x.elem) else _never(op, x)


@LOWERINGS("isneginf")
def isneginf(op: OpBuilder, x: Value) -> Value:
    return op.one("Equal", x, float("-inf")) if dtypes.is_float(x.elem) else _never(op, x)


@LOWERINGS("isin.Tensor_Tensor", "isin.Tensor_Scalar", "isin.Scalar_Tensor")
def isin(
    op: OpBuilder, x: Operand, among: Operand, *, assume_unique: bool = False, invert: bool = False
) -> Value:
    a, b = comparable(op, x, among, bools=True)
    pairs = op.one("Equal", op.one("Unsqueeze", a, [a.rank]), op.one("Reshape", b, [-1]))
    count = op.one("ReduceSum", op.cast(pairs, INT64), [-1], keepdims=0)
    return op.one("Equal", count, 0) if invert else count > 0


@LOWERINGS("signbit", "prims::signbit")
def signbit(op: OpBuilder, x: Value) -> Value:
    if not dtypes.is_float(x.elem):
        return op.one("Less", *comparable(op, x, 0))
    return (x < 0.0) | (op.one("Reciprocal", x) < 0.0)  # -0.0 has its sign, too


def _never(op: OpBuilder, x: Value) -> Value:
    return op.one("Expand", op.const(False, BOOL), op.shape(x))
