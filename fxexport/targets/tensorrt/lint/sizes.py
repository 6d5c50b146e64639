"""Sizes that do not fit together at a profile's opt, which TensorRT refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fxexport.files.profiles import load_message
from fxexport.report.build import Problem
from fxexport.targets.tensorrt.build.build import ProfileRanges
from fxexport.targets.tensorrt.build.node_locations import NodeIndex

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["lint_sizes"]

_LARGEST = 2**28
"""Bytes: a file with more weights in it is not copied for this."""
_CLASH = re.compile(r"[Ii]ncompatible|differ")
_NODE = re.compile(r"\(op_type:(?P<kind>\w+)(?:, node name: (?P<name>[^)]*))?\)")


def lint_sizes(path: str, model: ir.Model, profiles: Sequence[ProfileRanges]) -> list[Problem]:
    """What ONNX's own shape inference finds wrong at the opt sizes of profiles.

    Both paths of every branch are looked at, as TensorRT does. What is wrong without a profile
    as well is left to TensorRT.

    Args:
        path: the file.
        model: the same file, loaded.
        profiles: ranges of the dynamic inputs.
    """
    proto = load_message(path)
    if proto.ByteSize() > _LARGEST or _clash(proto, {}):
        return []
    index = NodeIndex(model)
    found = []
    for number, profile in enumerate(profiles):
        sizes = {n: r["opt"] for n, r in profile.items() if r["kind"] == "shape"}
        said = _clash(proto, sizes)
        nodes = list(_NODE.finditer(said))
        if not nodes or (nodes[0]["kind"] in ("If", "Loop") and nodes[-1]["kind"] in _UNCHECKED):
            continue
        node, location = index.find(nodes[-1]["name"] or "")
        shown = ", ".join(f"{name} {list(opt)}" for name, opt in sizes.items())
        found.append(
            Problem(
                f"sizes do not fit together in {nodes[-1]['kind']} at opt of profile {number} "
                f"({shown}); TensorRT looks at both paths of every branch there",
                hint="give an opt at which both paths of every branch are possible",
                location=location,
                node=node,
                said=said.strip(),
            )
        )
    return found


# TensorRT does not look at the sizes of these where one side is a constant.
_UNCHECKED = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "MatMul", "Gemm", "Where")


def _clash(proto: onnx.ModelProto, sizes: dict[str, Sequence[int]]) -> str:
    """What shape inference says of sizes that do not fit; empty where it finds nothing."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    del copy.graph.value_info[:]
    for value in copy.graph.input:
        for dim, size in zip(
            value.type.tensor_type.shape.dim, sizes.get(value.name, ()), strict=False
        ):
            dim.Clear()
            dim.dim_value = int(size)
    try:
        onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    except Exception as error:
        return str(error) if _CLASH.search(str(error)) else ""
    return ""
