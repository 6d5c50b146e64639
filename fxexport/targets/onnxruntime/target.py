"""ONNX Runtime as a target: it takes ONNX as it is, but for bfloat16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxexport.graph.captured import CapturedGraph
from fxexport.lowering.builder.dialect import Dialect
from fxexport.passes import eliminate_dead_code, scan_lists, scan_rows
from fxexport.targets.target import Target

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["TARGET"]

# What has a kernel in bfloat16 on the CPU (ONNX Runtime 1.32): what moves numbers, and no
# arithmetic. PyTorch's own kernels compute in float32 inside as well.
_IN_BFLOAT16 = frozenset(
    {
        "BitCast", "Cast", "Compress", "Concat", "ConcatFromSequence", "Flatten", "Gather",
        "GatherElements", "GatherND", "Identity", "If", "Loop", "Reshape", "ReverseSequence",
        "Scan", "SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert",
        "SequenceLength", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip


def _check(graph: CapturedGraph, model: ir.Model) -> list[str]:
    """Says where numbers are converted for want of kernels."""
    import onnx_ir as ir

    narrow = ir.DataType.BFLOAT16
    for node in model.graph.all_nodes():
        if node.op_type == "Cast" and any(x is not None and x.dtype == narrow for x in node.inputs):
            return [
                "bfloat16 is computed in float32 and rounded after each operator: ONNX Runtime has "
                "no such kernels on the CPU"
            ]
    return []


TARGET = Target(
    "onnxruntime",
    passes=(eliminate_dead_code, scan_rows, scan_lists, eliminate_dead_code),
    best_opset=21,
    dialect=Dialect(bfloat16=_IN_BFLOAT16),
    check=_check,
)
