"""LSTM whose hidden state is projected (`proj_size`): ONNX's has no projection."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.loops import body_input

__all__ = ["projected_layer"]


def projected_layer(
    op: OpBuilder,
    x: Value,
    params: Sequence[Sequence[Value]],
    states: Sequence[Value],
    lengths: Value | None,
) -> tuple[Value, ...]:
    """One layer, in one direction or two.

    Args:
        op: the builder.
        x: [steps, batch, features]; at least one step, and one row.
        params: of each direction: the weights of the input and of the hidden state, their biases
            where there are any, and the projection.
        states: the hidden state [directions, batch, projected] and that of the cells.
        lengths: how many steps each row has, where they differ; the others do not count.

    Returns:
        What each step gives, with the directions side by side, and both states after the last one.
    """
    counts = _counting(op, x, lengths)
    made = []
    for k, own in enumerate(params):
        start = [op.one("Gather", state, k, axis=0) for state in states]
        made.append(_direction(op, x, own, start, counts, backwards=k == 1))
    rows, *after = zip(*made, strict=True)
    hidden, cells = ([op.one("Unsqueeze", state, [0]) for state in states] for states in after)
    return tuple(
        parts[0] if len(parts) == 1 else op.one("Concat", *parts, axis=axis)
        for parts, axis in ((rows, 2), (hidden, 0), (cells, 0))
    )


def _counting(op: OpBuilder, x: Value, lengths: Value | None) -> Value | None:
    """Whether a step of a row counts: bool [steps, batch, 1]."""
    if lengths is None:
        return None
    steps = op.one("Squeeze", op.size1(x, 0), [0])
    steps = op.one("Unsqueeze", op.one("Range", 0, steps, 1), [1])
    counting = steps < op.one("Unsqueeze", op.cast(lengths, ir.DataType.INT64), [0])
    return op.one("Unsqueeze", counting, [2])


def _direction(
    op: OpBuilder,
    x: Value,
    params: Sequence[Value],
    start: Sequence[Value],
    counts: Value | None,
    *,
    backwards: bool,
) -> tuple[Value, Value, Value]:
    """What each step gives, and both states after the last one."""
    of_input, of_hidden, *biases, projection = params
    gates = x @ op.one("Transpose", of_input, perm=[1, 0])
    for bias in biases:
        gates = gates + bias
    of_hidden, projection = (op.one("Transpose", w, perm=[1, 0]) for w in (of_hidden, projection))

    def step(hidden: Value, cells: Value, row: Value, counted: Value | None) -> list[Value]:
        parts = op.several("Split", 4, row + hidden @ of_hidden, axis=1, num_outputs=4)
        enter, forget, leave = (op.one("Sigmoid", parts[k]) for k in (0, 1, 3))
        inside = forget * cells + enter * op.one("Tanh", parts[2])
        after = (leave * op.one("Tanh", inside)) @ projection
        if counted is None:
            return [after, inside]
        return [
            op.one("Where", counted, after, hidden),
            op.one("Where", counted, inside, cells),
        ]

    def inner(name: str, dtype: ir.DataType, dims: Sequence[int | None]) -> Value:
        return body_input(op, f"{op.prefix}_{name}", dtype, ir.Shape(dims))

    states = [inner("state", x.elem, [None, s.dims[-1]]) for s in start]
    rows = [inner("row", x.elem, [None, gates.dims[-1]])]
    if counts is not None:
        rows.append(inner("counted", ir.DataType.BOOL, [None, 1]))

    def body() -> list[Value]:
        hidden, cells = states
        after = step(hidden, cells, rows[0], rows[1] if counts is not None else None)
        return [*after, op.one("Identity", after[0])]

    kind = ir.TensorType(x.elem)
    graph = op.body(op.node_names("scan"), [*states, *rows], [kind] * 3, body)
    attributes = {
        "body": graph,
        "num_scan_inputs": len(rows),
        "scan_input_directions": [int(backwards)] * len(rows),
        "scan_output_directions": [int(backwards)],
    }
    inputs = [*start, gates, *([] if counts is None else [counts])]
    hidden, cells, out = op.write("Scan", inputs, attributes, 3)
    for value, rank in ((hidden, 2), (cells, 2), (out, 3)):
        value.type, value.shape = kind, ir.Shape([None] * rank)
    return out, hidden, cells
