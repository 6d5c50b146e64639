"""The kinds of values that capture works with: their names, and how to tell numbers apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard, overload

import sympy
import torch
from torch import fx

from fxexport.graph.sequences import SequenceVal
from fxexport.graph.unranked import UnrankedVal

__all__ = [
    "SYM",
    "SYM_OF",
    "Condition",
    "Function",
    "GraphValue",
    "Number",
    "OpArgs",
    "OpKwargs",
    "OpResult",
    "Operand",
    "PlainNumber",
    "Size",
    "SymbolicNumber",
    "Undecided",
    "Value",
    "expression",
    "holds_dynamic",
    "is_symbolic",
    "number",
    "python_type",
    "sym_type",
]

# Anything that the user's program holds: what it is must be asked before it is used.
Value: TypeAlias = object

# A function of the program, or what stands for one; it alone knows what it takes and gives.
Function: TypeAlias = Callable[..., Any]

# Numbers that are known only when the model runs; numbers that are known now; either.
SymbolicNumber: TypeAlias = torch.SymInt | torch.SymFloat | torch.SymBool
PlainNumber: TypeAlias = int | float | bool
Number: TypeAlias = PlainNumber | SymbolicNumber

# The size of a dimension, a length, a number of iterations.
Size: TypeAlias = int | torch.SymInt

# What decides an `if`: a Python bool where it is known, else a number or a tensor of one element.
Undecided: TypeAlias = torch.SymBool | torch.Tensor
Condition: TypeAlias = bool | Undecided

# What a node of a graph takes: another node, a constant, or a list or tuple of them.
Operand: TypeAlias = fx.node.Argument

# A value that yields a node of the graph.
GraphValue: TypeAlias = torch.Tensor | SequenceVal | UnrankedVal | SymbolicNumber

# What PyTorch hands to the modes that see its operators, and expects of them. Which kinds of values
# these are is in the schema of the operator; nothing else tells.
OpArgs: TypeAlias = tuple[Any, ...]
OpKwargs: TypeAlias = dict[str, Any]
OpResult: TypeAlias = Any

SYM = (torch.SymInt, torch.SymFloat, torch.SymBool)
SYM_OF: dict[type, type[SymbolicNumber]] = {
    int: torch.SymInt,
    float: torch.SymFloat,
    bool: torch.SymBool,
}


@overload
def is_symbolic(value: Size) -> TypeGuard[torch.SymInt]: ...
@overload
def is_symbolic(value: Value) -> TypeGuard[SymbolicNumber]: ...
def is_symbolic(value: Value) -> bool:
    """Whether a Python scalar is known only when the model runs."""
    return isinstance(value, SYM)


def holds_dynamic(value: Value) -> bool:
    """Whether what is known only when the model runs is a value, or in lists and tuples in it."""
    if isinstance(value, (list, tuple)):
        return any(map(holds_dynamic, value))
    return isinstance(value, (torch.Tensor, *SYM))


def sym_type(value: Value) -> type | None:
    """int, float or bool for a Python or symbolic scalar; None for anything else."""
    for kind, symbolic in ((bool, torch.SymBool), (int, torch.SymInt), (float, torch.SymFloat)):
        if isinstance(value, (kind, symbolic)):
            return kind
    return None


def expression(value: Value) -> sympy.Expr:
    """The sympy expression of a Python or symbolic scalar."""
    return value.node.expr if is_symbolic(value) else sympy.sympify(value)


def number(value: Size) -> Size:
    """A size as a Python int where it is one."""
    expr = expression(value)
    return int(expr) if expr.is_number else value


def python_type(value: Value) -> type:
    """int, float or bool for a node, a symbolic scalar or a constant."""
    if isinstance(value, fx.Node):
        value = value.meta.get("val")
    for python, symbolic in SYM_OF.items():
        if isinstance(value, symbolic):
            return python
    return type(value)
