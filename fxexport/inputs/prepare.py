"""The user's call as the inputs of a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from fxexport.containers import fresh
from fxexport.errors import UsageError
from fxexport.graph.complex_values import as_complex, as_real
from fxexport.graph.signature import DimRange, InputSpec
from fxexport.inputs.binding import CallBinder, normalise_call
from fxexport.inputs.checking import check_complex, check_value, equal_constants
from fxexport.inputs.dimension_names import choose_sizes, name_dimensions
from fxexport.inputs.dynamic import DynamicRequests, InputTree, read_dynamic
from fxexport.inputs.flatten import Leaf, Node, leaves_of, map_leaves, matching_leaves, take_apart
from fxexport.inputs.lists import TensorList, as_sequences, item_sizes
from fxexport.inputs.profile_ranges import add_profiles, with_names
from fxexport.inputs.specs import TensorSpec, check_tensor, is_fake
from fxexport.inputs.stored import StoredInputs
from fxexport.profiles import Profile

__all__ = ["PreparedInputs", "prepare_inputs"]

ScalarKind = Literal["int", "float", "bool"]

_SCALARS: dict[type, tuple[ScalarKind, torch.dtype]] = {
    bool: ("bool", torch.bool),
    int: ("int", torch.int64),
    float: ("float", torch.float64),
}


@dataclass
class PreparedInputs:
    """The inputs of a file, and how a call is turned into them and back.

    Attributes:
        specs: the file's inputs in order; dynamic dimensions are DimRanges.
        examples: for each, a tensor or a Python scalar; None where only its shape is known.
        hints: for each, a concrete valid size for every dimension.
        auto: whether every dimension is tried (``dynamic=True``).
        constants: Python values that become part of the file, by name.
        sequences: names of lists that are to be sequences and are no arguments: outputs then.
        pinnable: names of the dimensions that were only asked to be tried; capture may hold
            them at the example's size. All others were declared, and must stay dynamic.
        profiled: names of the dimensions whose range is that of the profiles.
        opts: the opt sizes that were given with dimensions, by name.
        profiles: the user's, under the names of the file's inputs.
    """

    specs: list[InputSpec]
    examples: list[Any | None]
    hints: list[tuple[int, ...]]
    auto: bool
    constants: list[tuple[str, Any]]
    pinnable: frozenset[str] = frozenset()
    profiled: frozenset[str] = frozenset()
    opts: dict[str, int] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    sequences: frozenset[str] = frozenset()
    _binder: CallBinder = field(repr=False, default=None)  # type: ignore[assignment]
    _roots: dict[str, Node] = field(repr=False, default_factory=dict)
    _positional: tuple[str, ...] = ()
    _file_leaves: list[Leaf] = field(repr=False, default_factory=list)
    _state: list[Any] = field(repr=False, default_factory=list)

    def settle(self, specs: Sequence[InputSpec], state: Sequence[Any]) -> None:
        """Takes what capture has found: pinned dimensions, and state that is an input as well.

        Args:
            specs: all inputs of the file; those that hold state come last.
            state: what the model held at export, a value for each of these.
        """
        self.specs[:] = specs
        self._state = list(state)
        self.examples.extend(state)
        self.hints.extend(
            tuple(value.shape) if isinstance(value, torch.Tensor) else () for value in state
        )

    def write_as_real(self, specs: Sequence[InputSpec]) -> None:
        """Takes what complex inputs have become: real ones with a last dimension of 2."""
        self.specs[:] = specs
        self.examples[:] = map(as_real, self.examples)
        self._state[:] = map(as_real, self._state)
        self.hints[:] = [
            (*hint, 2) if spec.is_complex and spec.kind == "tensor" else hint
            for spec, hint in zip(specs, self.hints, strict=True)
        ]

    def example_sizes(self) -> dict[str, int]:
        """The size of each dynamic dimension in the example, or the one made up for it."""
        return {
            dim.name: size
            for spec, hint in zip(self.specs, self.hints, strict=True)
            for dim, size in zip(spec.shape, hint, strict=True)
            if isinstance(dim, DimRange)
        }

    def rebuild(self, flat_values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call that flat file inputs stand for, containers and constants put back.

        Args:
            flat_values: one value an input, in the order of `specs`; state is left out.

        Returns:
            Positional and keyword arguments, given as the user gave them.
        """
        if len(flat_values) != len(self.specs):
            raise UsageError(f"expected {len(self.specs)} inputs, got {len(flat_values)}")
        own = [
            as_complex(value) if spec.is_complex else value
            for spec, value in zip(self.specs, flat_values[: len(self._file_leaves)], strict=False)
        ]
        by_leaf = dict(zip(self._file_leaves, own, strict=True))
        values = {
            name: map_leaves(
                root, lambda leaf: by_leaf[leaf] if leaf in by_leaf else fresh(leaf.value)
            )
            for name, root in self._roots.items()
        }
        args = tuple(values[name] for name in self._positional)
        kwargs = {name: values[name] for name in values if name not in self._positional}
        return args, kwargs

    def flatten(self, args: Any, kwargs: Mapping[str, Any] | None = None) -> list[Any]:
        """The file inputs of another call.

        Args:
            args: positional arguments; or a dict by name, or one tensor, as for an export; or what
                a file holds.
            kwargs: keyword arguments.

        Raises:
            UsageError: for another structure, dtype, rank, fixed size or constant than at export,
                and for sizes outside the declared ranges.
        """
        if isinstance(args, StoredInputs):
            return self._flatten_stored(args)
        args, keywords = normalise_call(args, kwargs)
        given = self._binder.bind(args, keywords).values
        self._check_names(given)
        by_leaf: dict[Leaf, Any] = {}
        for name, root in self._roots.items():
            if name in given:
                by_leaf.update(matching_leaves(root, given[name]))
        sizes: dict[str, int] = {}
        flat = []
        for spec, leaf in zip(self.specs, self._file_leaves, strict=False):
            flat.append(_checked(spec, by_leaf.pop(leaf), sizes))
        for leaf, value in by_leaf.items():
            if not equal_constants(leaf.value, value):
                raise UsageError(
                    f"{leaf.path} was {leaf.value!r} when the model was exported, and that is "
                    f"part of the file; got {value!r}",
                    hint="export again with the new value"
                    + (
                        f', or make it an input with dynamic={{"{leaf.path}": True}}'
                        if isinstance(leaf.value, (int, float))
                        else ""
                    ),
                )
        return [*flat, *self._state]

    def _flatten_stored(self, stored: StoredInputs) -> list[Any]:
        """By the names of the file's inputs, or of the call's arguments."""
        own = self.specs[: len(self._file_leaves)]
        if stored.named is None:
            return self.flatten(stored.call)
        names = {spec.name for spec in own}
        if not names & stored.named.keys() and stored.named.keys() <= self._roots.keys():
            return self.flatten(dict(stored.named))
        sizes: dict[str, int] = {}
        values = zip(own, stored.in_order(own), strict=True)
        return [*(_checked(spec, value, sizes) for spec, value in values), *self._state]

    def _check_names(self, given: Mapping[str, Any]) -> None:
        """Constants may be left out; arguments may be added where the default says the same."""
        empty = inspect.Parameter.empty
        for name, root in self._roots.items():
            if name not in given and any(leaf in self._file_leaves for leaf in leaves_of(root)):
                raise UsageError(f"the input {name!r} is missing; it was given at export")
        for name, value in given.items():
            default = self._binder.default(name)
            if name not in self._roots and (
                default is empty or not equal_constants(default, value)
            ):
                raise UsageError(
                    f"{name!r} was not given when the model was exported",
                    hint="export again with it",
                )


