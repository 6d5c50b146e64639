"""What list comprehensions become in rewritten code: loops and ifs that fill a list."""

from __future__ import annotations

from collections.abc import Callable

from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.dynamic_iterables import Filtered, Generated
from fxexport.capture.operators.iteration import Iteration, is_staged
from fxexport.capture.operators.loop_statements import LoopStatements
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.session.session import Session
from fxexport.capture.staging.alternatives import for_each
from fxexport.source.decisions import Place

__all__ = ["Comprehensions"]

# The names of a target: None for one, a tuple for several.
_Structure = tuple["_Structure", ...] | None


class Comprehensions:
    """The operators of list comprehensions, called from the outermost to the innermost."""

    def __init__(
        self,
        session: Session,
        conditionals: Conditionals,
        iteration: Iteration,
        loops: LoopStatements,
    ) -> None:
        self._session = session
        self._conditionals = conditionals
        self._iteration = iteration
        self._loops = loops

    def list_comp(self, fill: Callable[[list[object]], object]) -> list[object]:
        """``[… for … in …]``: a new list, which `fill` fills."""
        made: list[object] = []
        self._session.journal.made(made)
        fill(made)
        return made

    @for_each(0, goes_through=True)
    def comp_for(
        self, iterable: object, body: Callable[..., object], structure: _Structure
    ) -> None:
        """``for … in iterable``; `structure` says what is bound to an item."""
        source = self._iteration.source_of(iterable)

        def run_iteration(item: object) -> None:
            body(*(self._targets(structure, item) if structure is not None else (item,)))

        if is_staged(source) or isinstance(source, (Filtered, Generated)):
            self._loops.run_for(source, run_iteration, [], None)
            return
        for item in self._iteration.iterate(source):
            run_iteration(item)

    def comp_if(self, test: object, then: Callable[[], object], place: Place | None = None) -> None:
        """``if test``; `place` is where the program has it."""
        self._conditionals.if_stmt(test, then, lambda: None, (), (), place, kind="comp_if")

    def comp_add(self, made: list[object], value: object) -> None:
        """One item of the result."""
        about_to_change(self._session, made)
        made.append(value)

    def _targets(self, structure: tuple[_Structure, ...], item: object) -> list[object]:
        """The values of the names in ``for a, (b, c) in``, in order."""
        parts = list(self._iteration.unpack(item, len(structure)))
        if len(parts) != len(structure):
            raise ValueError(f"expected {len(structure)} values to unpack, got {len(parts)}")
        values: list[object] = []
        for inner, part in zip(structure, parts, strict=True):
            values.extend([part] if inner is None else self._targets(inner, part))
        return values
