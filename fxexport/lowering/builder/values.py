"""ONNX values that take Python's operators, so that lowerings read like the formulas they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir

__all__ = ["Attribute", "Attributes", "Dim", "NodeWriter", "Operand", "Value"]

Dim = int | None
"""A size in a value's shape: an int when static, None when not."""

Attribute = (
    int
    | float
    | str
    | Sequence[int]
    | Sequence[float]
    | Sequence[str]
    | ir.TensorProtocol
    | ir.Graph
    | None
)
"""What an attribute of an ONNX node may be; None leaves it out. An `ir.DataType` is an int."""

Attributes = Mapping[str, Any]
"""Attributes of a node by name, each an `Attribute` of the type that its operator asks for."""


class NodeWriter(Protocol):
    """What a value needs of the builder that it belongs to."""

    def one(self, op_type: str, *args: Operand, **attributes: Attribute) -> Value:
        """Writes an ONNX operator with one output; returns the output."""


class Value(ir.Value):
    """An `onnx_ir.Value` that knows the builder that writes with it.

    Attributes:
        builder: where operators on this value are written.
        is_number: whether it is a Python number in PyTorch's eyes (a size, an ``.item()``).
        limits: the largest size of each dimension where that is known of any.
        most: the largest number that a size can be, where that is known.
        distance: of a condition, numbers that are 0 where it holds, and some above 0 elsewhere.
        flags: of a condition, flags all of which are set where it holds.
    """

    def __init__(
        self,
        builder: NodeWriter,
        *,
        is_number: bool = False,
        name: str | None = None,
        shape: ir.Shape | None = None,
        type: ir.TypeProtocol | None = None,
        const_value: ir.TensorProtocol | None = None,
    ) -> None:
        super().__init__(name=name, shape=shape, type=type, const_value=const_value)
        self.builder = builder
        self.is_number = is_number
        self.limits: list[Dim] = []
        self.most: Dim = None
        self.distance: Value | None = None
        self.flags: Value | None = None

    def limit(self, dim: int) -> Dim:
        """The largest size of a dimension; None where nothing is known."""
        static = self.dims[dim]
        return self.limits[dim] if static is None and self.limits else static

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        if self.shape is None:
            raise ValueError(f"the rank of {self.name} is not known")
        return len(self.shape)

    @property
    def dims(self) -> list[Dim]:
        """The sizes."""
        if self.shape is None:
            raise ValueError(f"the rank of {self.name} is not known")
        return [dim if isinstance(dim, int) else None for dim in self.shape]

    @property
    def elem(self) -> ir.DataType:
        """The element type."""
        if self.dtype is None:
            raise ValueError(f"the dtype of {self.name} is not known")
        return self.dtype

    def __add__(self, other: Operand) -> Value:
        return self.builder.one("Add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.builder.one("Add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.builder.one("Sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.builder.one("Sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.builder.one("Mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.builder.one("Mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.builder.one("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.builder.one("Div", other, self)

    def __matmul__(self, other: Operand) -> Value:
        return self.builder.one("MatMul", self, other)

    def __pow__(self, other: Operand) -> Value:
        return self.builder.one("Pow", self, other)

    def __mod__(self, other: Operand) -> Value:
        return self.builder.one("Mod", self, other, fmod=0 if not _is_float(self) else 1)

    def __neg__(self) -> Value:
        return self.builder.one("Neg", self)

    def __lt__(self, other: Operand) -> Value:
        return self.builder.one("Less", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.builder.one("LessOrEqual", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.builder.one("Greater", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.builder.one("GreaterOrEqual", self, other)

    def __and__(self, other: Operand) -> Value:
        return self.builder.one("And", self, other)

    def __or__(self, other: Operand) -> Value:
        return self.builder.one("Or", self, other)

    def __invert__(self) -> Value:
        return self.builder.one("Not", self)


def _is_float(value: Value) -> bool:
    return value.dtype in (
        ir.DataType.FLOAT,
        ir.DataType.DOUBLE,
        ir.DataType.FLOAT16,
        ir.DataType.BFLOAT16,
    )


Operand = Value | int | float | bool | Sequence["Operand"] | np.ndarray | None
"""What a lowering may give an operator: a value, or what becomes a constant; None for nothing."""
