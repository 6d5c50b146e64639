"""Operators that an opset, or a runtime, lacks in bfloat16, computed in single precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import onnx_ir as ir

from fxexport.lowering.builder.schemas import signature_of
from fxexport.lowering.builder.values import Attributes, Operand, Value

__all__ = ["in_single", "without_bfloat16"]

BFLOAT16 = ir.DataType.BFLOAT16


class Writer(Protocol):
    """What is needed of the builder."""

    opset: int

    def cast(self, x: Operand, dtype: ir.DataType) -> Value:
        """The operand in a dtype."""

    def plain(self, op_type: str, *args: Operand, **attributes: Any) -> Value:
        """Writes an operator with one output."""

    def plain_several(
        self, op_type: str, outputs: int, *args: Operand, **attributes: Any
    ) -> tuple[Value, ...]:
        """Writes an operator with several outputs."""


def without_bfloat16(
    signature: ir.schemas.OpSignature,
    binding: Mapping[str, ir.DataType],
    kernels: frozenset[str] | None,
) -> frozenset[str]:
    """The type variables that stand for bfloat16 here, where it is lacking.

    Args:
        signature: the operator's schema.
        binding: what its type variables stand for.
        kernels: the operators that the runtime has in bfloat16; None for all.
    """
    lacking = kernels is not None and signature.name not in kernels
    return frozenset(
        param.type_constraint.name
        for param in signature.inputs
        if binding.get(param.type_constraint.name) == BFLOAT16
        and (lacking or all(k.dtype != BFLOAT16 for k in param.type_constraint.allowed_types))
    )


def in_single(
    op: Writer,
    op_type: str,
    inputs: Sequence[Value | None],
    attributes: Attributes,
    outputs: int,
    narrow: frozenset[str],
) -> Value | tuple[Value, ...]:
    """Writes the operator in single precision, between conversions.

    Args:
        op: the builder.
        op_type: the operator.
        inputs: its inputs.
        attributes: its attributes.
        outputs: how many results it has.
        narrow: the type variables that stand for bfloat16.
    """
    signature = signature_of(op_type, op.opset)
    last = len(signature.inputs) - 1
    wide: list[Value | None] = []
    for k, x in enumerate(inputs):
        is_narrow = signature.inputs[min(k, last)].type_constraint.name in narrow
        wide.append(op.cast(x, ir.DataType.FLOAT) if x is not None and is_narrow else x)
    if outputs == 1:
        found: tuple[Value, ...] = (op.plain(op_type, *wide, **attributes),)
    else:
        found = op.plain_several(op_type, outputs, *wide, **attributes)
    values = tuple(
        op.cast(value, BFLOAT16) if param.type_constraint.name in narrow else value
        for value, param in zip(found, signature.outputs, strict=False)
    )
    return values[0] if outputs == 1 else values
