"""ONNX values that take Python's operators, so that lowerings read like the formulas they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir

if TYPE_CHECKING:
    from fxexport.lowering.builder import OpBuilder

__all__ = ["Dim", "Value"]

Dim = int | None
"""A size in a value's shape: an int when static, None when not."""


class Value(ir.Value):
    """An `onnx_ir.Value` that knows the builder that writes with it.

    Attributes:
        builder: where operators on this value are written.
        is_number: whether it is a Python number in PyTorch's eyes (a size, an ``.item()``).
        limits: the largest size of each dimension where that is known of any.
        most: the largest number that a size can be, where that is known.
    """

    def __init__(self, builder: OpBuilder, *, is_number: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.builder = builder
        self.is_number = is_number
        self.limits: list[Dim] = []
        self.most: Dim = None

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

    def __add__(self, other: Any) -> Value:
        return self.builder.one("Add", self, other)

    def __radd__(self, other: Any) -> Value:
        return self.builder.one("Add", other, self)

    def __sub__(self, other: Any) -> Value:
        return self.builder.one("Sub", self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.builder.one("Sub", other, self)

    def __mul__(self, other: Any) -> Value:
        return self.builder.one("Mul", self, other)

    def __rmul__(self, other: Any) -> Value:
        return self.builder.one("Mul", other, self)

    def __truediv__(self, other: Any) -> Value:
        return self.builder.one("Div", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.builder.one("Div", other, self)

    def __matmul__(self, other: Any) -> Value:
        return self.builder.one("MatMul", self, other)

    def __pow__(self, other: Any) -> Value:
        return self.builder.one("Pow", self, other)

    def __mod__(self, other: Any) -> Value:
        return self.builder.one("Mod", self, other, fmod=0 if not _is_float(self) else 1)

    def __neg__(self) -> Value:
        return self.builder.one("Neg", self)

    def __lt__(self, other: Any) -> Value:
        return self.builder.one("Less", self, other)

    def __le__(self, other: Any) -> Value:
        return self.builder.one("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Value:
        return self.builder.one("Greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return self.builder.one("GreaterOrEqual", self, other)

    def __and__(self, other: Any) -> Value:
        return self.builder.one("And", self, other)

    def __or__(self, other: Any) -> Value:
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
