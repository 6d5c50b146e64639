"""ONNX Runtime as a target: it takes ONNX as it is."""

from __future__ import annotations

from fxexport.passes import eliminate_dead_code, scan_lists, scan_rows
from fxexport.targets.target import Target

__all__ = ["TARGET"]

TARGET = Target(
    "onnxruntime",
    passes=(eliminate_dead_code, scan_rows, scan_lists, eliminate_dead_code),
    best_opset=21,
)
