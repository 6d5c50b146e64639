"""Transposed convolution with strides and dilations, which TensorRT has one at a time."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Value

__all__ = ["FORMS"]


def _conv_transpose(
    op: OpBuilder, x: Value, weight: Value, bias: Value | None = None, **attributes: Any
) -> Value | None:
    """The dilation is written into the weight, as zeros between its elements."""
    dilations = list(attributes.get("dilations") or ())
    strides = list(attributes.get("strides") or ())
    if all(d == 1 for d in dilations) or all(s == 1 for s in strides) or None in weight.dims[2:]:
        return None
    spread = weight
    for k, dilation in enumerate(dilations):
        if dilation > 1:
            spread = _spread(op, spread, 2 + k, dilation)
    kernel = [size for size in spread.dims[2:] if size is not None]
    attributes = {**attributes, "dilations": [1] * len(dilations), "kernel_shape": kernel}
    return op.plain("ConvTranspose", x, spread, bias, **attributes)


def _spread(op: OpBuilder, weight: Value, axis: int, dilation: int) -> Value:
    """With `dilation - 1` zeros behind each element along an axis but the last one."""
    rank, size = weight.rank, weight.dims[axis]
    assert size is not None
    wide = op.one("Unsqueeze", weight, [axis + 1])
    ends = [0] * (rank + 1)
    ends[axis + 1] = dilation - 1
    wide = op.one("Pad", wide, op.i64([0] * (rank + 1) + ends))
    shape = [d if d is not None else -1 for d in weight.dims]
    shape[axis] = size * dilation
    joined = op.one("Reshape", wide, op.i64(shape))
    last = dilation * (size - 1) + 1
    cut = op.one("Slice", joined, [0], [last], [axis])
    cut.shape = ir.Shape([last if d == axis else dim for d, dim in enumerate(weight.dims)])
    return cut


FORMS: dict[str, Form] = {"ConvTranspose": _conv_transpose}
