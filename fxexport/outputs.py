"""A model's result as the flat outputs of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

__all__ = ["flat_outputs", "named_leaves"]


def flat_outputs(result: Any) -> list[Any]:
    """The tensors and Python numbers in an eager result, in the file's order."""
    import torch

    return [
        value
        for _, value in named_leaves(
            result, lambda v: isinstance(v, (torch.Tensor, int, float, bool))
        )
    ]


def named_leaves(result: Any, is_leaf: Callable[[Any], bool]) -> list[tuple[str, Any]]:
    """The leaves of a nested result, in order, each with a path such as ``boxes_0``.

    Lists, tuples, dicts, dataclasses and objects with attributes are gone through; None, text and
    anything else is left out.
    """
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()

    def visit(value: Any, path: str) -> None:
        if is_leaf(value):
            found.append((path, value))
            return
        items = _items(value)
        if not items or id(value) in seen:
            return
        seen.add(id(value))
        for key, item in items:
            visit(item, f"{path}_{key}" if path else key)
        seen.discard(id(value))

    visit(result, "")
    return found


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None) or range(len(value))
        return [(str(name), item) for name, item in zip(names, value, strict=True)]
    if isinstance(value, type) or callable(value):
        return []
    if dataclasses.is_dataclass(value):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    attributes = getattr(value, "__dict__", {})
    return [(name, item) for name, item in attributes.items() if not name.startswith("_")]
