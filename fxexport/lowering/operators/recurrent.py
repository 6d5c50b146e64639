"""LSTM, GRU and RNN, kept whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.projected_lstm import projected_layer
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

# ONNX's order of the gates, as indices into PyTorch's order.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


@dataclass(frozen=True)
class _Cell:
    """A kind of cell: ONNX's operator and its attributes; an activation is for one direction."""

    kind: str
    activation: str = ""
    linear_before_reset: int | None = None


_LSTM = _Cell("LSTM")
_GRU = _Cell("GRU", linear_before_reset=1)
_TANH = _Cell("RNN", activation="Tanh")
_RELU = _Cell("RNN", activation="Relu")


def _in_order(op: OpBuilder, kind: str, weight: Value) -> Value:
    """A weight with its gates in ONNX's order, and a leading dimension for the direction."""
    order = _GATES[kind]
    if len(order) > 1:
        gates = op.several("Split", len(order), weight, axis=0, num_outputs=len(order))
        weight = op.one("Concat", *(gates[k] for k in order), axis=0)
    return op.one("Unsqueeze", weight, [0])


def _joined(op: OpBuilder, parts: Sequence[Value]) -> Value:
    return parts[0] if len(parts) == 1 else op.one("Concat", *parts, axis=0)


def _layer_state(op: OpBuilder, state: Value, layer: int, directions: int, layers: int) -> Value:
    if layers == 1:
        return state
    start = layer * directions
    return op.one("Slice", state, [start], [start + directions], [0])


def _run(
    op: OpBuilder,
    cell: _Cell,
    x: Value,
    states: Sequence[Value],
    params: Sequence[Value],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    lengths: Value | None = None,
) -> list[Value]:
    """All layers; the output, then the final states."""
    kind = cell.kind
    if train and dropout:
        raise op.refuse(f"{kind} with dropout in training mode", "call model.eval() first")
    directions = 2 if bidirectional else 1
    each = 4 if has_biases else 2
    projected = len(params) == layers * directions * (each + 1)
    if batch_first:
        x = op.one("Transpose", x, perm=[1, 0, 2])
    batch = None if x.dims[1] or lengths is not None else op.size1(x, 1)
    if batch is not None:
        x, *states = (_at_least_one_row(op, value, batch) for value in (x, *states))
    hidden = params[1].dims[1]
    assert hidden is not None  # the size of a weight
    finals: list[list[Value]] = [[] for _ in states]
    for layer in range(layers):
        initial = [_layer_state(op, state, layer, directions, layers) for state in states]
        if projected:
            own = params[layer * directions * (each + 1) :]
            own_params = [own[k * (each + 1) : (k + 1) * (each + 1)] for k in range(directions)]
            x, *after = projected_layer(op, x, own_params, initial, lengths)
            for k, final in enumerate(after):
                finals[k].append(final)
            continue
        weights: list[Value] = []
        recurrent: list[Value] = []
        biases: list[Value] = []
        for direction in range(directions):
            at = (layer * directions + direction) * each
            weights.append(_in_order(op, kind, params[at]))
            recurrent.append(_in_order(op, kind, params[at + 1]))
            if has_biases:
                both = [_in_order(op, kind, params[at + k]) for k in (2, 3)]
                biases.append(op.one("Concat", *both, axis=1))
        made = op.several(
            kind,
            1 + len(states),
            x,
            _joined(op, weights),
            _joined(op, recurrent),
            _joined(op, biases) if biases else None,
            lengths,
            *initial,
            hidden_size=hidden,
            direction="bidirectional" if bidirectional else "forward",
            activations=[cell.activation] * directions if cell.activation else None,
            linear_before_reset=cell.linear_before_reset,
        )
        for k, final in enumerate(made[1:]):
            final.shape = ir.Shape([directions, None, None])
            finals[k].append(final)
        if bidirectional:
            turned = op.one("Transpose", made[0], perm=[0, 2, 1, 3])
            x = op.one("Reshape", turned, [0, 0, directions * hidden])
        else:
            x = op.one("Squeeze", made[0], [1])
        x.shape = ir.Shape([None, None, None])
    results = [x, *(_joined(op, parts) for parts in finals)]
    if batch is not None:
        results = [op.one("Slice", value, [0], batch, [1]) for value in results]
    if batch_first:
        results[0] = op.one("Transpose", results[0], perm=[1, 0, 2])
    return results


def _at_least_one_row(op: OpBuilder, x: Value, batch: Value) -> Value:
    """The value with a row of zeros in an empty batch, which ends ONNX Runtime's process."""
    missing = 1 - op.one("Min", batch, 1)
    padded = op.one("Pad", x, op.sizes([0, 0, 0, 0, missing, 0]), op.const(0, x.elem))
    padded.shape = ir.Shape([x.dims[0], None, x.dims[2]])
    return padded


def _padded(cell: _Cell) -> Callable[..., list[Value]]:
    """The lowering of a kind of cell on padded sequences."""

    def lowering(
        op: OpBuilder,
        x: Value,
        hx: Value | Sequence[Value],
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> list[Value]:
        return _run(
            op,
            cell,
            x,
            [hx] if isinstance(hx, Value) else hx,
            params,
            has_biases,
            num_layers,
            dropout,
            train,
            bidirectional,
            batch_first,
        )

    return lowering


def _packed(cell: _Cell) -> Callable[..., list[Value]]:
    """The lowering of a kind of cell on a packed sequence: padded, run with lengths, packed."""

    def lowering(
        op: OpBuilder,
        data: Value,
        batch_sizes: Value,
        hx: Value | Sequence[Value],
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
    ) -> list[Value]:
        states = [hx] if isinstance(hx, Value) else list(hx)
        batch = op.size1(states[0], 1)
        steps = op.one("Unsqueeze", batch_sizes, [1])
        sequences = op.one("Range", 0, op.one("Squeeze", batch, [0]), 1)
        mask = op.one("Unsqueeze", sequences, [0]) < steps
        positions = op.one("Transpose", op.one("NonZero", mask), perm=[1, 0])
        width = op.size1(data, 1)
        shape = op.one("Concat", op.size1(batch_sizes, 0), batch, width, axis=0)
        zeros = op.one("Expand", op.const(0, data.elem), shape)
        padded = op.one("ScatterND", zeros, positions, data)
        padded.shape = ir.Shape([None, None, data.dims[1]])
        lengths = op.one("ReduceSum", op.cast(mask, ir.DataType.INT32), [0], keepdims=0)
        results = _run(
            op,
            cell,
            padded,
            states,
            params,
            has_biases,
            num_layers,
            dropout,
            train,
            bidirectional,
            False,
            lengths,
        )
        results[0] = op.one("GatherND", results[0], positions)
        return results

    return lowering


for _name, _kind in (("lstm", _LSTM), ("gru", _GRU), ("rnn_tanh", _TANH), ("rnn_relu", _RELU)):
    LOWERINGS(f"{_name}.input")(_padded(_kind))
    LOWERINGS(f"{_name}.data")(_packed(_kind))
