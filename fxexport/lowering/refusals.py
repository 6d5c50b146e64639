"""Going on after an operator that has no ONNX form, so that one run names all of them."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Final

import torch
from torch import fx

from fxexport.errors import FxExportError, MissingLoweringError
from fxexport.graph.captured import bodies_of, source_of
from fxexport.graph.contracts import sizes_fit
from fxexport.graph.fourier import FOURIER_FUNCTIONS
from fxexport.graph.ops import branch, guard, loop
from fxexport.graph.scalars import SCALAR_FUNCTIONS
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS
from fxexport.graph.texts import TEXT_FUNCTIONS
from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.registry import is_lowerable, operator_name
from fxexport.source.location import SourceLocation

__all__ = ["REFUSED", "DependsOnRefused", "Refusals", "missing_lowering"]

REFUSED: Final = object()
"""Stands for the result of a node that was refused, or that uses such a result."""


class DependsOnRefused(Exception):
    """A body gives a refused result; it ends the node that the body belongs to."""


class Refusals:
    """All that is refused in one graph: the operators without a form, then what else is met."""

    def __init__(self, module: fx.GraphModule) -> None:
        self._errors: list[FxExportError] = []
        self._seen: set[tuple[str, SourceLocation | None]] = set()
        for error in _missing(module):
            self._keep(error)

    def add(self, error: FxExportError, node: fx.Node) -> None:
        """Keeps what the lowering of a node raised."""
        if error.location is None:
            error.location = source_of(node)
        self._keep(error)

    def raise_all(self) -> None:
        """Raises the first refusal with the rest in its `others`; nothing if there is none."""
        if self._errors:
            first, *rest = self._errors
            first.others = tuple(rest)
            raise first

    def _keep(self, error: FxExportError) -> None:
        # A loop that is written out meets one line many times.
        what = error.operator if isinstance(error, MissingLoweringError) else error.message
        key = (what, error.location)
        if key not in self._seen:
            self._seen.add(key)
            self._errors.append(error)


def missing_lowering(node: fx.Node) -> MissingLoweringError:
    """The error for a node whose operator has no ONNX form."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        name = getattr(target, "__name__", str(target))
        return MissingLoweringError(
            f"{name} has no ONNX form", operator=str(target), location=source_of(node)
        )
    name = operator_name(target)
    return MissingLoweringError(
        f"the operator {name} has no ONNX form here yet",
        operator=name,
        location=source_of(node),
        hint=f'add one with fxexport.register_lowering("{name}", lambda op, ...: ...), '
        "or write the line with other operators",
    )


def _missing(module: fx.GraphModule) -> Iterator[MissingLoweringError]:
    """The nodes without a form, bodies included, in the order of the program."""
    for node in module.graph.nodes:
        for body in bodies_of(module, node):
            yield from _missing(body)
        if node.op == "call_function" and not _has_form(node.target):
            yield missing_lowering(node)


def _has_form(target: object) -> bool:
    if isinstance(target, torch._ops.OpOverload):
        return is_lowerable(target)
    return (
        isinstance(target, UserFunction)
        or target in SCALAR_FUNCTIONS
        or target in SEQUENCE_FUNCTIONS
        or target in TEXT_FUNCTIONS
        or target in FOURIER_FUNCTIONS
        or target in (branch, guard, loop, operator.getitem, sizes_fit)
    )
