"""Narrow integers: TensorRT has uint8 at the network's edges only, and no int16 at all.

Once a file is written, each value of such a dtype becomes an int32 (an int64 for uint32) that holds
the same number: where a result can leave the narrow range it is brought back by its remainder, as
the narrow dtype would wrap. Inputs, outputs and large weights keep their dtype, with a Cast beside.
int8 is the dtype of quantized values there, so it is treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

__all__ = ["widen_narrow_integers"]

D = ir.DataType
_BITS = {D.UINT8: 8, D.UINT16: 16, D.UINT32: 32, D.INT8: 8, D.INT16: 16}
_KEPT_WEIGHT = 64
"""Larger weights of uint8 stay as they are: as int32 they would take four times the memory."""

# Operators that compute: what they give of narrow integers may leave the range.
_COMPUTING = frozenset(
    {
        "Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sum", "Pow", "CumSum", "ReduceSum",
        "ReduceProd", "ReduceSumSquare", "MatMul", "Gemm", "Einsum", "BitwiseNot",
    }
)  # fmt: skip
_QUANTIZING = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})


def widen_narrow_integers(model: ir.Model) -> None:
    """Rewrites a model in place; quantized values (of QuantizeLinear and its kin) stay."""
    root = model.graph
    kept = _quantized(root)
    edges = {value for value in root.inputs if value.dtype in _BITS and value not in kept}
    edges |= {
        value
        for value in root.initializers.values()
        if value.dtype == D.UINT8 and _elements(value) > _KEPT_WEIGHT and value not in kept
    }
    for value in edges:
        _cast_after(root, value)
    for index, value in enumerate(root.outputs):
        if value.dtype in _BITS and value not in kept:
            _cast_before(root, index, value)
            edges.add(root.outputs[index])
    for value in root.initializers.values():
        if value.dtype in _BITS and value not in edges | kept:
            _widen_constant(value)
    for graph in _graphs(root):
        for value in graph.inputs:
            if value not in edges | kept:
                _retype(value)
        for node in list(graph):
            _widen_node(root, graph, node, edges | kept)


def _widened(dtype: ir.DataType | None) -> ir.DataType:
    return D.INT64 if dtype == D.UINT32 else D.INT32


def _widen_node(root: ir.Graph, graph: ir.Graph, node: ir.Node, left: set[ir.Value]) -> None:
    result = node.outputs[0]
    narrow = result.dtype
    own = narrow in _BITS and result not in left
    for output in node.outputs:
        if output not in left:
            _retype(output)
    if not own:
        return
    assert narrow is not None
    if node.op_type == "Cast":
        _widen_cast(root, graph, node, narrow)
    elif node.op_type == "Constant":
        tensor = node.attributes["value"].as_tensor()
        node.attributes["value"] = ir.AttrTensor("value", _wide(tensor, str(tensor.name)))
    elif node.op_type in _COMPUTING:
        _insert_wrap(root, graph, node, narrow)


def _widen_cast(root: ir.Graph, graph: ir.Graph, node: ir.Node, narrow: ir.DataType) -> None:
    """A cast to a narrow dtype: from wider ones it wraps."""
    source = node.inputs[0]
    wide = _widened(narrow)
    dtype = None if source is None else source.dtype
    if dtype == D.INT64:
        wide = D.INT64  # wrapped first: then it fits into the other
    node.attributes["to"] = ir.AttrInt64("to", int(wide))
    node.outputs[0].type = ir.TensorType(wide)
    last = node
    if dtype != D.BOOL:
        last = _insert_wrap(root, graph, node, narrow)
    if wide != _widened(narrow):
        _append(graph, last, "Cast", [], _widened(narrow), to=int(_widened(narrow)))


def _insert_wrap(root: ir.Graph, graph: ir.Graph, node: ir.Node, narrow: ir.DataType) -> ir.Node:
    """Brings what a node gives into the range of a narrow dtype; returns the last new node."""
    wide = node.outputs[0].dtype
    assert wide is not None
    span = 1 << _BITS[narrow]
    whole = _constant(root, span, wide)
    if narrow in (D.UINT8, D.UINT16, D.UINT32):
        return _append(graph, node, "Mod", [whole], wide)
    half = _constant(root, span // 2, wide)
    shifted = _append(graph, node, "Add", [half], wide)
    rest = _append(graph, shifted, "Mod", [whole], wide)
    return _append(graph, rest, "Sub", [half], wide)


def _append(
    graph: ir.Graph,
    node: ir.Node,
    op_type: str,
    operands: list[ir.Value],
    dtype: ir.DataType,
    **attributes: int,
) -> ir.Node:
    """Puts an operator behind a node, before all that used the node's result."""
    result = node.outputs[0]
    made = ir.node(op_type, [result, *operands], attributes)
    made.name = f"{result.name}_{op_type}_narrow"
    made.metadata_props.update(node.metadata_props)
    new = made.outputs[0]
    new.name, new.shape, new.type = made.name, result.shape, ir.TensorType(dtype)
    graph.insert_after(node, made)
    outputs = [k for k, value in enumerate(graph.outputs) if value is result]
    for use in list(result.uses()):
        if use.node is not made:
            use.node.replace_input_with(use.idx, new)
    for index in outputs:
        graph.outputs[index] = new
    return made


