"""Taking nested arguments apart and putting them together again."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fxexport.containers import declared_form, form_of, joined_path
from fxexport.errors import UsageError
from fxexport.inputs.specs import TensorSpec

__all__ = ["Container", "Leaf", "Node", "leaves_of", "map_leaves", "matching_leaves", "take_apart"]


@dataclass(eq=False)
class Leaf:
    """One value of the call that is not a container.

    Attributes:
        path: how a user names it: parameter, then indices, keys and fields.
        value: a tensor (NumPy arrays become tensors), a TensorSpec, or any Python value.
        counts: whether it is a number that changes with each call, and so an input.
    """

    path: str
    value: Any
    counts: bool = False


@dataclass(eq=False)
class Container:
    """One list, tuple, dict, dataclass or other object of the call that holds values.

    Attributes:
        path: as for `Leaf`.
        original: the user's object; never changed.
        keys: indices, keys, or names of fields or parts, in order.
        children: what they hold.
    """

    path: str
    original: Any
    keys: list[Any]
    children: list[Node]


Node = Leaf | Container


def take_apart(path: str, value: Any) -> Node:
    """The tree of a value; anything that is not a known container is a leaf."""
    parts = _parts_of(value)
    if parts is None:
        if isinstance(value, (np.ndarray, np.generic)):
            value = _from_numpy(path, value)
        return Leaf(path, value)
    children = [take_apart(_child_path(path, key), part) for key, part in parts.items()]
    form = declared_form(value)
    for name, child in zip(parts, children, strict=True):
        if form is not None and isinstance(child, Leaf):
            child.counts = form.counts(name) and type(child.value) in (int, float)
    return Container(path, value, list(parts), children)


def leaves_of(node: Node) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(node, Leaf):
        yield node
    else:
        for child in node.children:
            yield from leaves_of(child)


def map_leaves(node: Node, new_value: Callable[[Leaf], Any]) -> Any:
    """The value again, of the same container types, with other leaves; nothing of it is shared."""
    if isinstance(node, Leaf):
        return new_value(node)
    values = [map_leaves(child, new_value) for child in node.children]
    return _put_together(node, values)


def matching_leaves(node: Node, value: Any) -> Iterator[tuple[Leaf, Any]]:
    """Pairs the leaves of a tree with those of another value of the same structure.

    Raises:
        UsageError: when the structures differ.
    """
    if isinstance(node, Leaf):
        if isinstance(value, (np.ndarray, np.generic)):
            value = _from_numpy(node.path, value)
        yield node, value
        return
    parts = _parts_of(value)
    if parts is None or isinstance(value, Mapping) != isinstance(node.original, Mapping):
        raise UsageError(
            f"{node.path}: expected a {type(node.original).__name__}, "
            f"as when the model was exported, got {type(value).__name__}"
        )
    if parts.keys() != set(node.keys):
        raise UsageError(
            f"{node.path}: expected {_describe_keys(node.original, node.keys)}, "
            f"as when the model was exported, got {_describe_keys(value, list(parts))}"
        )
    for key, child in zip(node.keys, node.children, strict=True):
        yield from matching_leaves(child, parts[key])


def _from_numpy(path: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value.dtype.hasobject or value.dtype.kind in "USMmV":
        raise UsageError(
            f"{path}: a NumPy array of dtype {value.dtype} has no PyTorch form",
            hint="convert it to a number or bool dtype",
        )
    # A copy: PyTorch warns about, and could write into, an array that is read-only.
    return torch.from_numpy(np.array(value))


def _parts_of(value: Any) -> dict[Any, Any] | None:
    """What a container holds, by indices, keys, or names of fields or parts; None for a leaf."""
    if isinstance(value, (torch.Tensor, TensorSpec, torch.Size, torch.nn.Module, type)):
        return None
    form = form_of(value)
    if form is not None:
        return dict(form.parts(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return dict(zip(getattr(value, "_fields", range(len(value))), value, strict=True))
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _child_path(path: str, key: Any) -> str:
    name = str(key)
    dotted = name.startswith(".")
    return joined_path(path, re.sub(r"[^0-9A-Za-z_.]+" if dotted else r"[^0-9A-Za-z_]+", "_", name))


def _put_together(node: Container, values: Sequence[Any]) -> Any:
    """A container like the original one with other values."""
    original = node.original
    form = form_of(original)
    if form is not None:
        return form.rebuild(original, dict(zip(node.keys, values, strict=True)))
    if isinstance(original, Mapping):
        items = dict(zip(node.keys, values, strict=True))
        return items if type(original) is dict else _fill_mapping(original, items)
    if isinstance(original, list):
        return list(values) if type(original) is list else type(original)(values)
    if isinstance(original, tuple):
        if hasattr(original, "_make"):
            return original._make(values)
        return tuple(values) if type(original) is tuple else type(original)(values)
    filled = copy.copy(original)
    for key, value in zip(node.keys, values, strict=True):
        # Frozen dataclasses as well: this copy is ours.
        object.__setattr__(filled, key, value)
    return filled


def _fill_mapping(original: Any, items: dict[Any, Any]) -> Any:
    filled = copy.copy(original)
    for key, value in items.items():
        filled[key] = value
    return filled


def _describe_keys(value: Any, keys: Sequence[Any]) -> str:
    if isinstance(value, (list, tuple)):
        return f"{len(keys)} element{'' if len(keys) == 1 else 's'}"
    return f"the keys {', '.join(map(repr, keys)) or '(none)'}"
