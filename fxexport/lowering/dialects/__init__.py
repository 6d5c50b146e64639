"""What a target takes of ONNX: which operators are written in another form.

A dialect is chosen by name and known to the builder alone: lowerings write ONNX operators as
always, and where the dialect has a form for one, the form is written in its place. So every
lowering, also a user's, is in the target's dialect without knowing of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["PLAIN", "Dialect", "Form", "dialect_named"]

Form = Callable[..., Any]
"""Called as ``form(op, *args, **attributes)``, as the operator would be, with `_outputs` among the
attributes when there are several. Gives the operator's results, or None to have it written as it
is. To write the operator itself it calls ``op.plain(op_type, ...)``."""


@dataclass(frozen=True)
class Dialect:
    """ONNX as one target takes it.

    Attributes:
        name: what it is called.
        forms: other forms, by ONNX operator type.
        whole: for operators that lowerings take apart, how to write them in one; see
            `OpBuilder.whole`.
        finish: what is done to a whole model once it is written, in place.
    """

    name: str
    forms: Mapping[str, Form] = field(default_factory=dict)
    whole: Mapping[str, Form] = field(default_factory=dict)
    finish: Callable[[ir.Model], None] | None = None


PLAIN = Dialect("plain")
"""ONNX as it is."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a name: "plain" or "tensorrt"."""
    if name == PLAIN.name:
        return PLAIN
    found: Dialect = importlib.import_module(f"{__name__}.{name}").DIALECT
    return found
