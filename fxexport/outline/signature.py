"""Inputs and outputs of a file as data, in the form that the report has them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fxexport.report.signature import dimension

if TYPE_CHECKING:
    import onnx

__all__ = ["described"]

_NAMES = {"float": "float32", "double": "float64"}


def described(value: onnx.ValueInfoProto, contract: Mapping[str, Any] | None) -> dict[str, Any]:
    """An input or output as plain data.

    Args:
        value: what the file says of it.
        contract: the file's contract, for the ranges of dimensions and values; None for none.

    Returns:
        name, kind ("tensor", "sequence", "optional"), dtype ("float32"), shape (dimensions as the
        report has them, with a range where the contract has one; None where the rank is not
        known), and values (``{"min", "max"}`` where the contract has a range of them, else None).
    """
    kind, type_ = "tensor", value.type
    if type_.HasField("optional_type"):
        kind, type_ = "optional", type_.optional_type.elem_type
    if type_.HasField("sequence_type"):
        kind, type_ = "sequence", type_.sequence_type.elem_type
    tensor = type_.tensor_type
    values = (contract or {}).get("values", {}).get(value.name)
    return {
        "name": value.name,
        "kind": kind,
        "dtype": _dtype(tensor.elem_type),
        "shape": [_dimension(dim, contract) for dim in tensor.shape.dim]
        if tensor.HasField("shape")
        else None,
        "values": None if values is None else {"min": values["min"], "max": values["max"]},
    }


def _dtype(number: int) -> str:
    import onnx

    name = onnx.TensorProto.DataType.Name(number).lower() if number else ""
    return _NAMES.get(name, name)


def _dimension(
    dim: onnx.TensorShapeProto.Dimension, contract: Mapping[str, Any] | None
) -> dict[str, Any]:
    if dim.HasField("dim_value"):
        return dimension(int(dim.dim_value))
    known = (contract or {}).get("dimensions", {}).get(dim.dim_param)
    ends = () if known is None else (known["min"], known["max"])
    return dimension(dim.dim_param or None, *ends)
