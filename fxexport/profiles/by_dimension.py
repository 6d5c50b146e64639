"""Profiles by dimension, in the syntax of ``--dynamic``: ``batch[1..4..8],height[32..512]``."""

from __future__ import annotations

from collections.abc import Sequence

from fxexport.errors import UsageError
from fxexport.profiles.checking import FileInput
from fxexport.profiles.dims import Dim, parse_dim
from fxexport.profiles.profile import Bounds, Profile

__all__ = ["parse_by_dimension"]

_HINT = "for example batch[1..4..8] (min, opt, max), or x:0=[1..4..8] by input and axis"


def parse_by_dimension(text: str, inputs: Sequence[FileInput]) -> tuple[Profile, dict[str, int]]:
    """Reads ``batch[1..4..8],height[32..512]`` or ``x:0=[1..4..8],2=[32..512]``.

    Dimensions that are left out keep the range that the file was exported for; a fixed size may be
    repeated, as in ``x:1=[3..3]``. An int input is named like a dimension: ``n[1..4..8]`` bounds
    its value.

    Args:
        text: what the user wrote.
        inputs: the file's inputs.

    Returns:
        A profile to be resolved, and the opt sizes that were given.

    Raises:
        UsageError: the text cannot be read, or names what the file has not.
    """
    wanted: dict[str, Dim] = {}
    owner = ""
    for entry in filter(None, (part.strip() for part in text.split(","))):
        named, equals, dim_text = entry.rpartition("=")
        known = ""
        if equals:
            name, colon, axis = named.rpartition(":")
            owner = name if colon else owner
            there = _dimension_at(owner, axis, inputs, text)
            if isinstance(there, int):
                said = _parsed(dim_text, "_", text)
                if not said.min == there == said.max:
                    target = next(one for one in inputs if one.name == owner)
                    raise UsageError(f"{text!r}: axis {int(axis)} of {target.describe()} is fixed")
                continue
            known = there.name
        names = {d.name for one in inputs for d in one.shape if isinstance(d, Dim)}
        plain, bracket, _ = dim_text.strip().partition("[")
        if not known and bracket and plain in names:
            known, dim_text = plain, dim_text.strip()[len(plain) :]  # a name of any characters
        dim = _parsed(dim_text, known, text)
        if dim.max is None:
            raise UsageError(f"{text!r}: {entry!r} has no largest size", hint=_HINT)
        if known and dim.name != known:
            raise UsageError(f"{text!r}: {named} is called {known!r} in the file, not {dim.name!r}")
        if wanted.setdefault(dim.name, dim) != dim:
            raise UsageError(
                f"{text!r}: {dim.name!r} is given two ranges",
                hint="one --set is one profile; repeat --set for the next",
            )
    opts = {name: dim.opt for name, dim in wanted.items() if dim.opt is not None}
    return _profile(text, wanted, inputs), opts


def _dimension_at(name: str, axis: str, inputs: Sequence[FileInput], text: str) -> Dim | int:
    """The dimension on an axis of an input, or its size where that is fixed."""
    target = next((one for one in inputs if one.name == name), None)
    if target is None:
        listed = ", ".join(one.describe() for one in inputs) or "none"
        raise UsageError(
            f"{text!r} names {name!r}, and there is no such input", hint=f"the inputs are {listed}"
        )
    if not axis.strip().isdigit() or int(axis) >= len(target.shape):
        raise UsageError(f"{text!r}: {target.describe()} has no axis {axis.strip()!r}")
    return target.shape[int(axis)]


def _parsed(dim_text: str, known: str, text: str) -> Dim:
    try:
        return parse_dim(dim_text, known)
    except UsageError as error:
        raise UsageError(f"{text!r}: {error.message}", hint=_HINT) from None


def _profile(text: str, wanted: dict[str, Dim], inputs: Sequence[FileInput]) -> Profile:
    """A profile of what is wanted, and of the export's ranges for all else."""
    dims = {d.name: d for target in inputs for d in target.shape if isinstance(d, Dim)}
    numbers = {one.name: one for one in inputs if one.shape in ((), (1,)) and "int" in one.dtype}
    unknown = sorted(set(wanted) - set(dims) - set(numbers))
    if unknown:
        raise UsageError(
            f"{text!r}: the file has no dimension {unknown[0]!r}",
            hint=f"its dynamic dimensions are {', '.join(dims)}"
            if dims
            else "all of its sizes are fixed; export it with --dynamic",
        )
    chosen = {**dims, **wanted}
    open_ended = [dim.name for dim in chosen.values() if dim.max is None]
    if open_ended:
        raise UsageError(f"{text!r} says nothing about {open_ended[0]!r}", hint=_HINT)
    values = {}
    for name, target in numbers.items():
        if name in wanted:
            values[name] = _bounds_of_value(wanted[name], text)
        elif target.values:
            values[name] = Bounds.between([target.values[0]], [target.values[1]], repr(text))
    return Profile(
        {
            target.name: Bounds.between(
                [d if isinstance(d, int) else chosen[d.name].min for d in target.shape],
                [d if isinstance(d, int) else chosen[d.name].max or 0 for d in target.shape],
                repr(text),
            )
            for target in inputs
            if target.dynamic
        },
        values,
    )


def _bounds_of_value(dim: Dim, text: str) -> Bounds:
    high = dim.max or 0
    best = (dim.min + high) // 2 if dim.opt is None else dim.opt
    return Bounds((dim.min,), (best,), (high,), text=repr(text))
