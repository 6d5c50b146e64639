"""Values that come from Python into TorchScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.session.session import sym_type
from fxexport.capture.torchscript.objects import Instance, Objects
from fxexport.capture.values.kinds import as_kind

__all__ = ["arriving"]


def arriving(
    value: Any, kind: ir.JitType, fresh: Callable[[object], object], objects: Objects
) -> Any:
    """An argument as TorchScript converts it: containers are copied, ints become floats.

    Args:
        value: the argument.
        kind: the parameter's type.
        fresh: notes that a container is new.
        objects: views of modules and objects.
    """
    name = kind.kind()
    if isinstance(value, Instance) or value is None:
        return value
    if name in ("OptionalType", "UnionType", "AnyType"):
        parts = [part for part in kind.containedTypes() if part.kind() != "NoneType"]
        inner = parts[0] if len(parts) == 1 else None
        return value if inner is None else arriving(value, inner, fresh, objects)
    if name == "FloatType" and sym_type(value) is int:
        return as_kind(value, float)
    if isinstance(value, torch.dtype):
        return ir.SCALAR_TYPES[value]
    if name == "ListType" and isinstance(value, (list, tuple)):
        inner = kind.getElementType()
        return fresh([arriving(item, inner, fresh, objects) for item in value])
    if name == "DictType" and isinstance(value, dict):
        inner = kind.getValueType()
        return fresh({key: arriving(item, inner, fresh, objects) for key, item in value.items()})
    if name == "TupleType" and isinstance(value, tuple):
        items = [
            arriving(item, part, fresh, objects)
            for item, part in zip(value, kind.elements(), strict=True)
        ]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if name == "TensorType" and sym_type(value) is not None:
        return torch.scalar_tensor(value)
    return objects.of_value(value, kind) if name == "ClassType" else value
