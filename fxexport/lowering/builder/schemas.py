"""What ONNX's operator schemas make of arguments, and say of the dtypes of results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder.values import Attributes, Operand, Value

__all__ = ["bound_inputs", "output_dtype", "signature_of"]


@functools.cache
def signature_of(op_type: str, opset: int) -> ir.schemas.OpSignature:
    """The schema of an ONNX operator (a memo: the answer never changes)."""
    import onnx

    schema = onnx.defs.get_schema(op_type, max_inclusive_version=opset, domain="")
    return ir.schemas.OpSignature.from_op_schema(schema)


def bound_inputs(
    signature: ir.schemas.OpSignature,
    args: Sequence[Operand],
    constant: Callable[[Operand, ir.DataType], Value],
    sizes: Callable[[Sequence[int | Value]], Value],
) -> tuple[list[Value | None], dict[str, ir.DataType]]:
    """The inputs of a node, and the dtypes that the schema's type variables stand for.

    Args:
        signature: the operator's schema.
        args: values, or numbers and lists that become constants; None for an input left out.
        constant: makes a constant of a dtype.
        sizes: makes a shape from ints and values.
    """
    params = signature.inputs
    binding: dict[str, ir.DataType] = {}
    paired = [(arg, params[min(k, len(params) - 1)]) for k, arg in enumerate(args)]
    for arg, param in paired:
        if isinstance(arg, Value) and arg.dtype is not None:
            binding.setdefault(param.type_constraint.name, arg.dtype)
    inputs: list[Value | None] = []
    for arg, param in paired:
        if arg is None or isinstance(arg, Value):
            inputs.append(arg)
        elif isinstance(arg, (list, tuple)) and any(isinstance(v, Value) for v in arg):
            inputs.append(sizes(arg))
        else:
            inputs.append(constant(arg, _constant_dtype(arg, param, binding)))
    while inputs and inputs[-1] is None:
        inputs.pop()
    for value, (_, param) in zip(inputs, paired, strict=False):
        if value is not None and value.dtype is not None:
            binding.setdefault(param.type_constraint.name, value.dtype)
    return inputs, binding


def output_dtype(
    op_type: str,
    param: ir.schemas.Parameter,
    binding: Mapping[str, ir.DataType],
    attributes: Attributes,
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


def _constant_dtype(
    arg: Operand, param: ir.schemas.Parameter, binding: Mapping[str, ir.DataType]
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
