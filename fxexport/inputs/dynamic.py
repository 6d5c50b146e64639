"""The forms in which a user says what is dynamic, brought to one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.inputs.flatten import Container, Leaf, Node, leaves_of
from fxexport.inputs.lists import TensorList
from fxexport.inputs.specs import TensorSpec, dtype_name
from fxexport.profiles.dims import Dim, parse_dim

__all__ = ["DimRequest", "DynamicRequests", "InputTree", "read_dynamic"]


@dataclass(frozen=True)
class DimRequest:
    """One dimension asked to be dynamic.

    Attributes:
        dim: its name and range; None for a made-up name and no bound.
        pinnable: whether it was only asked to be tried, so that capture may hold it at one size.
        profiled: whether its range is that of the profiles: they are checked at min, opt and max
            against what the model needs, and not at all sizes between.
    """

    dim: Dim | None = None
    pinnable: bool = False
    profiled: bool = False


@dataclass
class DynamicRequests:
    """What is dynamic: dimensions by leaf and axis, and Python scalars that become inputs.

    `values` holds the smallest and the largest value of an int input, where they are known.
    """

    dims: dict[Leaf, dict[int, DimRequest]] = field(default_factory=dict)
    scalars: set[Leaf] = field(default_factory=set)
    values: dict[Leaf, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class InputTree:
    """The arguments that `dynamic` is about.

    Attributes:
        roots: argument trees by parameter name, in order.
        positional: the names of those given by position.
        variadic: the name of ``*args``, or an empty string.
        names: names of leaves: those of the file's inputs, and the user's `input_names`.
    """

    roots: Mapping[str, Node]
    positional: Sequence[str]
    variadic: str
    names: Mapping[str, Leaf]


def read_dynamic(dynamic: Any, tree: InputTree) -> DynamicRequests:
    """Reads any form of `dynamic`.

    Args:
        dynamic: True, False or None; ``{name: {axis: name or Dim}}``; ``{name: [axes]}``; or
            `torch.export` dynamic shapes, by parameter or by position.
        tree: the arguments.

    Raises:
        UsageError: for unknown names or axes, and for what cannot be read.
    """
    reader = _Reader()
    leaves = [leaf for root in tree.roots.values() for leaf in leaves_of(root)]
    for leaf in leaves:
        if isinstance(leaf.value, TensorSpec):
            reader.read_spec(leaf, leaf.value)
        if leaf.counts:
            reader.requests.scalars.add(leaf)
    if dynamic is True:
        for leaf in leaves:
            reader.everything(leaf, pinnable=True)
    elif isinstance(dynamic, Mapping):
        for name, wanted in dynamic.items():
            for node, part in _find(name, wanted, tree):
                reader.read(node, part)
    elif isinstance(dynamic, (tuple, list)):
        _read_by_position(reader, dynamic, tree)
    elif dynamic not in (False, None):
        raise UsageError(
            f"dynamic must be True, False or a dict by input name, got {dynamic!r}",
            hint='for example dynamic={"x": {0: "batch"}}',
        )
    return reader.requests


def _read_by_position(reader: _Reader, dynamic: Sequence[Any], tree: InputTree) -> None:
    if len(dynamic) != len(tree.roots):
        raise UsageError(
            f"dynamic has {len(dynamic)} entries for {len(tree.roots)} arguments "
            f"({', '.join(tree.roots)})",
            hint='give one entry an argument, or a dict such as {"x": {0: "batch"}}',
        )
    for node, part in zip(tree.roots.values(), dynamic, strict=True):
        reader.read(node, part)


def _find(name: Any, wanted: Any, tree: InputTree) -> list[tuple[Node, Any]]:
    """The arguments that a name stands for, each with its part of what is wanted."""
    if name in tree.names:
        return [(tree.names[name], wanted)]
    if name in tree.roots:
        return [(tree.roots[name], wanted)]
    if name == tree.variadic and name:
        nodes = [root for key, root in tree.roots.items() if key.startswith(f"{name}_")]
        original = tuple(range(len(nodes)))
        return [(Container(name, original, list(original), nodes), wanted)]
    raise UsageError(
        f"dynamic names {name!r}, and there is no such input",
        hint=f"the inputs are {_describe_inputs(tree)}",
    )


def _describe_inputs(tree: InputTree) -> str:
    return ", ".join(f"{name} ({_describe(leaf)})" for name, leaf in tree.names.items()) or "none"


def _describe(leaf: Leaf) -> str:
    value = leaf.value
    if isinstance(value, (torch.Tensor, TensorSpec)):
        sizes = [size.describe() if isinstance(size, Dim) else str(size) for size in value.shape]
        return f"{dtype_name(value.dtype)}[{', '.join(sizes)}]"
    return type(value).__name__


class _Reader:
    """Collects requests while it walks arguments and wishes side by side."""

    def __init__(self) -> None:
        self.requests = DynamicRequests()

    def read_spec(self, leaf: Leaf, spec: TensorSpec) -> None:
        """A dimension that a spec's shape names is dynamic, without a `dynamic` option."""
        for axis, size in enumerate(spec.shape):
            if not isinstance(size, int):
                self._add(
                    leaf, axis, DimRequest(size if isinstance(size, Dim) else parse_dim(size))
                )

    def everything(self, node: Node, *, pinnable: bool) -> None:
        """Every dimension, and every int and float."""
        for leaf in leaves_of(node):
            value = leaf.value
            if isinstance(value, (torch.Tensor, TensorSpec)):
                for axis in range(len(value.shape)):
                    if axis not in self.requests.dims.get(leaf, {}):
                        self._add(leaf, axis, DimRequest(pinnable=pinnable))
            elif isinstance(value, (bool, int, float)):
                self.requests.scalars.add(leaf)

    def read(self, node: Node, wanted: Any) -> None:
        """What is wanted of one argument."""
        if wanted is None or wanted is False:
            return
        if isinstance(node, Container):
            self._read_container(node, wanted)
        elif isinstance(node.value, (torch.Tensor, TensorSpec, TensorList)):
            self._read_tensor(node, node.value, wanted)
        elif isinstance(node.value, (int, float)):
            self._read_scalar(node, wanted)
        elif wanted:
            raise UsageError(
                f"{node.path!r} is a {type(node.value).__name__}, which has no dynamic form",
                hint="tensors have dynamic dimensions, and ints, floats and bools can be inputs",
            )

    def _read_container(self, node: Container, wanted: Any) -> None:
        if wanted is True:
            self.everything(node, pinnable=True)
            return
        if _names_axes_alone(node, wanted):
            for leaf in leaves_of(node):
                if isinstance(leaf.value, (torch.Tensor, TensorSpec)):
                    self.read(leaf, wanted)
            return
        for key, child in zip(node.keys, node.children, strict=True):
            self.read(child, _part(node, key, wanted))

    def _read_scalar(self, leaf: Leaf, wanted: Any) -> None:
        empty = isinstance(wanted, (Mapping, Sequence)) and not wanted
        if not (wanted is True or empty or _hint_kind(wanted) or _is_export_dim(wanted)):
            raise UsageError(
                f"{leaf.path!r} is a Python {type(leaf.value).__name__}; it has no dimensions",
                hint=f'write {{"{leaf.path}": True}} to make it an input of the file',
            )
        if _hint_kind(wanted) != "STATIC":
            self.requests.scalars.add(leaf)

    def _read_tensor(
        self, leaf: Leaf, tensor: torch.Tensor | TensorSpec | TensorList, wanted: Any
    ) -> None:
        rank = len(tensor.shape)
        if wanted is True:
            self.everything(leaf, pinnable=True)
            return
        if _hint_kind(wanted) is not None:
            entries = dict.fromkeys(range(rank), wanted)
        elif isinstance(wanted, Mapping):
            entries = dict(wanted)
        elif isinstance(wanted, (list, tuple, set, frozenset)):
            entries = _entries_of_sequence(leaf.path, list(wanted), rank)
        else:
            raise UsageError(
                f"dynamic[{leaf.path!r}]: expected axes and names, got {wanted!r}",
                hint='for example {0: "batch"} or [0, 2]',
            )
        for axis, entry in entries.items():
            self._read_dimension(leaf, tensor, axis, entry)

    def _read_dimension(
        self, leaf: Leaf, tensor: torch.Tensor | TensorSpec | TensorList, axis: Any, wanted: Any
    ) -> None:
        rank = len(tensor.shape)
        if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
            raise UsageError(
                f"dynamic[{leaf.path!r}] names axis {axis!r}; {leaf.path} is {_describe(leaf)}, "
                + (f"its axes are 0 to {rank - 1}" if rank else "it has no axes")
            )
        axis %= rank
        size = tensor.shape[axis]
        if isinstance(wanted, int) and not isinstance(wanted, bool):
            if wanted != size:
                raise UsageError(
                    f"dynamic says that {leaf.path} has size {wanted} on axis {axis}, "
                    f"but it has {size}"
                )
            return
        request = _request_of(leaf.path, axis, wanted)
        if request is not None:
            self._add(leaf, axis, request)

    def _add(self, leaf: Leaf, axis: int, request: DimRequest) -> None:
        dims = self.requests.dims.setdefault(leaf, {})
        before = dims.get(axis)
        if before is None or before.dim is None:
            dims[axis] = request
        elif request.dim is not None:
            if request.dim.name != before.dim.name:
                raise UsageError(
                    f"axis {axis} of {leaf.path} is called {before.dim.describe()} "
                    f"and {request.dim.describe()}"
                )
            dims[axis] = DimRequest(before.dim.meet(request.dim))


