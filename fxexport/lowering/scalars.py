"""Functions on Python scalars, with Python's semantics: ints are int64, floats float64."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir
import torch

from fxexport.graph import scalars
from fxexport.lowering.arithmetic import arc_tangent, floor_divide, python_modulo
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["lower_scalar"]

BOOL, INT, FLOAT = ir.DataType.BOOL, ir.DataType.INT64, ir.DataType.DOUBLE


def lower_scalar(op: OpBuilder, function: Callable[..., object], args: Sequence[object]) -> Value:
    """Writes one function on Python scalars."""
    lowering = _LOWERINGS.get(function)
    if lowering is None:
        raise op.refuse(f"{function.__name__} on a number that is computed by the model")
    return lowering(op, *args)


def _kind(x: Operand) -> ir.DataType:
    if isinstance(x, Value):
        return x.elem
    return BOOL if isinstance(x, bool) else INT if isinstance(x, int) else FLOAT


def _numbers(op: OpBuilder, *args: Operand, at_least: ir.DataType = INT) -> list[Value]:
    """The operands as ints, or as floats when one of them is."""
    kind = FLOAT if at_least == FLOAT or any(_kind(a) == FLOAT for a in args) else INT
    return [op.cast(a, kind) for a in args]


def _same(op: OpBuilder, *args: Operand) -> list[Value]:
    """The operands in one type, bools staying bools."""
    if all(_kind(a) == BOOL for a in args):
        return [op.cast(a, BOOL) for a in args]
    return _numbers(op, *args)


def _arithmetic(op_type: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, a: Operand, b: Operand) -> Value:
        return op.one(op_type, *_numbers(op, a, b))

    return lowering


def _comparison(op_type: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, a: Operand, b: Operand) -> Value:
        return op.one(op_type, *_numbers(op, a, b))

    return lowering


def _truediv(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return op.one("Div", *_numbers(op, a, b, at_least=FLOAT))


def _floordiv(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return floor_divide(op, *_numbers(op, a, b))


def _mod(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return python_modulo(op, *_numbers(op, a, b))


def _pow(op: OpBuilder, a: Operand, b: Operand) -> Value:
    wants_float = isinstance(op.val, (float, torch.SymFloat))
    if isinstance(b, int) and 0 <= b <= 64 and not wants_float:
        (base,) = _numbers(op, a)
        return _power(op, base, b)
    base, exponent = _numbers(op, a, b, at_least=FLOAT if wants_float else INT)
    if base.elem == INT:
        return _int_power(op, base, exponent)
    return op.one("Pow", base, exponent)


def _power(op: OpBuilder, base: Value, exponent: int) -> Value:
    result: Value | None = None
    while exponent:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        if exponent:
            base = base * base
    return op.i64(1) if result is None else result


def _int_power(op: OpBuilder, base: Value, exponent: Value) -> Value:
    """Square and multiply over the six bits that an int64 result can need."""
    result = op.i64(1)
    for _ in range(6):
        odd = op.one("Equal", op.one("Mod", exponent, 2), 1)
        result = op.one("Where", odd, result * base, result)
        exponent = floor_divide(op, exponent, op.i64(2))
        base = base * base
    return result


def _neg(op: OpBuilder, a: Operand) -> Value:
    (value,) = _numbers(op, a)
    return -value


def _abs(op: OpBuilder, a: Operand) -> Value:
    (value,) = _numbers(op, a)
    return op.one("Abs", value)


def _eq(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return op.one("Equal", *_same(op, a, b))


def _ne(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return ~_eq(op, a, b)


def _and(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return op.cast(a, BOOL) & op.cast(b, BOOL)


def _or(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return op.cast(a, BOOL) | op.cast(b, BOOL)


def _not(op: OpBuilder, a: Operand) -> Value:
    return ~op.cast(a, BOOL)


def _largest(op: OpBuilder, a: Operand, b: Operand) -> Value:
    a, b = _numbers(op, a, b)
    return op.cast(op.one("Max", a, b), _result_kind(op))


def _smallest(op: OpBuilder, a: Operand, b: Operand) -> Value:
    a, b = _numbers(op, a, b)
    return op.cast(op.one("Min", a, b), _result_kind(op))


def _result_kind(op: OpBuilder) -> ir.DataType:
    return op.dtype if op.val is not None else INT


def _to_int(op: OpBuilder, a: Operand) -> Value:
    return op.cast(a, INT)


def _to_float(op: OpBuilder, a: Operand) -> Value:
    return op.cast(a, FLOAT)


def _to_bool(op: OpBuilder, a: Operand) -> Value:
    if _kind(a) == BOOL:
        flag = op.cast(a, BOOL)  # a tensor with one element, it may be
        return op.one("Reshape", flag, op.i64([])) if flag.rank else flag
    (value,) = _numbers(op, a)
    return ~op.one("Equal", value, 0)


def _rounding(op_type: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, a: Operand, digits: Operand = None) -> Value:
        if digits is not None:
            raise op.refuse(
                "rounding a number that is computed by the model to a number of digits",
                "use torch.round(x, decimals=n) on a tensor",
            )
        if _kind(a) != FLOAT:
            return op.cast(a, INT)
        return op.cast(op.one(op_type, a), INT)

    return lowering


def _select(op: OpBuilder, condition: Operand, a: Operand, b: Operand) -> Value:
    a, b = _same(op, a, b)
    test = op.cast(condition, BOOL)
    if test.rank:  # a tensor with one element
        test = op.one("Reshape", test, op.i64([]))
    return op.one("Where", test, a, b)


def _function(op_type: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, a: Operand) -> Value:
        return op.one(op_type, op.cast(a, FLOAT))

    return lowering


def _cos(op: OpBuilder, a: Operand) -> Value:
    return op.one("Cos", op.cast(a, FLOAT))


def _tan(op: OpBuilder, a: Operand) -> Value:
    x = op.cast(a, FLOAT)
    return op.one("Sin", x) / op.one("Cos", x)


def _atan(op: OpBuilder, a: Operand) -> Value:
    return arc_tangent(op, op.cast(a, FLOAT))


def _log2(op: OpBuilder, a: Operand) -> Value:
    """Whole where the number is a power of two, as Python's."""
    x = op.cast(a, FLOAT)
    logarithm = op.one("Log", x) / math.log(2.0)
    whole = op.one("Round", logarithm)
    power = op.one("Pow", op.cast(2.0, FLOAT), whole)
    return op.one("Where", op.one("Equal", power, x), whole, logarithm)


