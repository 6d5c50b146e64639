"""``branch`` to If and ``loop`` to Loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.captured import source_of
from fxexport.lowering import dtypes
from fxexport.lowering.graph_values import output_vals
from fxexport.lowering.values import Value

if TYPE_CHECKING:
    from fxexport.lowering.convert import GraphWriter

__all__ = ["write_branch", "write_loop"]


def write_branch(
    writer: GraphWriter, node: fx.Node, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Value]:
    """Writes a branch as an If whose bodies see outer values by name."""
    op = writer.op
    condition, then_body, else_body, operands = _bound(
        ("condition", "then_body", "else_body", "operands"), args, kwargs
    )
    vals = _results(node, then_body)
    label = op.node_names(_label(node, "if"))
    test = _condition(writer, condition)
    bodies = [
        _body(writer, node, f"{label}_{part}", vals, partial(writer.write_nodes, module, operands))
        for part, module in (("then", then_body), ("else", else_body))
    ]
    outputs = _write(
        writer,
        node,
        "If",
        label,
        [test],
        {"then_branch": bodies[0], "else_branch": bodies[1]},
        len(vals),
    )
    for output, val in zip(outputs, vals, strict=True):
        writer.describe(output, val)
    return list(outputs)


def write_loop(
    writer: GraphWriter, node: fx.Node, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Value]:
    """Writes a loop as a Loop whose body sees captured values by name."""
    op = writer.op
    trip_count, condition, module, carried, captured, scan_shapes = _bound(
        ("trip_count", "condition", "body", "carried", "captured", "scan_shapes"), args, kwargs
    )
    label = op.node_names(_label(node, "loop"))
    placeholders = module.graph.find_nodes(op="placeholder")
    state_vals = [_val(p) for p in placeholders[1 : 1 + len(carried)]]
    trips = None if trip_count is None else op.cast(trip_count, ir.DataType.INT64)
    initial = [_as(writer, value, val) for value, val in zip(carried, state_vals, strict=True)]
    test = _condition(writer, condition)

    step = _body_input(writer, f"{label}_trip", 0)
    going = _body_input(writer, f"{label}_going", True)
    state = [
        _body_input(writer, f"{label}_{p.name}", val)
        for p, val in zip(placeholders[1:], state_vals, strict=False)
    ]
    row_vals = output_vals(module)[1 + len(carried) :]

    def trip() -> list[Any]:
        going_on, *results = writer.write_nodes(module, [step, *state, *captured])
        op.work_for(node)
        op.prefix = label
        return [_condition(writer, going_on), *results]

    inputs, vals = [step, going, *state], [True, *state_vals, *row_vals]
    body = _body(writer, node, f"{label}_body", vals, trip, inputs)
    count = len(carried) + len(row_vals)
    outputs = _write(writer, node, "Loop", label, [trips, test, *initial], {"body": body}, count)
    finals = [*_final_vals(node, state_vals), *row_vals]
    for output_value, val in zip(outputs[: len(carried)], finals, strict=False):
        writer.describe(output_value, val)
    rows = [
        _scan_rows(writer, value, val, shape)
        for value, val, (shape, _) in zip(
            outputs[len(carried) :], row_vals, scan_shapes, strict=True
        )
    ]
    return [*outputs[: len(carried)], *rows]


def _scan_rows(writer: GraphWriter, value: Value, val: Any, shape: Sequence[Any]) -> Value:
    """A scan output; after zero trips a runtime cannot know symbolic sizes, so they are given."""
    value.type = ir.TensorType(dtypes.of_val(val))
    sizes = list(val.shape) if isinstance(val, torch.Tensor) else []
    dims = [int(size) if is_concrete_int(size) else None for size in sizes]
    value.shape = ir.Shape([None, *dims])
    if None not in dims or None in shape:
        return value
    op = writer.op
    full = op.one("Reshape", value, op.sizes([op.size(value, 0), *shape]), allowzero=1)
    full.shape = ir.Shape([None, *dims])
    return full


def _write(
    writer: GraphWriter,
    node: fx.Node,
    op_type: str,
    label: str,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Any],
    count: int,
) -> tuple[Value, ...]:
    op = writer.op
    outputs = op.write(op_type, inputs, attributes, count, name=f"{node.name}_{op_type}")
    for k, output in enumerate(outputs):
        output.name = op.names(f"{node.name}_{k}")
    made = op.graph[-1]
    made.name = label
    return outputs


def _condition(writer: GraphWriter, condition: Any) -> Value:
    op = writer.op
    value = op.cast(condition, ir.DataType.BOOL)
    if value.shape is not None and value.rank == 0:
        return value
    flat = op.one("Reshape", value, op.i64([]))
    flat.shape = ir.Shape([])
    return flat


def _as(writer: GraphWriter, value: Any, val: Any) -> Value:
    return writer.op.cast(value, dtypes.of_val(val))


def _body_input(writer: GraphWriter, name: str, val: Any) -> Value:
    value = Value(writer.op, name=writer.op.names(name))
    writer.describe(value, val)
    return value


def _body(
    writer: GraphWriter,
    node: fx.Node,
    name: str,
    vals: Sequence[Any],
    results: Callable[[], Sequence[Any]],
    inputs: Sequence[Value] = (),
) -> ir.Graph:
    """A body of a node whose outputs are the results, each in the dtype of its metadata."""

    def write() -> list[Value]:
        made = results()
        writer.op.work_for(node)
        writer.op.prefix = name
        used: set[Value] = set()
        outputs = []
        for result, val in zip(made, vals, strict=True):
            output = writer.as_output(result, val, used)
            writer.describe(output, val)
            outputs.append(output)
        return outputs

    return writer.op.body(name, inputs, [dtypes.type_of(val) for val in vals], write)


def _label(node: fx.Node, what: str) -> str:
    source = source_of(node)
    if source is None:
        return f"{node.name}_{what}"
    return f"{source.function or 'module'}_L{source.line}_{what}".replace("<", "").replace(">", "")


def _bound(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    values = dict(zip(names, args, strict=False))
    values.update(kwargs)
    return tuple(values.get(name, ()) for name in names)


def _val(node: fx.Node) -> Any:
    return node.meta["val"]


def _results(node: fx.Node, body: fx.GraphModule) -> list[Any]:
    val = node.meta.get("val")
    if isinstance(val, (tuple, list)):
        return list(val)
    return output_vals(body)


def _final_vals(node: fx.Node, state_vals: Sequence[Any]) -> list[Any]:
    val = node.meta.get("val")
    if isinstance(val, (tuple, list)):
        return list(val[: len(state_vals)])
    return list(state_vals)