def _names_axes_alone(node: Container, wanted: Any) -> bool:
    """Whether what is wanted of an object, which has no places in an order, is of its tensors."""
    is_object = all(isinstance(key, str) for key in node.keys)
    return (
        is_object
        and bool(wanted)
        and isinstance(wanted, Mapping)
        and all(type(axis) is int for axis in wanted)
    )


def _part(node: Container, key: Any, wanted: Any) -> Any:
    """What is wanted of one element of a container."""
    if isinstance(wanted, Mapping):
        unknown = [name for name in wanted if name not in node.keys]
        if unknown:
            raise UsageError(
                f"dynamic[{node.path!r}] names {unknown[0]!r}, which is not in {node.path}",
                hint=f"it has {', '.join(map(repr, node.keys)) or 'nothing'}",
            )
        return wanted.get(key)
    if isinstance(wanted, (list, tuple)):
        if len(wanted) != len(node.keys):
            raise UsageError(
                f"dynamic[{node.path!r}] has {len(wanted)} entries; "
                f"{node.path} has {len(node.keys)} elements"
            )
        return wanted[node.keys.index(key)]
    if _hint_kind(wanted) is not None:
        return wanted
    raise UsageError(
        f"dynamic[{node.path!r}]: expected one entry an element, got {wanted!r}",
        hint=f"{node.path} has {', '.join(map(repr, node.keys)) or 'no elements'}",
    )