def _bits(op_type: str) -> Callable[..., Value]:
    def lowering(op: OpBuilder, a: Operand, b: Operand) -> Value:
        return op.one(op_type, op.cast(a, INT), op.cast(b, INT))

    return lowering


_LOWERINGS: Mapping[Callable[..., object], Callable[..., Value]] = {
    operator.add: _arithmetic("Add"),
    operator.sub: _arithmetic("Sub"),
    operator.mul: _arithmetic("Mul"),
    operator.truediv: _truediv,
    operator.floordiv: _floordiv,
    operator.mod: _mod,
    operator.pow: _pow,
    operator.neg: _neg,
    operator.eq: _eq,
    operator.ne: _ne,
    operator.lt: _comparison("Less"),
    operator.le: _comparison("LessOrEqual"),
    operator.gt: _comparison("Greater"),
    operator.ge: _comparison("GreaterOrEqual"),
    scalars.and_: _and,
    scalars.or_: _or,
    scalars.not_: _not,
    scalars.maximum: _largest,
    scalars.minimum: _smallest,
    scalars.absolute: _abs,
    scalars.to_int: _to_int,
    scalars.to_float: _to_float,
    scalars.to_bool: _to_bool,
    scalars.bits_and: _bits("BitwiseAnd"),
    scalars.bits_or: _bits("BitwiseOr"),
    scalars.bits_xor: _bits("BitwiseXor"),
    scalars.floor: _rounding("Floor"),
    scalars.ceil: _rounding("Ceil"),
    scalars.round_half_even: _rounding("Round"),
    scalars.select: _select,
    math.sqrt: _function("Sqrt"),
    math.exp: _function("Exp"),
    math.log: _function("Log"),
    math.log2: _log2,
    math.sin: _function("Sin"),
    math.cos: _cos,
    math.tan: _tan,
    math.tanh: _function("Tanh"),
    math.atan: _atan,
}
