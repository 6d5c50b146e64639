"""A `torch.export.ExportedProgram` as a model with its inputs and dynamic dimensions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import sympy
import torch

from fxexport._torch_compat import program_module, tree_flatten, tree_unflatten
from fxexport.errors import UsageError
from fxexport.graph.signature import DimRange, InputSpec
from fxexport.profiles.dims import Dim

__all__ = ["check_program_sizes", "take_apart_program"]


def take_apart_program(
    program: torch.export.ExportedProgram, inputs: Any, kwargs: Any, dynamic: Any
) -> tuple[torch.nn.Module, Any, Any, Any]:
    """The program's module, its inputs and its dynamic dimensions, for an ordinary export.

    Args:
        program: what torch.export gave.
        inputs: example inputs of the user's; where there are none, the program's own are taken.
        kwargs: the user's, as `inputs`.
        dynamic: what the user asked for; the program has fixed that already.

    Returns:
        module, inputs, kwargs and `dynamic` as `fxexport.export` takes them.

    Raises:
        UsageError: `dynamic` was given, or there are no inputs.
    """
    if dynamic is not False:
        raise UsageError(
            "an ExportedProgram has its dynamic sizes already, so `dynamic` must be left out",
            hint="give dynamic_shapes to torch.export.export",
        )
    own = program.example_inputs
    if own is None and not _given(inputs) and not kwargs:
        raise UsageError(
            "this ExportedProgram has no example inputs", hint="give inputs to fxexport.export"
        )
    module = program_module(program)
    if own is None:
        return module, inputs, kwargs, False
    names = inspect.signature(module.forward).bind(*own[0], **own[1]).arguments
    requests = _requests(program, own)
    if not _given(inputs) and not kwargs:
        inputs, kwargs = own
    return module, inputs, kwargs, {name: requests[k] for k, name in enumerate(names)}


def check_program_sizes(program: Any, specs: Sequence[InputSpec]) -> None:
    """Refuses inputs that an ExportedProgram was not made for; its graph counts on what it has.

    Args:
        program: the model of an export; nothing is checked for one of another kind.
        specs: the inputs of the file.

    Raises:
        UsageError: another dtype, rank or fixed size, or a dynamic size where it has a fixed one.
    """
    if not isinstance(program, torch.export.ExportedProgram):
        return
    values = [value for _, value in _users(program) if isinstance(value, torch.Tensor)]
    tensors = [spec for spec in specs if spec.kind == "tensor"]
    for spec, value in zip(tensors, values, strict=True):
        if spec.dtype != value.dtype or len(spec.shape) != value.dim():
            raise UsageError(
                f"{spec.name!r} is {value.dtype} of {value.dim()} dimensions in the "
                f"ExportedProgram, got {spec.dtype} of {len(spec.shape)}"
            )
        for k, (dim, size) in enumerate(zip(spec.shape, value.shape, strict=True)):
            if isinstance(size, torch.SymInt) or dim == size:
                continue
            got = "dynamic" if isinstance(dim, DimRange) else str(dim)
            raise UsageError(
                f"dimension {k} of {spec.name!r} is {size} in the ExportedProgram and cannot be "
                f"{got}",
                hint="give dynamic_shapes to torch.export.export",
            )


def _users(program: torch.export.ExportedProgram) -> list[tuple[str, Any]]:
    """The names of the program's inputs that a caller gives, and what stands for them in it."""
    values = {
        node.name: node.meta.get("val") for node in program.graph.find_nodes(op="placeholder")
    }
    specs = program.graph_signature.input_specs
    kind = torch.export.graph_signature.InputKind.USER_INPUT
    return [(s.arg.name, values.get(s.arg.name)) for s in specs if s.kind == kind]


def _given(inputs: Any) -> bool:
    return not (isinstance(inputs, (tuple, list, dict)) and not inputs)


def _requests(program: torch.export.ExportedProgram, own: Any) -> list[Any]:
    """For each argument, in order, which of its dimensions may vary and how far."""
    leaves, spec = tree_flatten(own)
    names: dict[Any, str] = {}
    wanted = [
        _dimensions(program, name, value, names) if isinstance(leaf, torch.Tensor) else None
        for (name, value), leaf in zip(_users(program), leaves, strict=True)
    ]
    args, kwargs = tree_unflatten(wanted, spec)
    return [*args, *kwargs.values()]


def _dimensions(
    program: torch.export.ExportedProgram, name: str, value: Any, names: dict[Any, str]
) -> dict[int, Any]:
    """The dimensions of one input that vary; `names` has a name for each symbol met so far."""
    dims: dict[int, Any] = {}
    for k, size in enumerate(value.shape):
        if not isinstance(size, torch.SymInt):
            continue
        expr = size.node.expr
        if isinstance(expr, sympy.Symbol):
            known = program.range_constraints.get(expr)
            low, high = _bound(known, "lower") or 0, _bound(known, "upper")
            if high is not None:
                low = max(low, 1)  # torch.export's lower bound says nothing about empty inputs
            dims[k] = Dim(names.setdefault(expr, f"{name}_d{k}"), low, high)
        elif not expr.is_number:
            dims[k] = torch.export.Dim.DYNAMIC  # computed from others: capture finds out how
    return dims


def _bound(known: Any, side: str) -> int | None:
    value = getattr(known, side, None)
    return int(value) if isinstance(value, (int, sympy.Integer)) else None
