"""``branch`` to If and ``loop`` to Loop."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import onnx_ir as ir
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.file_keys import NODE
from fxexport.graph.captured import source_of
from fxexport.graph.marks import CONTRACT
from fxexport.graph.ops import branch, loop
from fxexport.graph.values import Val, output_vals
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.graph_lowering import GraphLowering
from fxexport.lowering.guards import scalar_flag

__all__ = ["write_branch", "write_loop"]


def write_branch(
    lowering: GraphLowering, node: fx.Node, args: Sequence[object], kwargs: Mapping[str, object]
) -> list[Value]:
    """Writes a branch as an If whose bodies see outer values by name."""
    op = lowering.op
    call = inspect.signature(branch).bind(*args, **kwargs).arguments
    then_body, else_body = call["then_body"], call["else_body"]
    operands = call["operands"]
    vals = _results(node, then_body)
    label = op.node_names(_label(node, "if"))
    test = scalar_flag(op, call["condition"])
    # ONNX wants a result, also of a branch that is there for its guards alone.
    more = [] if vals else [True]

    def write(module: fx.GraphModule) -> list[Operand]:
        return [*lowering.write_nodes(module, operands), *more]

    bodies = [
        _body(lowering, node, part, f"{label}_{part}", [*vals, *more], partial(write, module))
        for part, module in (("then", then_body), ("else", else_body))
    ]
    attributes = {"then_branch": bodies[0], "else_branch": bodies[1]}
    outputs = _write(lowering, node, "If", label, [test], attributes, len(vals) or 1)[: len(vals)]
    for output, val in zip(outputs, vals, strict=True):
        lowering.describe(output, val)
    return list(outputs)


def write_loop(
    lowering: GraphLowering, node: fx.Node, args: Sequence[object], kwargs: Mapping[str, object]
) -> list[Value]:
    """Writes a loop as a Loop whose body sees captured values by name."""
    op = lowering.op
    bound = inspect.signature(loop).bind(*args, **kwargs)
    bound.apply_defaults()
    call = bound.arguments
    trip_count, module = call["trip_count"], call["body"]
    carried, captured = call["carried"], call["captured"]
    label = op.node_names(_label(node, "loop"))
    placeholders = module.graph.find_nodes(op="placeholder")
    state_vals = [_val(p) for p in placeholders[1 : 1 + len(carried)]]
    limit = None if trip_count is None else op.cast(trip_count, ir.DataType.INT64)
    initial = [
        op.cast(value, dtypes.of_val(val)) for value, val in zip(carried, state_vals, strict=True)
    ]
    test = scalar_flag(op, call["condition"])

    step = _body_input(lowering, f"{label}_trip", 0)
    going = _body_input(lowering, f"{label}_going", True)
    state = [
        _body_input(lowering, f"{label}_{p.name}", val)
        for p, val in zip(placeholders[1:], state_vals, strict=False)
    ]
    row_vals = output_vals(module)[1 + len(carried) :]
    # ONNX wants a result, also of a loop that is there for its guards alone.
    more = [] if state_vals or row_vals else [_body_input(lowering, f"{label}_nothing", True)]

    def iteration() -> list[Operand]:
        going_on, *results = lowering.write_nodes(module, [step, *state, *captured])
        op.work_for(node)
        op.prefix = label
        return [scalar_flag(op, going_on), *results, *more]

    inputs, vals = [step, going, *state, *more], [True, *state_vals, *row_vals]
    results = [*vals, *(True for _ in more)]
    body = _body(lowering, node, "body", f"{label}_body", results, iteration, inputs)
    count = len(carried) + len(row_vals) + len(more)
    initial += [op.const(True, ir.DataType.BOOL) for _ in more]
    outputs = _write(lowering, node, "Loop", label, [limit, test, *initial], {"body": body}, count)
    finals = [*_final_vals(node, state_vals), *row_vals]
    for output_value, val in zip(outputs[: len(carried)], finals, strict=False):
        lowering.describe(output_value, val)
    rows = [
        _scan_rows(lowering, value, val, shape)
        for value, val, (shape, _) in zip(
            outputs[len(carried) : count - len(more)], row_vals, call["scan_shapes"], strict=True
        )
    ]
    return [*outputs[: len(carried)], *rows]


def _scan_rows(
    lowering: GraphLowering, value: Value, val: Val, shape: Sequence[int | Value | None]
) -> Value:
    """A scan output, given the symbolic sizes that a runtime cannot know after zero iterations."""
    value.type = ir.TensorType(dtypes.of_val(val))
    sizes = list(val.shape) if isinstance(val, torch.Tensor) else []
    dims = [int(size) if is_concrete_int(size) else None for size in sizes]
    value.shape = ir.Shape([None, *dims])
    known = [size for size in shape if size is not None]
    if None not in dims or len(known) < len(shape):
        return value
    op = lowering.op
    full = op.one("Reshape", value, op.sizes([op.size(value, 0), *known]), allowzero=1)
    full.shape = ir.Shape([None, *dims])
    return full


def _write(
    lowering: GraphLowering,
    node: fx.Node,
    op_type: str,
    label: str,
    inputs: Sequence[Value | None],
    bodies: Mapping[str, ir.Graph],
    count: int,
) -> tuple[Value, ...]:
    op = lowering.op
    outputs = op.write(op_type, inputs, bodies, count, name=f"{node.name}_{op_type}")
    for k, output in enumerate(outputs):
        lowering.name(output, f"{node.name}_{k}")
    made = op.graph[-1]
    made.name = label
    made.metadata_props[NODE] = "/".join((*lowering.path, node.name))
    return outputs


@contextlib.contextmanager
def _inside(lowering: GraphLowering, node: fx.Node, part: str) -> Iterator[None]:
    """Notes in which body nodes are written."""
    around = lowering.path
    lowering.path = (*around, node.name, part)
    try:
        yield
    finally:
        lowering.path = around


def _body_input(lowering: GraphLowering, name: str, val: Val) -> Value:
    value = Value(lowering.op, name=lowering.op.names(name))
    lowering.describe(value, val)
    return value


def _body(
    lowering: GraphLowering,
    node: fx.Node,
    part: str,
    name: str,
    vals: Sequence[Val],
    results: Callable[[], Sequence[Operand]],
    inputs: Sequence[Value] = (),
) -> ir.Graph:
    """A body of a node whose outputs are the results, each in the dtype of its metadata."""

    def write() -> list[Value]:
        with _inside(lowering, node, part):
            made = results()
            lowering.op.work_for(node)
            lowering.op.prefix = name
            used: set[Value] = set()
            outputs = []
            for result, val in zip(made, vals, strict=True):
                output = lowering.as_output(result, val, used)
                lowering.describe(output, val)
                outputs.append(output)
            lowering.ends.write()
            return outputs

    return lowering.op.body(name, inputs, [dtypes.type_of(val) for val in vals], write)


def _label(node: fx.Node, what: str) -> str:
    if CONTRACT.of(node):
        return "contract"
    source = source_of(node)
    if source is None:
        return f"{node.name}_{what}"
    return f"{source.function or 'module'}_L{source.line}_{what}".replace("<", "").replace(">", "")


def _val(node: fx.Node) -> Val:
    val: Val = node.meta["val"]
    return val


def _results(node: fx.Node, body: fx.GraphModule) -> list[Val]:
    val = node.meta.get("val")
    if isinstance(val, (tuple, list)):
        return list(val)
    return output_vals(body)


def _final_vals(node: fx.Node, state_vals: Sequence[Val]) -> list[Val]:
    val = node.meta.get("val")
    if isinstance(val, (tuple, list)):
        return list(val[: len(state_vals)])
    return list(state_vals)
