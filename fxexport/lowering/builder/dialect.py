"""What a target takes of ONNX: which operators are written in another form.

The builder alone knows the dialect: lowerings write ONNX operators as always, and where the dialect
has a form for one, the form is written instead. So every lowering, also a user's, is in the
target's dialect without knowing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from fxexport.lowering.builder.values import Value

__all__ = ["PLAIN", "Dialect", "Form", "WholeForm"]

Form = Callable[..., "Value | tuple[Value, ...] | None"]
"""Called as ``form(op, *args, **attributes)``, as the operator would be, with `_outputs` among the
attributes when there are several. Gives the operator's results, or None to have it written as it
is. To write the operator itself it calls ``op.plain(op_type, ...)``."""

WholeForm = Callable[..., "Value | None"]
"""Called as ``form(op, *args, **attributes)``; None leaves it to the lowering."""


@dataclass(frozen=True)
class Dialect:
    """ONNX as one target takes it.

    Attributes:
        forms: other forms, by ONNX operator type.
        whole: for operators that lowerings take apart, how to write them in one; see
            `OpBuilder.whole`.
        finish: what is done to a whole model once it is written, in place.
        exact: whether forms are written that keep NaN, and all digits of int64, where ONNX
            Runtime's kernels for the plain form lose them.
        bfloat16: the operators that the runtime has kernels of in bfloat16; None for all. Others
            are computed in float32, between conversions.
    """

    forms: Mapping[str, Form] = field(default_factory=dict)
    whole: Mapping[str, WholeForm] = field(default_factory=dict)
    finish: Callable[[ir.Model], None] | None = None
    exact: bool = True
    bfloat16: frozenset[str] | None = None


PLAIN = Dialect()
"""ONNX as it is."""
