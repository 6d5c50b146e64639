"""What ONNX's operator schemas say of the dtypes of arguments and results."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

__all__ = ["constant_dtype", "output_dtype", "signature_of"]


@functools.cache
def signature_of(op_type: str, opset: int) -> ir.schemas.OpSignature:
    """The schema of an ONNX operator (a memo: the answer never changes)."""
    import onnx

    schema = onnx.defs.get_schema(op_type, max_inclusive_version=opset, domain="")
    return ir.schemas.OpSignature.from_op_schema(schema)


def output_dtype(
    op_type: str,
    param: ir.schemas.Parameter,
    binding: Mapping[str, ir.DataType],
    attributes: Mapping[str, Any],
) -> ir.DataType | None:
    """The dtype of a result, by schema and attributes; None when they leave it open."""
    constraint = param.type_constraint
    if constraint.name in binding:
        return binding[constraint.name]
    if len(constraint.allowed_types) == 1:
        return next(iter(constraint.allowed_types)).dtype
    named = attributes.get("to", attributes.get("dtype"))
    if named is not None:
        return ir.DataType(int(named))
    value = attributes.get("value")
    if isinstance(value, ir.TensorProtocol):
        return value.dtype
    if op_type in ("ConstantOfShape", "RandomNormal", "RandomUniform"):
        return ir.DataType.FLOAT
    if op_type.endswith("Window"):
        return ir.DataType(int(attributes.get("output_datatype", ir.DataType.FLOAT)))
    return next(iter(binding.values()), None)


def constant_dtype(
    arg: Any, param: ir.schemas.Parameter, binding: Mapping[str, ir.DataType]
) -> ir.DataType:
    """The dtype that a Python argument becomes a constant of."""
    allowed = param.type_constraint.allowed_types
    bound = binding.get(param.type_constraint.name)
    if bound is not None:
        return bound
    if len(allowed) == 1:
        return next(iter(allowed)).dtype
    kind = np.asarray(arg).dtype.kind
    if kind == "b":
        return ir.DataType.BOOL
    if kind == "f" and np.asarray(arg).size:
        return ir.DataType.FLOAT
    return ir.DataType.INT64
