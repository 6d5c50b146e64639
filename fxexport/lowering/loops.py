"""Loops that lowerings write: an operator's own algorithm, of as many steps as its sizes say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["any_of", "body_input", "repeat", "repeat_while"]

Step = Callable[..., Sequence[Value]]


def any_of(op: OpBuilder, condition: Value) -> Value:
    """Whether a condition holds for any element: a loop goes on until it holds for none, bool[]."""
    count = op.one("ReduceSum", op.cast(condition, ir.DataType.INT64), keepdims=0)
    return count > 0


def body_input(
    op: OpBuilder, name: str, kind: ir.DataType | ir.TypeProtocol, shape: ir.Shape | None = None
) -> Value:
    """An input of a body to be written, with a name of its own.

    Args:
        op: the builder.
        name: what it is called, as far as that is not taken.
        kind: its type; a dtype is that of a tensor.
        shape: its shape, where it is known.
    """
    kind = ir.TensorType(kind) if isinstance(kind, ir.DataType) else kind
    return Value(op, name=op.names(name), type=kind, shape=shape)


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

    number = body_input(op, f"{op.prefix}_step", ir.DataType.INT64, ir.Shape([]))
    going = body_input(op, f"{op.prefix}_going", boolean, ir.Shape([]))
    now = [body_input(op, f"{op.prefix}_state", state.elem, state.shape) for state in states]
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
