"""A `torch.export.ExportedProgram` as a model with its inputs and dynamic dimensions."""

from __future__ import annotations

import inspect
from typing import Any

import sympy
import torch

from fxexport._torch_compat import program_module, tree_flatten, tree_unflatten
from fxexport.errors import UsageError
from fxexport.inputs.dims import Dim

__all__ = ["take_apart_program"]


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


def _given(inputs: Any) -> bool:
    return not (isinstance(inputs, (tuple, list, dict)) and not inputs)


def _requests(program: torch.export.ExportedProgram, own: Any) -> list[Any]:
    """For each argument, in order, which of its dimensions may vary and how far."""
    values = {
        node.name: node.meta.get("val") for node in program.graph.find_nodes(op="placeholder")
    }
    leaves, spec = tree_flatten(own)
    specs = program.graph_signature.input_specs
    users = [s.arg for s in specs if s.kind == torch.export.graph_signature.InputKind.USER_INPUT]
    names: dict[Any, str] = {}
    wanted = [
        _dimensions(program, arg.name, values.get(arg.name), names)
        if isinstance(leaf, torch.Tensor)
        else None
        for arg, leaf in zip(users, leaves, strict=True)
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
