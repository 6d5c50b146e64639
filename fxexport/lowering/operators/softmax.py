"""Softmax and its logarithm."""

from __future__ import annotations

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("_softmax", "softmax.int", "special_softmax")
def softmax(op: OpBuilder, x: Value, dim: int, *_: object, **__: object) -> Value:
    return _along(op, "Softmax", x, dim)


@LOWERINGS("_safe_softmax")
def safe_softmax(op: OpBuilder, x: Value, dim: int, *_: object, **__: object) -> Value:
    x = op.cast(x, op.dtype)
    return masked_softmax(op, x, dim % x.rank)


def masked_softmax(op: OpBuilder, x: Value, dim: int) -> Value:
    """Softmax that gives 0 where a whole row is minus infinity."""
    empty = op.one("Equal", op.one("ReduceMax", x, [dim], keepdims=1), float("-inf"))
    return op.one("Where", empty, op.const(0, x.elem), op.one("Softmax", x, axis=dim))


@LOWERINGS("_log_softmax", "log_softmax.int", "special_log_softmax")
def log_softmax(op: OpBuilder, x: Value, dim: int, *_: object, **__: object) -> Value:
    return _along(op, "LogSoftmax", x, dim)


def _along(op: OpBuilder, name: str, x: Value, dim: int) -> Value:
    x = op.cast(x, op.dtype)
    if x.rank == 0:
        return op.one("Squeeze", op.one(name, op.one("Unsqueeze", x, [0]), axis=0), [0])
    return op.one(name, x, axis=dim % x.rank)
