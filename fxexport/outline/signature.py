"""Inputs and outputs of a file as data, in the form that the report has them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
        name, kind ("tensor", "sequence", "optional"), dtype ("float32"), and shape: ints, names,
        ``{"name", "min", "max"}`` where the contract has a range, or None; None for all where the
        rank is not known.
    """
    kind, type_ = "tensor", value.type
    if type_.HasField("optional_type"):
        kind, type_ = "optional", type_.optional_type.elem_type
    if type_.HasField("sequence_type"):
        kind, type_ = "sequence", type_.sequence_type.elem_type
    tensor = type_.tensor_type
    entry: dict[str, Any] = {
        "name": value.name,
        "kind": kind,
        "dtype": _dtype(tensor.elem_type),
        "shape": [_dimension(dim, contract) for dim in tensor.shape.dim]
        if tensor.HasField("shape")
        else None,
    }
    values = (contract or {}).get("values", {}).get(value.name)
    if values is not None:
        entry["values"] = [values["min"], values["max"]]
    return entry


def _dtype(number: int) -> str:
    import onnx

    name = onnx.TensorProto.DataType.Name(number).lower() if number else ""
    return _NAMES.get(name, name)


def _dimension(
    dim: onnx.TensorShapeProto.Dimension, contract: Mapping[str, Any] | None
) -> int | str | dict[str, Any] | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    name = dim.dim_param
    known = (contract or {}).get("dimensions", {}).get(name)
    if known is not None:
        return {"name": name, "min": known["min"], "max": known["max"]}
    return name or None
