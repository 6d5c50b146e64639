"""Operators on Python numbers.

TorchScript's numbers are Python's here, symbolic where they are known only when the model runs.
Where an operator's schema declares another type than Python gives (``pow`` and ``round`` are
floats in TorchScript), the result is converted.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.numbers.formulas import FORMULAS
from fxexport.capture.numbers.tensors import computed
from fxexport.capture.recording.types import Function
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import is_symbolic, sym_type
from fxexport.capture.torchscript.call import Call, HandlerTable, refuse
from fxexport.capture.values.kinds import as_kind

__all__ = ["TABLE"]

TABLE = HandlerTable()

_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool}


def declared(call: Call, value: object) -> Any:
    """A result as the type that the operator's schema declares."""
    kind = _KINDS.get(call.instruction.returns)
    if kind is None or sym_type(value) in (kind, None):
        return value
    if kind is int and sym_type(value) is float:
        return call.python(int, value)
    return as_kind(value, kind)


def _number(names: str, function: Function) -> None:
    """Arithmetic that Python's operator does on symbolic numbers too."""
    TABLE.add(*names.split())(
        lambda call: declared(call, function(*(call.ops.number(arg) for arg in call.args)))
    )


def _plain(names: str, function: Function) -> None:
    """A function of known numbers only."""

    def handle(call: Call) -> object:
        if any(is_symbolic(arg) for arg in call.args):
            return refuse(
                call,
                "it is not supported on a number that is known only when the model runs",
                "compute it on a tensor",
            )
        return declared(call, function(*call.args))

    TABLE.add(*names.split())(handle)


def _math(name: str, operator_name: str = "") -> None:
    """A function of `math`; on symbolic numbers it is what C computes as well."""
    function = getattr(math, name)

    def handle(call: Call) -> object:
        if not any(is_symbolic(arg) for arg in call.args):
            return declared(call, _total(function)(*call.args))
        if name in FORMULAS:
            return _as_c_does(call, name)
        return declared(call, call.python(function, *call.args))

    TABLE.add(f"aten::{operator_name or name}")(handle)


def _as_c_does(call: Call, name: str) -> object:
    result = computed(FORMULAS[name], *map(call.ops.number, call.args))
    if name == "frexp":
        return result[0], call.python(int, result[1])
    return result if isinstance(result, tuple) else declared(call, result)


def _total(function: Function) -> Function:
    """A function of `math` as C computes it: NaN and infinity where Python raises."""

    def compute(*args: object) -> object:
        try:
            return function(*args)
        except ValueError:
            name = function.__name__
            if name.startswith("log") and args[0] == (-1 if name == "log1p" else 0):
                return -math.inf
            return math.nan
        except OverflowError:
            return math.inf

    return compute


# -- arithmetic; `aten::add` of strings and lists is Python's too ---------------------------------


@TABLE.add("aten::add")
def _add(call: Call) -> object:
    a, b = call.args[:2]
    total = call.ops.number(a) + call.ops.number(b)
    return call.ops.fresh(total) if isinstance(total, list) else declared(call, total)


@TABLE.add("aten::mul")
def _mul(call: Call) -> object:
    a, b = call.args[:2]
    product = call.ops.multiply(a, b)
    return call.ops.fresh(product) if isinstance(product, list) else declared(call, product)


@TABLE.add("aten::add_", "aten::mul_")
def _augmented(call: Call) -> object:
    name = "Add" if call.instruction.kind == "aten::add_" else "Mult"
    return call.ops.augment(name, call.args[0], call.args[1])


_number("aten::sub", operator.sub)
_number("aten::div", operator.truediv)
_number("aten::floordiv", operator.floordiv)
_number("aten::remainder", operator.mod)
_number("aten::neg", operator.neg)
_plain("aten::angle", lambda x: math.nan if x != x else (math.pi if x < 0 else 0.0))
_number("aten::fabs", lambda a: as_kind(abs(a), float))
for _name in (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "cos", "cosh", "degrees",
    "erf", "erfc", "exp", "expm1", "floor", "gamma", "isfinite", "isinf", "isnan",
    "lgamma", "log", "log10", "log1p", "radians", "sin", "sinh", "sqrt", "tan", "tanh",
    "fmod", "gcd", "factorial", "copysign", "frexp", "ldexp", "modf",
):  # fmt: skip
    _math(_name)
