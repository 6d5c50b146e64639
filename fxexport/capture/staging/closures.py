"""Functions that are made inside a path, as values that a branch can merge.

What such a function closes over may be tensors of its path. A variable of a function that was
entered and left inside the path belongs to nobody else, so it can be given the merged value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CellType, FunctionType
from typing import Any

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import Journal, contents_of, filled_cell
from fxexport.capture.values.functions import note_open
from fxexport.capture.values.kinds import Mismatch

__all__ = ["CellPlan", "ClosurePlan", "ClosurePlans"]

_Merge = Callable[[Value, Value], Value]


class CellPlan:
    """A variable to be made when a branch has been merged.

    Attributes:
        parts: what stands for its value.
    """

    def __init__(self, content: Value) -> None:
        self.parts = [content]

    def made(self, journal: Journal, parts: Sequence[Value]) -> CellType:
        """The variable; the journal is told of it."""
        cell = filled_cell(parts[0])
        journal.made_cell(cell)
        note_open(cell)
        return cell


class ClosurePlan:
    """A function to be made when a branch has been merged.

    Attributes:
        like: a function with the same code.
        parts: its variables or what stands for them, and what stands for its default arguments.
    """

    def __init__(self, like: FunctionType, parts: Sequence[Value]) -> None:
        self.like, self.parts = like, list(parts)

    def made(self, journal: Journal, parts: Sequence[Any]) -> FunctionType:
        """The function with the values of `parts`."""
        old = self.like
        *cells, defaults, named = parts
        new = FunctionType(old.__code__, old.__globals__, old.__name__, defaults, tuple(cells))
        new.__kwdefaults__ = named
        new.__qualname__, new.__module__ = old.__qualname__, old.__module__
        new.__dict__.update(old.__dict__)
        return journal.made(new)


class ClosurePlans:
    """Merges functions and their variables, for one branch.

    Args:
        journal: knows the variables that were made inside a path.
        since: its number when the paths began.
    """

    def __init__(self, journal: Journal, since: int) -> None:
        self._journal, self._since = journal, since
        self._cells: dict[tuple[int, int], CellPlan] = {}

    def merged(self, then: FunctionType, other: FunctionType, merge: _Merge) -> Value:
        """One function that stands for two of the same code; `merge` merges two values.

        Raises:
            Mismatch: they see variables from outside that are not the same.
        """
        if then.__code__ is not other.__code__:
            raise Mismatch("two different functions")
        pairs = zip(then.__closure__ or (), other.__closure__ or (), strict=True)
        names = then.__code__.co_freevars
        parts = [self._cell(a, b, name, merge) for (a, b), name in zip(pairs, names, strict=True)]
        defaults = merge(then.__defaults__, other.__defaults__)
        named = merge(then.__kwdefaults__, other.__kwdefaults__)
        return ClosurePlan(then, [*parts, defaults, named])

    def defined(
        self, function: FunctionType, hole: Value, alone: Callable[[Value], Value]
    ) -> Value:
        """A function that only one path has.

        Args:
            function: the function.
            hole: what the other path has for its values.
            alone: merges a value with that.
        """
        cells = function.__closure__ or ()
        # Cells are equal where what they hold is: which one it is matters here.
        inner = [self._is_inner(cell) for cell in cells]
        defaults = (function.__defaults__, function.__kwdefaults__)
        if not any(inner) and all(each is None for each in defaults):
            return function
        parts = [
            self._plan(cell, hole, alone) if mine else cell
            for cell, mine in zip(cells, inner, strict=True)
        ]
        return ClosurePlan(function, [*parts, *map(alone, defaults)])

    def _cell(self, then: CellType, other: CellType, name: str, merge: _Merge) -> Value:
        if then is other or name.startswith("_fx_"):
            return then
        if not (self._is_inner(then) and self._is_inner(other)):
            raise Mismatch("two functions that see different variables")
        return self._plan(then, other, lambda value: merge(value, contents_of(other)))

    def _plan(self, cell: CellType, other: Value, merged: Callable[[Value], Value]) -> CellPlan:
        """One plan for a variable, however many functions see it."""
        key = (id(cell), id(other))
        if key not in self._cells:
            self._cells[key] = CellPlan(None)
            self._cells[key].parts = [merged(contents_of(cell))]
        return self._cells[key]

    def _is_inner(self, cell: CellType) -> bool:
        return self._since > 0 and self._journal.born_cell(cell) >= self._since
