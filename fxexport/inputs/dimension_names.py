"""Names and example sizes of dynamic dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.graph.signature import DimRange
from fxexport.inputs.dynamic import DimRequest
from fxexport.inputs.specs import TensorSpec
from fxexport.profiles.dims import Dim

__all__ = ["NamedShapes", "choose_sizes", "name_dimensions"]

Shape = tuple[int | DimRange, ...]

# Image-like axes: large enough for a stack of strided convolutions, and divisible as they like.
_SPATIAL_SIZES = (64, 96, 128, 160, 192, 224, 256, 320)
_OTHER_SIZES = (4, 6, 8, 10, 12, 14, 18, 20, 22, 24)


@dataclass(frozen=True)
class NamedShapes:
    """Shapes by input name, and what is known of their dynamic dimensions.

    Attributes:
        shapes: an int for a static dimension, a DimRange for a dynamic one.
        pinnable: names of the dimensions that were only asked to be tried.
        profiled: names of the dimensions whose range the profiles gave.
        opts: the opt sizes that were given, by dimension.
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    pinnable: frozenset[str] = frozenset()
    profiled: frozenset[str] = frozenset()
    opts: dict[str, int] = field(default_factory=dict)


def name_dimensions(
    values: Mapping[str, Any], requests: Mapping[str, Mapping[int, DimRequest]]
) -> NamedShapes:
    """The shape of every input, with a DimRange for each dynamic dimension.

    A dimension whose range is one size is static.

    Args:
        values: tensors, specs and scalars by input name.
        requests: what is dynamic, by input name and axis.

    Raises:
        UsageError: when one name has ranges without a size in common, or a range of one size that
            an example has not.
    """
    dims: dict[str, dict[int, Dim]] = {}
    taken = {r.dim.name for axes in requests.values() for r in axes.values() if r.dim is not None}
    pinnable: set[str] = set()
    declared: set[str] = set()
    profiled: set[str] = set()
    for name, axes in requests.items():
        for axis, request in axes.items():
            dim = request.dim or Dim(_fresh(f"{name}_d{axis}", taken))
            taken.add(dim.name)
            dims.setdefault(name, {})[axis] = dim
            (pinnable if request.pinnable else declared).add(dim.name)
            if request.profiled:
                profiled.add(dim.name)
    common = _common_dims(dim for axes in dims.values() for dim in axes.values())
    ranges = {name: DimRange(name, dim.min, dim.max) for name, dim in common.items()}
    shapes = {
        name: tuple(
            size
            if isinstance(size, int) and axis not in dims.get(name, {})
            else _one_size(ranges[dims[name][axis].name], size, f"axis {axis} of {name}")
            for axis, size in enumerate(value.shape)
        )
        for name, value in values.items()
        if isinstance(value, (torch.Tensor, TensorSpec))
    }
    return NamedShapes(
        shapes,
        frozenset(pinnable - declared),
        frozenset(profiled),
        {name: dim.opt for name, dim in common.items() if dim.opt is not None},
    )


def choose_sizes(
    values: Mapping[str, Any], shapes: Mapping[str, Shape]
) -> dict[str, tuple[int, ...]]:
    """A concrete size for every dimension: the example's where there is one.

    Made-up sizes differ from each other and from all others, so that a graph made with them
    cannot take two dimensions for equal by accident.

    Raises:
        UsageError: when examples contradict the ranges, or each other under one name.
    """
    known: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        for axis, (wanted, size) in enumerate(zip(shape, values[name].shape, strict=True)):
            if isinstance(wanted, DimRange) and isinstance(size, int):
                _learn(known, wanted, size, f"axis {axis} of {name}")
    sizes = {name: size for name, (size, _) in known.items()}
    used = set(sizes.values())
    used |= {size for shape in shapes.values() for size in shape if isinstance(size, int)}
    for shape in shapes.values():
        for axis, wanted in enumerate(shape):
            if isinstance(wanted, DimRange) and wanted.name not in sizes:
                spatial = len(shape) >= 4 and axis >= 2
                size = _made_up_size(wanted, used, _SPATIAL_SIZES if spatial else _OTHER_SIZES)
                sizes[wanted.name] = size
                used.add(size)
    return {
        name: tuple(
            sizes[size.name] if isinstance(size, DimRange) else size
            for size in shapes.get(name, ())
        )
        for name in values
    }


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _common_dims(dims: Iterable[Dim]) -> dict[str, Dim]:
    """One dimension a name: what all its mentions allow."""
    common: dict[str, Dim] = {}
    for dim in dims:
        common[dim.name] = common.get(dim.name, dim).meet(dim)
    return common


def _one_size(wanted: DimRange, size: Any, where: str) -> int | DimRange:
    """A range, or its only size, which the example has to have."""
    if wanted.min != wanted.max:
        return wanted
    if isinstance(size, int):
        _check_in_range(wanted, size, where)
    return wanted.min


def _check_in_range(wanted: DimRange, size: int, where: str) -> None:
    if size < wanted.min or (wanted.max is not None and size > wanted.max):
        upper = "" if wanted.max is None else wanted.max
        raise UsageError(
            f"{where} ({wanted.name}) is declared as {wanted.min}..{upper}, "
            f"and the example has size {size}",
            hint="give an example of a size within that range, or a range with it",
        )


def _learn(known: dict[str, tuple[int, str]], wanted: DimRange, size: int, where: str) -> None:
    """Takes over the example's size of one dimension."""
    _check_in_range(wanted, size, where)
    before, first = known.setdefault(wanted.name, (size, where))
    if before != size:
        raise UsageError(
            f"{first} and {where} are both called {wanted.name!r}, "
            f"but the example has sizes {before} and {size}",
            hint="one name means one size; use two names, or examples that agree",
        )


def _made_up_size(wanted: DimRange, used: set[int], preferred: Iterable[int]) -> int:
    """An unused size in the range, a preferred one where possible, else what the range has."""
    candidates = [
        size
        for size in _candidates(wanted, preferred)
        if size >= wanted.min and (wanted.max is None or size <= wanted.max)
    ]
    for size in candidates:
        if size >= 2 and size not in used:
            return size
    return max(candidates[-1], 2) if wanted.max is None or wanted.max >= 2 else wanted.max


def _candidates(wanted: DimRange, preferred: Iterable[int]) -> Iterator[int]:
    yield from preferred
    for step in range(64):
        yield wanted.min + step