def _entries_of_sequence(path: str, wanted: list[Any], rank: int) -> dict[Any, Any]:
    """A sequence is a list of axes when it holds ints only, else one entry a dimension."""
    if all(isinstance(entry, int) and not isinstance(entry, bool) for entry in wanted):
        return dict.fromkeys(wanted, True)
    if len(wanted) != rank:
        raise UsageError(
            f"dynamic[{path!r}] has {len(wanted)} entries; {path} has {rank} dimensions",
            hint="give one entry a dimension (None where it is fixed), or a list of axes: [0, 2]",
        )
    return dict(enumerate(wanted))


def _request_of(path: str, axis: int, wanted: Any) -> DimRequest | None:
    """What is wanted of one dimension; None when it is to stay fixed."""
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        return DimRequest()
    if isinstance(wanted, Dim):
        return DimRequest(wanted)
    if isinstance(wanted, str):
        return DimRequest(parse_dim(wanted, f"{path}_d{axis}", numbered=True))
    kind = _hint_kind(wanted)
    if kind == "STATIC":
        return None
    if kind is not None:
        low, high = wanted.min, wanted.max
        dim = None
        if low is not None or high is not None:
            dim = Dim(f"{path}_d{axis}", low or 0, _bound(high))
        return DimRequest(dim, pinnable=kind == "AUTO")
    if _is_export_dim(wanted):
        if not wanted.__name__.isidentifier():
            raise UsageError(
                f"dynamic: axis {axis} of {path} is the computed dimension {wanted.__name__}",
                hint="give it a name of its own; a relation that the model needs is found, "
                "checked and reported",
            )
        return DimRequest(Dim(wanted.__name__, int(wanted.min), _bound(wanted.max)))
    raise UsageError(
        f"dynamic: axis {axis} of {path}: expected a name or a Dim, got {wanted!r}",
        hint='for example {0: "batch"} or {0: fxexport.Dim("batch", 1, 8)}',
    )


def _bound(size: Any) -> int | None:
    """An upper bound; None for torch.export's infinity."""
    return size if isinstance(size, int) and size < sys.maxsize - 1 else None


def _hint_kind(value: Any) -> str | None:
    """AUTO, DYNAMIC or STATIC for one of torch.export's hints, else None."""
    kinds: dict[str, Callable[[], Any]] = {
        "AUTO": lambda: torch.export.Dim.AUTO,
        "DYNAMIC": lambda: torch.export.Dim.DYNAMIC,
        "STATIC": lambda: torch.export.Dim.STATIC,
    }
    for kind, hint in kinds.items():
        example = hint()
        if isinstance(value, type(example)) and value.type == example.type:
            return kind
    return None


def _is_export_dim(value: Any) -> bool:
    """Whether a value is a torch.export.Dim, or computed from one."""
    return isinstance(value, torch.export.Dim) or (
        hasattr(value, "__name__") and hasattr(value, "root") and hasattr(value, "fn")
    )
