"""Loops that lowerings write: an operator's own algorithm, of as many steps as its sizes say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["repeat", "repeat_while"]

Step = Callable[..., Sequence[Value]]


def repeat(
    op: OpBuilder, trips: int | Value, states: Sequence[Value], step: Step
) -> tuple[Value, ...]:
    """Changes some tensors a number of times, as a Loop.

    Args:
        op: the builder.
        trips: how often.
        states: the tensors; each keeps its dtype and rank, and where its sizes are known, these.
        step: called as ``step(k, *states)``, where k is the number of the iteration, int64[];
            returns the states after it. It may use any value from outside.

    Returns:
        The states after the last iteration.
    """
    return _loop(op, trips, None, states, lambda k, *now: (None, *step(k, *now)))


def repeat_while(
    op: OpBuilder, condition: Operand, states: Sequence[Value], step: Step, limit: int | None = None
) -> tuple[Value, ...]:
    """Changes some tensors as long as a condition holds, as a Loop.

    Args:
        op: the builder.
        condition: whether to begin, bool[].
        states: as for `repeat`.
        step: called as ``step(k, *states)``; returns whether to go on, bool[], and the states.
        limit: the largest number of iterations.

    Returns:
        The states after the last iteration.
    """
    return _loop(op, limit, condition, states, step)


def _loop(
    op: OpBuilder,
    trips: int | Value | None,
    condition: Operand,
    states: Sequence[Value],
    step: Callable[..., Sequence[Value | None]],
) -> tuple[Value, ...]:
    boolean = ir.TensorType(ir.DataType.BOOL)
    kinds = [ir.TensorType(state.elem) for state in states]

    def inner(name: str, kind: ir.TypeProtocol, shape: ir.Shape | None) -> Value:
        return Value(op, name=op.names(f"{op.prefix}_{name}"), type=kind, shape=shape)

    number = inner("step", ir.TensorType(ir.DataType.INT64), ir.Shape([]))
    going = inner("going", boolean, ir.Shape([]))
    now = [inner("state", kind, s.shape) for kind, s in zip(kinds, states, strict=True)]
    for value, state in zip(now, states, strict=True):
        value.limits = state.limits

    def iteration() -> list[Value]:
        going_on, *after = step(number, *now)
        results = [going if going_on is None else going_on]
        for value, kind in zip(after, kinds, strict=True):
            assert value is not None
            results.append(op.cast(value, kind.dtype))
        return _made_here(op, results)

    body = op.body(
        op.node_names(f"{op.prefix}_body"), [number, going, *now], [boolean, *kinds], iteration
    )
    limit = op.cast(trips, ir.DataType.INT64) if trips is not None else None
    start = op.const(True, ir.DataType.BOOL) if condition is None else condition
    results = op.write(
        "Loop", [limit, op.cast(start, ir.DataType.BOOL), *states], {"body": body}, len(states)
    )
    for result, state in zip(results, states, strict=True):
        result.type, result.shape, result.limits = state.type, state.shape, state.limits
    return results


def _made_here(op: OpBuilder, values: Sequence[Value]) -> list[Value]:
    """A body's outputs: each its own value, which is no input, constant or output of elsewhere.

    What a node of the body gives is one already; ONNX Runtime would copy it.
    """
    found: list[Value] = []
    for value in values:
        node = value.producer()
        if node is None or node.graph is not op.graph or value in found:
            (own,) = op.write("Identity", [value], {})
            own.type, own.shape = value.type, value.shape
            value = own
        found.append(value)
    return found