def _checked(spec: InputSpec, value: Any, sizes: dict[str, int]) -> Any:
    """A value as an input of the file takes it."""
    check_complex(spec, value)
    return check_value(spec, as_real(value) if spec.is_complex else value, sizes)


def prepare_inputs(
    call: Callable[..., Any],
    inputs: Any,
    kwargs: Mapping[str, Any] | None,
    dynamic: Any,
    input_names: Sequence[str] | None = None,
    profiles: Sequence[Profile] = (),
    sequences: Iterable[str] = (),
) -> PreparedInputs:
    """Turns a user's call into a flat list of file inputs.

    Args:
        call: the model's forward (bound), or the function.
        inputs: a tuple of arguments, a dict of them by name, or a single tensor. Tensors may be
            real, meta or fake, NumPy arrays or `TensorSpec`s.
        kwargs: further arguments by name.
        dynamic: which dimensions and scalars are dynamic, in any of the forms of `export`.
        input_names: names for the file's inputs in their order; missing ones keep the
            parameter's name.
        profiles: what they let vary becomes dynamic, in their range.
        sequences: names of lists that are one input each, of any length; what is no argument is
            kept in the result's `sequences`, for the outputs.

    Raises:
        UsageError: when the arguments do not fit the call, or cannot be inputs of a file; when
            a profile does not fit the arguments.
    """
    args, keywords = normalise_call(inputs, kwargs)
    binder = CallBinder(call)
    bound = binder.bind(args, keywords)
    roots, others = as_sequences(
        {name: take_apart(name, value) for name, value in bound.values.items()}, sequences
    )
    leaves = [leaf for root in roots.values() for leaf in leaves_of(root)]
    for leaf in leaves:
        _check_leaf(leaf)
    unique = _unique_names(leaves)
    tensors = [leaf for leaf in leaves if isinstance(leaf.value, (torch.Tensor, TensorSpec))]
    aliases = _wanted_names(input_names, leaves, dynamic)
    names = {**aliases, **{unique[leaf]: leaf for leaf in leaves}}
    requests = read_dynamic(dynamic, InputTree(roots, bound.positional, binder.variadic, names))
    profiles = add_profiles(requests, profiles, names)
    file_leaves = [
        leaf
        for leaf in leaves
        if leaf in requests.scalars or leaf in tensors or isinstance(leaf.value, TensorList)
    ]
    final = _file_names([unique[leaf] for leaf in file_leaves], input_names)
    file_names = dict(zip(file_leaves, final, strict=True))
    prepared = _prepared(binder, roots, bound.positional, file_names, requests, dynamic is True)
    prepared.sequences = frozenset(others)
    prepared.profiles = with_names(
        profiles, {name: file_names[leaf] for name, leaf in names.items() if leaf in file_names}
    )
    return prepared


