"""The class of a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fxexport.errors import UsageError
from fxexport.graph import CapturedGraph
from fxexport.graph.library_functions import LibraryFunction
from fxexport.lowering.builder.dialect import PLAIN, Dialect
from fxexport.passes import Pass, contract_guards, value_guards

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["OLDEST_OPSET", "Check", "Target"]

Check = Callable[[CapturedGraph, "ir.Model"], list[str]]
"""Looks at a written model: raises an `FxExportError` for what the runtime would refuse, and
returns what is worth a note."""

OLDEST_OPSET = 18
"""Before, If and Loop lack what the graph needs."""


def _accept(graph: CapturedGraph, model: ir.Model) -> list[str]:
    return []


@dataclass(frozen=True)
class Target:
    """A runtime that files are made for.

    Attributes:
        name: what the user calls it; the name of its folder too.
        passes: the passes that bring a graph into the forms that it takes, in order.
        best_opset: the newest ONNX opset that it takes well.
        guards: the passes that make a graph check its contract, or drop what checks it; they come
            before all others.
        dialect: the forms in which ONNX operators are written for it.
        library_functions: functions of libraries that it wants as one operator, since it does not
            take their own branches.
        takes_max_trips: whether a loop that nothing bounds needs the user's `max_trips`, where a
            list or tensor grows in it.
        keeps_ranges: whether the runtime takes no sizes outside of the dimensions' ranges.
        check: looks at a written model, and refuses what the runtime would refuse.
    """

    name: str
    passes: tuple[Pass, ...]
    best_opset: int
    guards: tuple[Pass, ...] = (value_guards, contract_guards)
    dialect: Dialect = PLAIN
    library_functions: tuple[LibraryFunction, ...] = ()
    takes_max_trips: bool = False
    keeps_ranges: bool = False
    check: Check = _accept

    def checked_opset(self, opset: int | None) -> int:
        """The opset to write; the target's best for None.

        Raises:
            UsageError: it is no whole number, or below 18, where If and Loop lack what the graph
                needs.
        """
        if opset is None:
            return self.best_opset
        if type(opset) is not int or opset < OLDEST_OPSET:
            raise UsageError(f"expected an ONNX opset from {OLDEST_OPSET}, got {opset!r}")
        return opset
