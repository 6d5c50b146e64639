"""A model's result as the flat outputs of a file."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from fxexport.containers import declared_form, joined_path
from fxexport.graph.complex_values import as_real
from fxexport.graph.values import Eager

if TYPE_CHECKING:
    from fxexport.graph.signature import OutputSpec

__all__ = ["flat_outputs", "item_names", "items_of", "named_leaves", "without_padding"]


def flat_outputs(result: object, specs: Iterable[OutputSpec] = ()) -> list[Eager]:
    """The tensors and Python numbers in an eager result, in the file's order.

    Args:
        result: what the model returns.
        specs: the file's outputs; they tell which lists are sequences in the file.

    Returns:
        A value an output: a tensor, a number, or for a sequence the list of its items' values,
        where a list of numbers is a tensor. What may be None or missing is a list of one value, or
        of none. Complex tensors are real ones with a last dimension of 2.
    """
    columns: dict[str, int] = {}
    numbers: dict[str, dict[str, torch.dtype]] = {}
    specs = [spec for spec in specs if spec.of_model]
    for spec in specs:
        if spec.kind == "sequence":
            columns[spec.path] = max(columns.get(spec.path, 0), spec.column + 1)
        if spec.numbers is not None:
            numbers.setdefault(spec.path, {})[spec.inner] = spec.numbers
    texts = {spec.path for spec in specs if spec.kind == "text"}

    def is_value(value: object) -> bool:
        return isinstance(value, (torch.Tensor, int, float, bool))

    leaves = named_leaves(result, is_value, columns, texts=texts, numbers=numbers)
    if any(spec.presence for spec in specs):
        return _in_their_places(leaves, specs)
    return [as_real(value) for _, value in leaves]


def _in_their_places(leaves: list[tuple[str, Any]], specs: Iterable[OutputSpec]) -> list[Eager]:
    """The leaves of a result; what may be missing is a list of one of them, or of none."""
    found: list[Eager] = []
    left = deque(leaves)
    for spec in specs:
        if not spec.presence:
            if left:
                found.append(as_real(left.popleft()[1]))
            continue
        there = bool(left) and left[0][0] == spec.path
        there = there and isinstance(left[0][1], str) == (spec.kind == "text")
        found.append([as_real(left.popleft()[1])] if there else [])
    return [*found, *(as_real(value) for _, value in left)]


def without_padding(specs: Sequence[OutputSpec], values: Sequence[Eager]) -> list[Eager]:
    """The model's results among a file's outputs: padded ones cut to their counts.

    Args:
        specs: the file's outputs.
        values: their values, in order.

    Returns:
        The values without the counts. What may be None is a list of one value, or of none.
    """
    by_name = dict(zip((spec.name for spec in specs), values, strict=True))
    found = []
    for spec, value in zip(specs, values, strict=True):
        if spec.padding is not None:
            count = by_name[spec.padding.count]
            assert isinstance(value, torch.Tensor) and isinstance(count, (torch.Tensor, int))
            value = value.narrow(spec.padding.dim, 0, int(count))
        if spec.presence:
            value = [value] if bool(by_name[spec.presence]) else []  # type: ignore[list-item]
        if spec.of_model:
            found.append(value)
    return found


def named_leaves(
    result: object,
    is_leaf: Callable[[object], bool],
    lists: Mapping[str, int] | None = None,
    whole: Container[str] = (),
    texts: Container[str] = (),
    numbers: Mapping[str, Mapping[str, torch.dtype]] | None = None,
) -> list[tuple[str, Any]]:
    """The leaves of a nested result, in order, each with a path such as ``boxes_0``.

    Lists, tuples, dicts, dataclasses and objects with attributes are gone through; None, text and
    anything else is left out.

    Args:
        result: what a model returns.
        is_leaf: tells the values to find.
        lists: path of each list of varying length, and how many values an item of it has: such a
            list gives as many leaves, each the list of one of its items' values.
        whole: paths of lists that are leaves.
        texts: paths at which text is a leaf.
        numbers: path of each list of varying length that has lists of numbers in its items: where
            in an item each is, and the dtype of the tensor that it is given as.
    """
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()
    lists = lists or {}

    def visit(value: object, path: str) -> None:
        if path in texts and isinstance(value, str):
            found.append((path, value))
            return
        if is_leaf(value) or (path in whole and isinstance(value, (list, tuple, deque))):
            found.append((path, value))
            return
        if path in lists and isinstance(value, (list, tuple, deque)):
            inner = (numbers or {}).get(path, {})
            rows = [_item_leaves(item, is_leaf, inner) for item in value]
            found.extend((path, [row[k] for row in rows]) for k in range(lists[path]))
            return
        items = items_of(value)
        if not items or id(value) in seen:
            return
        seen.add(id(value))
        form = declared_form(value)
        if form is not None and form.as_output:
            path = form.as_output
        for key, item in items:
            visit(item, joined_path(path, key))
        seen.discard(id(value))

    visit(result, "")
    return found


def _item_leaves(
    item: object, is_leaf: Callable[[object], bool], inner: Mapping[str, torch.dtype]
) -> list[Any]:
    """The leaves of an item of a list; lists of numbers at some places in it are tensors."""
    return [
        torch.tensor(leaf, dtype=inner[path]) if isinstance(leaf, (list, tuple, deque)) else leaf
        for path, leaf in named_leaves(item, is_leaf, whole=inner)
    ]


def item_names(value: object) -> list[str]:
    """The names of what is in a container, in order."""
    return [name for name, _ in items_of(value)]


def items_of(value: Any) -> list[tuple[str, Any]]:
    """The parts of a container or object, with the names that paths have for them."""
    form = declared_form(value)
    if form is not None:
        return list(form.parts(value).items())
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, (list, tuple, deque)):
        names = getattr(value, "_fields", None) or range(len(value))
        return [(str(name), item) for name, item in zip(names, value, strict=True)]
    if isinstance(value, type) or callable(value):
        return []
    if dataclasses.is_dataclass(value):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    attributes = getattr(value, "__dict__", {})
    return [(name, item) for name, item in attributes.items() if not name.startswith("_")]
