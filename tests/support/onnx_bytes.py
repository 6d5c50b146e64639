"""Tiny ONNX files as bytes: one gives what it gets, one is cruel, one never ends."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

FLOAT, INT64, BOOL = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL
_info = onnx.helper.make_tensor_value_info


def model_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> bytes:
    """A file of these nodes."""
    graph = onnx.helper.make_graph(list(nodes), "g", list(inputs), list(outputs))
    opset = onnx.helper.make_opsetid("", 20)
    return bytes(
        onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()
    )


def identity(number: int, shape: list[str | int]) -> bytes:
    """``y = x`` in a dtype."""
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    return model_bytes([node], [_info("x", number, shape)], [_info("y", number, shape)])


def scores() -> bytes:
    """An Einsum that ends ONNX Runtime's process where a batch has no element."""
    node = onnx.helper.make_node("Einsum", ["q", "k"], ["y"], equation="bhqd,bhkd->bhqk")
    shapes = {"q": ["b", "h", "q", "d"], "k": ["b", "h", "k", "d"]}
    inputs = [_info(name, FLOAT, shape) for name, shape in shapes.items()]
    return model_bytes([node], inputs, [_info("y", FLOAT, ["b", "h", "q", "k"])])


def endless_loop() -> bytes:
    """A loop that makes `n` trips: with enough of them it never ends."""
    body = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Identity", ["go"], ["go_on"]),
            onnx.helper.make_node("Add", ["total", "i"], ["more"]),
        ],
        "body",
        [_info("i", INT64, []), _info("go", BOOL, []), _info("total", INT64, [])],
        [_info("go_on", BOOL, []), _info("more", INT64, [])],
    )
    node = onnx.helper.make_node("Loop", ["n", "", "n"], ["y"], body=body)
    return model_bytes([node], [_info("n", INT64, [])], [_info("y", INT64, [])])
