"""Classes that are registered with PyTorch's pytree: what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils import _pytree

__all__ = ["is_pytree_class", "pytree_like", "pytree_parts"]


def is_pytree_class(cls: type) -> bool:
    """Whether a class is registered, as by `torch.utils._pytree.register_pytree_node`."""
    return cls in _pytree.SUPPORTED_NODES


def pytree_parts(value: Any) -> dict[str, Any]:
    """The children of an object, by their keys, or by their number where it has none."""
    node = _pytree.SUPPORTED_NODES[type(value)]
    if node.flatten_with_keys_fn is not None:
        pairs, _ = node.flatten_with_keys_fn(value)
        return {_name(key, k): child for k, (key, child) in enumerate(pairs)}
    children, _ = node.flatten_fn(value)
    return {str(k): child for k, child in enumerate(children)}


def pytree_like(like: Any, parts: Mapping[str, Any]) -> Any:
    """An object like another one around other children."""
    node = _pytree.SUPPORTED_NODES[type(like)]
    _, context = node.flatten_fn(like)
    return node.unflatten_fn(list(parts.values()), context)


def _name(key: Any, place: int) -> str:
    """A key of PyTorch's as it is in a path: an attribute, a key of a dict, a place in a list."""
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(place)