def _wanted_names(
    input_names: Sequence[str] | None, leaves: Sequence[Leaf], dynamic: Any
) -> dict[str, Leaf]:
    """The leaves by the names that the user wants for the file's inputs.

    Which numbers become inputs is known only when `dynamic` and profiles have been read, which may
    use these names: all of them where as many names are given as there could be inputs.
    """
    wanted = input_names or ()
    tensors = [x for x in leaves if isinstance(x.value, (torch.Tensor, TensorSpec, TensorList))]
    possible = [leaf for leaf in leaves if leaf in tensors or type(leaf.value) in _SCALARS]
    numbers_too = dynamic is True or len(wanted) == len(possible)
    return dict(zip(wanted, possible if numbers_too else tensors, strict=False))


def _prepared(
    binder: CallBinder,
    roots: dict[str, Node],
    positional: tuple[str, ...],
    file_names: dict[Leaf, str],
    requests: DynamicRequests,
    auto: bool,
) -> PreparedInputs:
    """Puts everything together once it is known which leaves are inputs."""
    items = {
        leaf: item_sizes(leaf.value, requests.dims.pop(leaf, {}))
        for leaf in file_names
        if isinstance(leaf.value, TensorList)
    }
    named = name_dimensions(
        {name: leaf.value for leaf, name in file_names.items()},
        {file_names[leaf]: dims for leaf, dims in requests.dims.items()},
    )
    hints = choose_sizes({name: leaf.value for leaf, name in file_names.items()}, named.shapes)
    specs: list[InputSpec] = []
    examples: list[Any | None] = []
    for leaf, name in file_names.items():
        value = leaf.value
        if isinstance(value, (torch.Tensor, TensorSpec)):
            specs.append(InputSpec(name, "tensor", value.dtype, named.shapes[name]))
            no_data = isinstance(value, TensorSpec) or is_fake(value)
            examples.append(None if no_data else value)
        elif isinstance(value, TensorList):
            specs.append(InputSpec(name, "sequence", value.dtype, items=items[leaf]))
            examples.append(list(value.items))
        else:
            kind, dtype = _SCALARS[type(value)]
            specs.append(InputSpec(name, kind, dtype, values=requests.values.get(leaf)))
            examples.append(value)
    leaves = [leaf for root in roots.values() for leaf in leaves_of(root)]
    return PreparedInputs(
        specs=specs,
        examples=examples,
        hints=[hints[name] for name in file_names.values()],
        auto=auto,
        constants=[(leaf.path, leaf.value) for leaf in leaves if leaf not in file_names],
        pinnable=named.pinnable,
        profiled=named.profiled,
        opts=named.opts,
        _binder=binder,
        _roots=roots,
        _positional=positional,
        _file_leaves=list(file_names),
    )


def _check_leaf(leaf: Leaf) -> None:
    """Refuses tensors that ONNX does not know."""
    value = leaf.value
    if isinstance(value, TensorList):
        return  # checked when it was made
    if isinstance(value, (torch.Tensor, TensorSpec)):
        check_tensor(leaf.path, value)


def _unique_names(leaves: Sequence[Leaf]) -> dict[Leaf, str]:
    """The leaves' paths, told apart where two are spelt the same."""
    taken: set[str] = set()
    names: dict[Leaf, str] = {}
    for leaf in leaves:
        name, count = leaf.path, 0
        while name in taken:
            count += 1
            name = f"{leaf.path}_{count}"
        taken.add(name)
        names[leaf] = name
    return names


def _file_names(defaults: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The names in the file: the user's first, then the defaults."""
    if wanted is None:
        return list(defaults)
    if isinstance(wanted, str) or not all(isinstance(name, str) and name for name in wanted):
        raise UsageError(f"input_names must be a list of names, got {wanted!r}")
    if len(wanted) > len(defaults):
        raise UsageError(
            f"input_names has {len(wanted)} names; the file has {len(defaults)} inputs "
            f"({', '.join(defaults) or 'none'})",
            hint="Python values that are not dynamic are constants, not inputs",
        )
    names = [*wanted, *defaults[len(wanted) :]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two inputs would be called {twice[0]!r}; names must be unique")
    return names
