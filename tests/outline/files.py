"""Small ONNX files, made by hand and by exporters, whose outline is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def scalar(name: str, kind: int) -> onnx.ValueInfoProto:
    """A value without dimensions."""
    return helper.make_tensor_value_info(name, kind, [])


def constant(name: str, kind: int, value: float) -> onnx.TensorProto:
    """A tensor of one element."""
    return helper.make_tensor(name, kind, [], [value])


def body_of_loop(goes_on: str = "cond") -> onnx.GraphProto:
    """A body that carries a number, doubles it and collects it.

    Args:
        goes_on: "cond" passes the condition on, "true" says that it holds, "less" computes it.
    """
    nodes = [helper.make_node("Add", ["a", "a"], ["b"])]
    initializers = []
    if goes_on == "cond":
        nodes.append(helper.make_node("Identity", ["cond"], ["more"]))
    elif goes_on == "true":
        initializers.append(constant("more", BOOL, 1))
    else:
        nodes.append(helper.make_node("Less", ["b", "limit"], ["more"]))
    nodes.append(helper.make_node("Identity", ["b"], ["row"]))
    return helper.make_graph(
        nodes,
        "body",
        [scalar("i", INT64), scalar("cond", BOOL), scalar("a", FLOAT)],
        [scalar("more", BOOL), scalar("b", FLOAT), scalar("row", FLOAT)],
        initializers,
    )


def looping(path: Path, trips: str = "known", starts: str = "", goes_on: str = "cond") -> Path:
    """Writes a file with one Loop.

    Args:
        path: where to.
        trips: "known" (3), "input", "largest" (of int64), "" (none).
        starts: "" (no condition), "true", "input".
        goes_on: see `body_of_loop`.
    """
    inputs = [scalar("x", FLOAT), scalar("limit", FLOAT)]
    initializers = [constant("three", INT64, 3), constant("yes", BOOL, 1)]
    initializers.append(constant("largest", INT64, 2**63 - 1))
    if trips == "input":
        inputs.append(scalar("n", INT64))
    if starts == "input":
        inputs.append(scalar("start", BOOL))
    node = helper.make_node(
        "Loop",
        [
            {"known": "three", "input": "n", "largest": "largest", "": ""}[trips],
            {"true": "yes", "input": "start", "": ""}[starts],
            "x",
        ],
        ["y", "rows"],
        body=body_of_loop(goes_on),
        name="the_loop",
    )
    rows = helper.make_tensor_value_info("rows", FLOAT, ["trips"])
    graph = helper.make_graph([node], "looping", inputs, [scalar("y", FLOAT), rows], initializers)
    return saved(graph, path)


def saved(
    graph: onnx.GraphProto,
    path: Path,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> Path:
    """Writes a checked file."""
    opsets = [helper.make_opsetid("", 21), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(
        graph, opset_imports=opsets, functions=list(functions), producer_name="by hand"
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def choosing(name: str = "sign", **metadata: str) -> onnx.NodeProto:
    """An If on ``c``: ``x`` or its negative, as ``y``."""
    out = [helper.make_tensor_value_info("y_", FLOAT, None)]
    sides = [
        helper.make_graph([helper.make_node(kind, ["x"], ["y_"])], side, [], out)
        for kind, side in (("Identity", "as_it_is"), ("Neg", "negative"))
    ]
    node = helper.make_node(
        "If", ["c"], ["y"], name=name, then_branch=sides[0], else_branch=sides[1]
    )
    for key, value in metadata.items():
        node.metadata_props.add(key=key.replace("__", "."), value=value)
    return node