_math("remainder", "mathremainder")


@TABLE.add("aten::pow")
def _pow(call: Call) -> object:
    a, b = (call.ops.number(arg) for arg in call.args)
    if not is_symbolic(a) and not is_symbolic(b):
        power = float(a) ** b if isinstance(b, int) and b < 0 else a**b
        if isinstance(power, complex):  # C's pow knows real numbers only
            power = math.nan
        return declared(call, power)
    with call.session.env.untold():  # PyTorch wants bases of 0 and more
        return declared(call, a**b)


@TABLE.add("aten::__round_to_zero_floordiv")
def _divided_towards_zero(call: Call) -> object:
    a, b = call.args
    ops = call.ops
    opposite = ops.ne(a < 0, b < 0)
    return ops.if_exp(opposite, lambda: -(abs(a) // abs(b)), lambda: abs(a) // abs(b), ())


@TABLE.add("aten::__lshift__", "aten::__rshift__")
def _shift(call: Call) -> object:
    name = "LShift" if call.instruction.kind == "aten::__lshift__" else "RShift"
    return call.ops.binary(name, *call.args)


@TABLE.add("aten::divmod")
def _divmod(call: Call) -> object:
    a, b = (call.ops.number(arg) for arg in call.args)
    return (a // b, a % b)


@TABLE.add("aten::round")
def _round(call: Call) -> object:
    return as_kind(call.python(round, call.args[0]), float)


@TABLE.add("prim::abs")
def _abs(call: Call) -> object:
    return abs(call.args[0])


@TABLE.add("prim::min", "prim::max")
def _extreme(call: Call) -> object:
    function = min if call.instruction.kind == "prim::min" else max
    args = call.args
    if call.instruction.returns == "float":  # an int against a float is a float either way
        args = [as_kind(arg, float) if sym_type(arg) is not None else arg for arg in args]
    return call.python(function, *args)


# -- conversions ----------------------------------------------------------------------------------

TABLE.simple("aten::Int", lambda ops, value: ops.call(int)(value))
TABLE.simple("aten::Bool", lambda ops, value: ops.call(bool)(value))
TABLE.simple("aten::Float", lambda ops, value: ops.call(float)(value))
_plain("aten::Complex", complex)
_plain("aten::polar", cmath.rect)
TABLE.refused(
    "aten::ComplexImplicit.",
    "a complex number is read from a tensor",
    "leave it in the tensor",
)

# -- comparisons and logic ------------------------------------------------------------------------

TABLE.simple("aten::eq", lambda ops, a, b: ops.eq(a, b))
TABLE.simple("aten::ne", lambda ops, a, b: ops.ne(a, b))
TABLE.simple("aten::__not__", lambda ops, a: ops.not_(a))
for _kind, _operation in {"and": "BitAnd", "or": "BitOr", "xor": "BitXor"}.items():
    TABLE.simple(
        f"aten::__{_kind}__",
        lambda ops, a, b, operation=_operation: ops.bitwise(operation, a, b),
    )


def _ordered(names: str, compare: Callable[[Any, Any], object]) -> None:
    def handle(call: Call) -> object:
        a, b = call.args
        if isinstance(a, list) and isinstance(b, list):
            if (
                is_open(a)
                or is_open(b)
                or any(is_symbolic(x) or isinstance(x, torch.Tensor) for x in (*a, *b))
            ):
                return refuse(call, "lists of dynamic values are put in order")
            return compare(a, b)
        return compare(call.ops.number(a), call.ops.number(b))

    TABLE.add(names)(handle)


_ordered("aten::lt", operator.lt)
_ordered("aten::le", operator.le)
_ordered("aten::gt", operator.gt)
_ordered("aten::ge", operator.ge)

# -- ranges ---------------------------------------------------------------------------------------

TABLE.simple("aten::__derive_index", lambda ops, index, start, step: start + index * step)


@TABLE.add("aten::__range_length")
def _range_length(call: Call) -> object:
    return call.python(len, call.python(range, *call.args))


TABLE.simple("prim::rangelist", lambda ops, count: ops.call(list)(ops.call(range)(count)))
