"""Lists of tensors that are one input of the file: ONNX sequences of any length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.inputs.flatten import Container, Leaf, Node, leaves_of
from fxexport.inputs.specs import check_tensor, dtype_name, is_fake

__all__ = ["TensorList", "as_sequences", "check_items", "item_sizes"]


@dataclass(frozen=True, eq=False)
class TensorList:
    """A list in the user's call that is one input.

    Attributes:
        items: the tensors of the example; there is one at least.
    """

    items: tuple[torch.Tensor, ...]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of every item."""
        return self.items[0].dtype

    @property
    def shape(self) -> torch.Size:
        """The first item's shape."""
        return self.items[0].shape


def as_sequences(
    roots: Mapping[str, Node], names: Iterable[str]
) -> tuple[dict[str, Node], set[str]]:
    """The arguments with the named lists as one leaf each, and the names that are no argument.

    Raises:
        UsageError: a name is that of something else than a list of tensors of one kind.
    """
    left = set(names)

    def visit(node: Node) -> Node:
        if node.path in left:
            left.discard(node.path)
            return Leaf(node.path, _tensor_list(node))
        if isinstance(node, Container):
            node.children = [visit(child) for child in node.children]
        return node

    return {name: visit(root) for name, root in roots.items()}, left


def _tensor_list(node: Node) -> TensorList:
    items = [leaf.value for leaf in leaves_of(node)]
    if not isinstance(node, Container) or not isinstance(node.original, (list, tuple)):
        raise UsageError(
            f"sequences names {node.path!r}, which is no list",
            hint="name a list or tuple of tensors",
        )
    tensors = [item for item in items if isinstance(item, torch.Tensor) and not is_fake(item)]
    if not items or len(tensors) != len(node.children):
        raise UsageError(
            f"{node.path!r} is to be a sequence: expected a list of at least one tensor with data"
        )
    for tensor in tensors:
        check_tensor(node.path, tensor)
        if tensor.dtype != tensors[0].dtype or tensor.dim() != tensors[0].dim():
            raise UsageError(
                f"{node.path!r} is to be a sequence, and its items differ: "
                f"{dtype_name(tensors[0].dtype)} of {tensors[0].dim()} dimensions, then "
                f"{dtype_name(tensor.dtype)} of {tensor.dim()}"
            )
    return TensorList(tuple(tensors))


def item_sizes(value: TensorList, axes: Iterable[int]) -> tuple[int | None, ...]:
    """The size of every item along each dimension; None where items may differ.

    Args:
        value: the example.
        axes: the dimensions that were asked to be dynamic.
    """
    return tuple(
        None if axis in set(axes) or any(item.shape[axis] != size for item in value.items) else size
        for axis, size in enumerate(value.shape)
    )


def check_items(
    name: str, value: Any, dtype: torch.dtype, sizes: Sequence[int | None]
) -> list[torch.Tensor]:
    """A list as an input takes it.

    Raises:
        UsageError: it is no list of tensors of that dtype and those sizes.
    """
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"input {name!r}: expected a list, got a {type(value).__name__}")
    for k, item in enumerate(value):
        if not isinstance(item, torch.Tensor) or is_fake(item) or item.dtype != dtype:
            got = dtype_name(item.dtype) if isinstance(item, torch.Tensor) else type(item).__name__
            raise UsageError(f"input {name!r}, item {k}: expected {dtype_name(dtype)}, got {got}")
        fits = item.dim() == len(sizes) and all(
            wanted is None or size == wanted for size, wanted in zip(item.shape, sizes, strict=True)
        )
        if not fits:
            shown = ", ".join("any" if size is None else str(size) for size in sizes)
            raise UsageError(
                f"input {name!r}, item {k}: expected sizes [{shown}], got {list(item.shape)}"
            )
    return list(value)
