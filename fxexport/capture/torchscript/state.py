"""What a scripted module keeps from call to call."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.session.module_names import ScriptedMethod

__all__ = ["untouched"]

_CHANGES_CONTAINERS = frozenset(
    f"aten::{name}"
    for name in (
        "append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort", "update",
        "setdefault", "popitem", "_set_item", "Delete", "add_", "mul_",
    )
)  # fmt: skip
_MADE_HERE = frozenset({"prim::ListConstruct", "prim::DictConstruct", "prim::CreateObject"})


def untouched(model: Any) -> Any:
    """The model, or a copy of it where a call would change what its scripted modules hold.

    Their attributes are in C++, out of reach of what puts a module's attributes back.
    """
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    if not isinstance(module, torch.nn.Module) or not _keeps_state(module):
        return model
    duplicate = copy.deepcopy(module)
    if module is model:
        return duplicate
    if isinstance(model, ScriptedMethod):
        return ScriptedMethod(duplicate, model.__name__)  # type: ignore[arg-type]
    return getattr(duplicate, model.__name__)


def _keeps_state(module: torch.nn.Module) -> bool:
    return any(
        _changes_what_was_there(node)
        for part in module.modules()
        if isinstance(part, torch.jit.ScriptModule)
        for name in part._c._method_names()
        for node in _nodes(part._c._get_method(name).inlined_graph)
    )


def _nodes(block: ir.Graph) -> Iterator[ir.Node]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _changes_what_was_there(node: ir.Node) -> bool:
    kind = node.kind()
    if kind == "prim::SetAttr" or kind in _CHANGES_CONTAINERS:
        return next(iter(node.inputs())).node().kind() not in _MADE_HERE
    writes = kind.startswith("aten::") and kind.endswith("_") and not kind.endswith("__")
    return writes and next(iter(node.inputs())).node().kind() == "prim::GetAttr"