def _constant(root: ir.Graph, number: int, dtype: ir.DataType) -> ir.Value:
    """A number of the file, shared by all that need it."""
    name = f"narrow_{number}_{dtype.short_name()}"
    found = root.initializers.get(name)
    if found is None:
        tensor = ir.Tensor(np.asarray(number, dtype=dtype.numpy()), name=name)
        found = ir.Value(
            name=name, type=ir.TensorType(dtype), shape=ir.Shape([]), const_value=tensor
        )
        root.register_initializer(found)
    return found


def _cast_after(root: ir.Graph, value: ir.Value) -> None:
    """A Cast behind an input or a weight, before all its uses."""
    assert value.dtype is not None
    wide = _widened(value.dtype)
    made = ir.node("Cast", [value], {"to": int(wide)})
    made.name = f"{value.name}_Cast_wide"
    new = made.outputs[0]
    new.name, new.shape, new.type = f"{value.name}_wide", value.shape, ir.TensorType(wide)
    uses = [use for use in value.uses() if use.node is not made]
    for use in uses:
        use.node.replace_input_with(use.idx, new)
    first = next(iter(root), None)
    if first is None:
        root.append(made)
    else:
        root.insert_before(first, made)


def _cast_before(root: ir.Graph, index: int, value: ir.Value) -> None:
    """A Cast in front of an output, which takes over its name."""
    assert value.dtype is not None
    made = ir.node("Cast", [value], {"to": int(value.dtype)})
    made.name = f"{value.name}_Cast_narrow"
    producer = value.producer()
    if producer is not None:
        made.metadata_props.update(producer.metadata_props)
    new = made.outputs[0]
    new.shape, new.type = value.shape, value.type
    new.name = value.name
    value.name = f"{value.name}_wide"
    root.append(made)
    root.outputs[index] = new


def _retype(value: ir.Value) -> None:
    if value.dtype in _BITS:
        value.type = ir.TensorType(_widened(value.dtype))


def _widen_constant(value: ir.Value) -> None:
    tensor = value.const_value
    assert tensor is not None
    value.const_value = _wide(tensor, str(value.name))
    _retype(value)


def _wide(tensor: ir.TensorProtocol, name: str) -> ir.TensorProtocol:
    """The tensor in the wider dtype; its values are read when the file is written."""
    dtype = _widened(tensor.dtype)
    return ir.LazyTensor(
        lambda: ir.Tensor(tensor.numpy().astype(dtype.numpy()), dtype=dtype, name=name),
        dtype=dtype,
        shape=ir.Shape([int(size) for size in tensor.shape]),  # type: ignore[arg-type]
        name=name,
    )


def _elements(value: ir.Value) -> int:
    return 0 if value.const_value is None else int(value.const_value.size)


def _quantized(root: ir.Graph) -> set[ir.Value]:
    return {
        value
        for graph in _graphs(root)
        for node in graph
        if node.op_type in _QUANTIZING
        for value in (*node.inputs, *node.outputs)
        if value is not None
    }


def _graphs(root: ir.Graph) -> Iterator[ir.Graph]:
    yield root
    for node in list(root):
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield from _graphs(attribute.as_graph())
