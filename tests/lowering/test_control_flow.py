"""Branches and loops, nested, with values seen from outside."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.ops import branch, loop
from fxexport.graph.signature import DimRange, InputSpec, OutputSpec
from fxexport.lowering import lower
from tests.support.lowering import HERE, call, compare, placeholders, run_model, t

A = torch.ops.aten


class Body:
    """Writes a body: placeholders like given values, nodes, outputs."""

    def __init__(self, *vals: Any) -> None:
        self.graph = fx.Graph()
        self.inputs = []
        for k, val in enumerate(vals):
            node = self.graph.placeholder(f"p{k}")
            node.meta["val"] = val
            self.inputs.append(node)

    def __call__(self, op: Any, *args: Any, **kwargs: Any) -> fx.Node:
        return call(self.graph, op, *args, **kwargs)

    def close(self, *outputs: Any) -> fx.GraphModule:
        self.graph.output(tuple(outputs))
        return fx.GraphModule(torch.nn.Module(), self.graph)


def control(
    graph: fx.Graph, target: Any, args: tuple[Any, ...], vals: tuple[Any, ...]
) -> list[fx.Node]:
    node = graph.call_function(target, args)
    node.meta["val"] = vals
    node.meta["source"] = (HERE,)
    items = []
    for k, val in enumerate(vals):
        item = graph.call_function(operator.getitem, (node, k))
        item.meta["val"] = val
        items.append(item)
    return items


def attribute(graph: fx.Graph, root: torch.nn.Module, name: str, body: fx.GraphModule) -> fx.Node:
    setattr(root, name, body)
    return graph.get_attr(name)


def start() -> tuple[fx.Graph, torch.nn.Module, fx.Node, Any]:
    graph, root = fx.Graph(), torch.nn.Module()
    spec = t(7, 3)
    nodes, fakes = placeholders(graph, [spec], [spec.make(0, {})])
    return graph, root, nodes[0], fakes[0]


def close(
    graph: fx.Graph,
    root: torch.nn.Module,
    outputs: list[Any],
    weights: dict[str, Any] | None = None,
) -> CapturedGraph:
    graph.output(tuple(outputs))
    kinds = {int: "int", torch.SymInt: "int", float: "float", torch.SymFloat: "float"}
    vals = [o.meta["val"] if isinstance(o, fx.Node) else o for o in outputs]
    return CapturedGraph(
        fx.GraphModule(root, graph),
        [InputSpec("x", "tensor", torch.float32, (DimRange("n"), 3))],
        [OutputSpec(f"y{k}", kinds.get(type(v), "tensor")) for k, v in enumerate(vals)],  # type: ignore[arg-type]
        weights or {},
    )


def agree(graph: CapturedGraph, *inputs: torch.Tensor) -> onnx.ModelProto:
    model = ir.to_proto(lower(graph, opset=20))
    onnx.checker.check_model(model, full_check=True)
    for value in inputs:
        expected = graph.run(value)
        for want, got in zip(expected, run_model(model, [value]), strict=True):
            compare(want, got)
    unique_names(model.graph, set(), set())
    return model


def unique_names(graph: onnx.GraphProto, values: set[str], nodes: set[str]) -> None:
    made = [v.name for v in graph.input] + [v.name for v in graph.initializer]
    made += [name for node in graph.node for name in node.output if name]
    for name in made:
        assert name not in values
        values.add(name)
    for node in graph.node:
        assert node.name not in nodes
        nodes.add(node.name)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                unique_names(attribute.g, values, nodes)


ROWS = [torch.ones(4, 3), -torch.ones(7, 3), torch.arange(30.0).reshape(10, 3)]


def positive(graph: fx.Graph, x: fx.Node) -> fx.Node:
    return call(graph, A.gt.Scalar, call(graph, A.sum.default, x), 0)


def test_branch_on_a_tensor_value() -> None:
    graph, root, x, fake = start()
    then, other = Body(fake), Body(fake)
    a = then.close(then(A.mul.Tensor, then.inputs[0], 2.0))
    b = other.close(other(A.sub.Tensor, other.inputs[0], 1.0))
    bodies = attribute(graph, root, "a", a), attribute(graph, root, "b", b)
    (y,) = control(graph, branch, (positive(graph, x), *bodies, [x]), (fake,))
    model = agree(close(graph, root, [y]), *ROWS)
    (made,) = [node for node in model.graph.node if node.op_type == "If"]
    assert made.name == "build_L1_if"
    assert "lowering.py:1" in {p.key: p.value for p in made.metadata_props}["pkg.fxexport.source"]


def test_branch_gives_outer_values_and_constants() -> None:
    graph, root, x, fake = start()
    rows = call(graph, A.sym_size.int, x, 0)
    size = rows.meta["val"]
    then, other = Body(fake, size), Body(fake, size)
    a = then.close(then.inputs[0], then.inputs[0], 5, then.inputs[1])
    doubled = other(operator.mul, other.inputs[1], 2)
    b = other.close(other.inputs[0], other(A.neg.default, other.inputs[0]), doubled, 3)
    bodies = attribute(graph, root, "a", a), attribute(graph, root, "b", b)
    vals = (fake, fake, size, size)
    items = control(graph, branch, (positive(graph, x), *bodies, [x, rows]), vals)
    agree(close(graph, root, items), *ROWS)


@pytest.mark.parametrize("condition", [True, False])
def test_branch_on_a_python_bool(condition: bool) -> None:
    graph, root, x, fake = start()
    then, other = Body(fake), Body(fake)
    a = then.close(then(A.relu.default, then.inputs[0]))
    b = other.close(other(A.neg.default, other.inputs[0]))
    bodies = attribute(graph, root, "a", a), attribute(graph, root, "b", b)
    (y,) = control(graph, branch, (condition, *bodies, [x]), (fake,))
    agree(close(graph, root, [y]), *ROWS)


def test_nested_branches_use_values_of_all_levels() -> None:
    graph, root, x, fake = start()
    outer_then, outer_else = Body(fake), Body(fake)
    inner_then, inner_else = Body(fake, fake), Body(fake, fake)
    p = inner_then.close(inner_then(A.add.Tensor, *inner_then.inputs))
    q = inner_else.close(inner_else.inputs[1])
    double = outer_then(A.mul.Tensor, outer_then.inputs[0], 2.0)
    test = call(outer_then.graph, A.gt.Scalar, outer_then(A.sum.default, double), 30)
    holder = torch.nn.Module()
    names = (
        attribute(outer_then.graph, holder, "p", p),
        attribute(outer_then.graph, holder, "q", q),
    )
    (inner,) = control(
        outer_then.graph, branch, (test, *names, [outer_then.inputs[0], double]), (fake,)
    )
    outer_then.graph.output((inner,))
    a = fx.GraphModule(holder, outer_then.graph)
    b = outer_else.close(outer_else.inputs[0])
    bodies = attribute(graph, root, "a", a), attribute(graph, root, "b", b)
    (y,) = control(graph, branch, (positive(graph, x), *bodies, [x]), (fake,))
    agree(close(graph, root, [y]), *ROWS)


def test_loop_with_trip_count_scalars_and_scan() -> None:
    graph, root, x, fake = start()
    rows = call(graph, A.sym_size.int, x, 0)
    size = rows.meta["val"]
    total = call(graph, A.sum.dim_IntList, x, [0])
    row_val = total.meta["val"]
    body = Body(size, row_val, size, fake)
    i, state, count, whole = body.inputs
    row = body(A.index.Tensor, whole, [body(A.scalar_tensor.default, i, dtype=torch.int64)])
    new = body(A.add.Tensor, state, row)
    close_body = body.close(True, new, body(operator.add, count, i), new, row)
    name = attribute(graph, root, "body", close_body)
    zero = call(graph, A.mul.Tensor, total, 0.0)
    vals = (row_val, size, fake, fake)
    scan = [((3,), torch.float32), ((3,), torch.float32)]
    items = control(graph, loop, (rows, True, name, [zero, 0], [x], scan), vals)
    agree(close(graph, root, items), *ROWS, torch.zeros(1, 3))


def test_loop_while_with_a_tensor_that_grows() -> None:
    graph, root, x, fake = start()
    env = fake.fake_mode.shape_env
    with fake.fake_mode:
        grown = torch.empty(env.create_unbacked_symint(), 3)
    body = Body(grown.shape[0], grown, fake)
    _, state, outer = body.inputs
    new = body(A.cat.default, [state, outer], 0)
    rows = body(A.sym_size.int, new, 0)
    going = body(operator.lt, rows, 25)
    name = attribute(graph, root, "body", body.close(going, new))
    test = call(graph, A.le.Scalar, call(graph, A.sum.default, x), 100.0)
    items = control(graph, loop, (None, test, name, [x], [x]), (grown,))
    model = agree(close(graph, root, items), *ROWS)
    (made,) = [node for node in model.graph.node if node.op_type == "Loop"]
    state_input = made.attribute[0].g.input[2]
    assert not state_input.type.tensor_type.shape.dim[0].HasField("dim_value")


def test_scan_of_symbolic_rows_after_no_trips_has_their_sizes() -> None:
    graph, root, x, fake = start()
    rows = call(graph, A.sym_size.int, x, 0)
    body = Body(rows.meta["val"], fake)
    name = attribute(graph, root, "body", body.close(True, body.inputs[1]))
    with fake.fake_mode:
        stacked = torch.empty(fake.fake_mode.shape_env.create_unbacked_symint(), *fake.shape)
    count = call(graph, operator.mod, rows, 2)
    scan = [((rows, 3), torch.float32)]
    items = control(graph, loop, (count, True, name, [], [x], scan), (stacked,))
    agree(close(graph, root, items), *ROWS)


def test_loop_carries_bool_float_and_condition_of_rank_one() -> None:
    graph, root, x, _ = start()
    first = call(graph, A._local_scalar_dense.default, call(graph, A.sum.default, x))
    value = first.meta["val"]
    body = Body(0, value, True)
    _, level, flag = body.inputs
    half = body(operator.truediv, level, 2)
    big = body(operator.gt, half, 1.5)
    name = attribute(graph, root, "body", body.close(big, half, big))
    del flag
    test = call(graph, A.unsqueeze.default, positive(graph, x), 0)
    items = control(graph, loop, (50, test, name, [first, False], []), (value, True))
    graph_ = close(graph, root, items)
    graph_.outputs[1] = OutputSpec("flag", "bool")
    agree(graph_, *ROWS)


def test_weights_are_not_copied_and_tied_ones_are_written_once() -> None:
    graph, root, x, fake = start()
    weight = torch.nn.Parameter(torch.randn(3))
    for name in ("a", "b"):
        setattr(root, name, weight)
    nodes = []
    for name in ("a", "b"):
        node = graph.get_attr(name)
        with fake.fake_mode:
            node.meta["val"] = torch.empty(3)
        nodes.append(node)
    y = call(graph, A.add.Tensor, x, nodes[0])
    y = call(graph, A.mul.Tensor, y, nodes[1])
    captured = close(graph, root, [y], {"a": weight.detach(), "b": weight.detach()})
    model = lower(captured, opset=20)
    (name,) = list(model.graph.initializers)
    tensor = model.graph.initializers[name].const_value
    assert name == "a"
    assert tensor.raw.data_ptr() == weight.data_ptr()
    agree(captured, *ROWS)


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.bfloat16, torch.float16, torch.bool, torch.float8_e4m3fn, torch.uint8],
)
def test_weight_bytes(dtype: torch.dtype) -> None:
    from io import BytesIO

    from fxexport.lowering.builder.weights import WeightTensor

    value = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.5]]).to(dtype).t()
    tensor = WeightTensor(value, "w")
    want = value.contiguous().view(torch.uint8).numpy().tobytes()
    file = BytesIO()
    tensor.tofile(file)
    assert tensor.tobytes() == want == file.getvalue()
    assert tensor.numpy().astype(np.float32).tolist() == value.float().tolist()


def test_two_lowerings_give_the_same_bytes() -> None:
    def once() -> bytes:
        graph, root, x, fake = start()
        then, other = Body(fake), Body(fake)
        a = then.close(then(A.mul.Tensor, then.inputs[0], 2.0))
        b = other.close(other(A.sub.Tensor, other.inputs[0], 1.0))
        bodies = attribute(graph, root, "a", a), attribute(graph, root, "b", b)
        (y,) = control(graph, branch, (positive(graph, x), *bodies, [x]), (fake,))
        return ir.to_proto(lower(close(graph, root, [y]), opset=20)).SerializeToString()

    assert once() == once()
