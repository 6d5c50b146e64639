"""What profiles make dynamic in an export, and what its file keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from fxexport.errors import UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.complex_values import in_the_file
from fxexport.graph.signature import Constraint, DimRange, InputSpec
from fxexport.inputs.dynamic import DimRequest, DynamicRequests
from fxexport.inputs.flatten import Leaf
from fxexport.inputs.specs import TensorSpec, dtype_name
from fxexport.profiles import (
    Bounds,
    Dim,
    FileInput,
    Profile,
    Relation,
    StoredProfiles,
    derived_profile,
    resolve,
)
from fxexport.profiles.checking import input_named, shape_misfit, takes_values

# How the names of inputs that hold state begin.
_STATE = "state."

__all__ = ["add_profiles", "file_inputs", "settle_profiles", "with_names"]


def add_profiles(
    requests: DynamicRequests, profiles: Sequence[Profile], names: Mapping[str, Leaf]
) -> list[Profile]:
    """Makes dynamic what profiles let vary, in the range that all of them together need.

    Args:
        requests: what is dynamic already; added to.
        profiles: as the user gave them.
        names: the arguments' leaves by the names that a user may call them.

    Returns:
        The profiles, with contents of integer inputs told from shapes; without what they say of
        Python numbers that stay constants.

    Raises:
        UsageError: an unknown name, another rank, a static size or a value that disagrees.
    """
    adder = _Adder(requests, names)
    sorted_out = [
        adder.told_apart(profile, f"profile {k}" if len(profiles) > 1 else "the profile")
        for k, profile in enumerate(profiles)
    ]
    for name in dict.fromkeys(name for profile in sorted_out for name in profile.shapes):
        if adder.is_state(name):
            continue
        adder.add_shape(name, [p.shapes[name] for p in sorted_out if name in p.shapes])
    dropped = set()
    for name in dict.fromkeys(name for profile in sorted_out for name in profile.values):
        if not adder.add_values(name, [p.values[name] for p in sorted_out if name in p.values]):
            dropped.add(name)
    left = [
        Profile(p.shapes, {name: b for name, b in p.values.items() if name not in dropped})
        for p in sorted_out
    ]
    # One that spoke of nothing but constants has nothing left to say.
    return [p for p, before in zip(left, sorted_out, strict=True) if p == before or _says(p)]


def _says(profile: Profile) -> bool:
    return bool(profile.shapes or profile.values)


class _Adder:
    """Adds what profiles ask for to the requests."""

    def __init__(self, requests: DynamicRequests, names: Mapping[str, Leaf]) -> None:
        self._requests = requests
        self._names = names
        self._inputs = [_described(name, leaf, requests) for name, leaf in names.items()]

    def told_apart(self, profile: Profile, label: str) -> Profile:
        """The profile with shapes and contents where they belong."""
        shapes: dict[str, Bounds] = {}
        values = dict(profile.values)
        for name, bounds in (*profile.shapes.items(), *profile.values.items()):
            if not self.is_state(name):
                target = input_named(name, self._inputs, bounds, label)
            elif name not in values:
                shapes[name] = bounds
            if self.is_state(name) or name in values:
                continue
            # One number for a row of length one is a length: rows get longer.
            is_row = target.shape == (1,)
            (values if takes_values(target, bounds) and not is_row else shapes)[name] = bounds
        return Profile(shapes, values)

    def is_state(self, name: str) -> bool:
        """Whether a name can only be that of state, of which nothing is known before capture."""
        return name.startswith(_STATE) and name not in self._names

    def add_shape(self, name: str, all_bounds: Sequence[Bounds]) -> None:
        """Takes over what all profiles say of one tensor."""
        leaf = self._names[name]
        value = leaf.value
        if not isinstance(value, (torch.Tensor, TensorSpec)):
            kind = type(value).__name__
            raise UsageError(
                f"input {name!r} is a Python {kind}, which has no shape{all_bounds[0].quote()}"
            )
        _, sizes = in_the_file(value.dtype, tuple(value.shape))
        for bounds in all_bounds:
            if len(bounds.min) != len(sizes) or min(bounds.min, default=0) < 0:
                target = _described(name, leaf, self._requests)
                _refuse(name, shape_misfit(target, bounds), bounds)
        dims = self._requests.dims.setdefault(leaf, {})
        for axis in range(len(value.shape)):  # without the parts of complex numbers
            low = min(bounds.min[axis] for bounds in all_bounds)
            high = max(bounds.max[axis] for bounds in all_bounds)
            request = _request(name, axis, dims.pop(axis, None), low, high)
            if request is not None:
                dims[axis] = request
        target = _described(name, leaf, self._requests)
        for bounds in all_bounds:
            misfit = shape_misfit(target, bounds)
            if misfit:
                _refuse(name, misfit, bounds)

    def add_values(self, name: str, all_bounds: Sequence[Bounds]) -> bool:
        """Takes over the values of an integer input; False where it is and stays a constant."""
        leaf = self._names[name]
        value = leaf.value
        if isinstance(value, (torch.Tensor, TensorSpec)):
            return True  # whether they fit is checked when the file's inputs are known
        bounds = all_bounds[0]
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(name, f"values are for integers, it is a {type(value).__name__}", bounds)
        if any(len(one.min) != 1 for one in all_bounds):
            _refuse(name, f"one value is expected, got {bounds.describe()}", bounds)
        low = min(one.min[0] for one in all_bounds)
        high = max(one.max[0] for one in all_bounds)
        if not low <= value <= high:
            _refuse(name, f"the example has {value}, which is not in {low}..{high}", bounds)
        if low == high and leaf not in self._requests.scalars:
            return False
        self._requests.scalars.add(leaf)
        self._requests.values[leaf] = (low, high)
        return True


def _request(
    name: str, axis: int, before: DimRequest | None, low: int, high: int
) -> DimRequest | None:
    """What is asked of a dimension once profiles let it go from `low` to `high`; None: fixed."""
    if before is None or before.dim is None:
        if low == high:
            return None
        return DimRequest(Dim(f"{name}_d{axis}".replace(".", "_"), low, high), profiled=True)
    dim = before.dim
    if low == high or dim.max is not None:
        return DimRequest(dim)
    return DimRequest(Dim(dim.name, dim.min or low, high, dim.opt), profiled=True)


def _refuse(name: str, problem: str, bounds: Bounds) -> None:
    raise UsageError(f"input {name!r}: {problem}{bounds.quote()}")


def _described(name: str, leaf: Leaf, requests: DynamicRequests) -> FileInput:
    """A leaf as a profile sees it."""
    value = leaf.value
    if not isinstance(value, (torch.Tensor, TensorSpec)):
        integer = isinstance(value, int) and not isinstance(value, bool)
        return FileInput(name, (), "int64" if integer else type(value).__name__)
    dims = requests.dims.get(leaf, {})
    shape: list[int | Dim] = []
    for axis, size in enumerate(value.shape):
        request = dims.get(axis)
        if request is not None:
            shape.append(request.dim or Dim(f"{name}_d{axis}"))
        else:
            shape.append(size if isinstance(size, (int, Dim)) else Dim(str(size)))
    dtype, dimensions = in_the_file(value.dtype, shape)
    return FileInput(name, dimensions, dtype_name(dtype))


def with_names(profiles: Sequence[Profile], file_names: Mapping[str, str]) -> list[Profile]:
    """Profiles under the names that the inputs have in the file."""
    return [
        Profile(
            {file_names.get(name, name): bounds for name, bounds in profile.shapes.items()},
            {file_names[name]: bounds for name, bounds in profile.values.items()},
        )
        for profile in profiles
    ]


def settle_profiles(
    profiles: Sequence[Profile],
    graph: CapturedGraph,
    examples: Mapping[str, int],
    opts: Mapping[str, int],
) -> StoredProfiles:
    """What the file keeps: the profiles, held against what capture found.

    Args:
        profiles: the user's; without any, one is derived where all dimensions have ranges.
        graph: the captured graph.
        examples: the example's sizes by dimension.
        opts: the opt sizes that were given with dimensions.

    Raises:
        UsageError: a profile does not fit the inputs, or breaks a relation that the model needs.
    """
    inputs = file_inputs(graph.inputs, opts)
    wanted = {**examples, **opts}
    settled = resolve(profiles, inputs, graph.constraints, wanted)
    if not profiles:
        derived = derived_profile(inputs, graph.constraints, wanted)
        settled = [] if derived is None else [derived]
    relations = [
        Relation(one.text, one.expression, one.names, _line_of(one)) for one in graph.constraints
    ]
    return StoredProfiles(settled, inputs, relations)


def _line_of(constraint: Constraint) -> str:
    return "" if constraint.location is None else constraint.location.without_folder


def file_inputs(specs: Sequence[InputSpec], opts: Mapping[str, int]) -> list[FileInput]:
    """The inputs of a graph as profiles see them.

    Args:
        specs: the graph's inputs.
        opts: opt sizes that were given, by dimension.
    """
    # No profile says how long a list is.
    return [_file_input(spec, opts) for spec in specs if spec.kind != "sequence"]


def _file_input(spec: InputSpec, opts: Mapping[str, int]) -> FileInput:
    dims = [
        Dim(dim.name, dim.min, dim.max, opts.get(dim.name)) if isinstance(dim, DimRange) else dim
        for dim in spec.shape
    ]
    dtype, shape = in_the_file(spec.dtype, dims)
    return FileInput(spec.name, shape, dtype_name(dtype), spec.values)
