"""What list comprehensions become in rewritten code: loops and ifs that fill a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fxexport.capture.loops import Loops

__all__ = ["Comprehensions"]


class Comprehensions(Loops):
    """The operators of list comprehensions, called from the outermost to the innermost."""

    def list_comp(self, fill: Callable[[list[Any]], Any]) -> list[Any]:
        """``[… for … in …]``: a new list, which `fill` fills."""
        made: list[Any] = []
        self.session.journal.made(made)
        fill(made)
        return made

    def comp_for(self, iterable: Any, body: Callable[..., Any], structure: Any) -> None:
        """``for … in iterable``; `structure` is None for one target, else a nested tuple."""
        source = self.source_of(iterable)

        def trip(item: Any) -> None:
            body(*(self._targets(structure, item) if structure is not None else (item,)))

        if self.is_staged(source):
            self._for(source, trip, [], None)
            return
        for item in self.iterate(source):
            trip(item)

    def comp_if(self, test: Any, then: Callable[[], Any]) -> None:
        """``if test``."""
        self.if_stmt(test, then, lambda: None, (), ())

    def comp_add(self, made: list[Any], value: Any) -> None:
        """One item of the result."""
        self.touch(made)
        made.append(value)

    def _targets(self, structure: Any, item: Any) -> list[Any]:
        """The values of the names in ``for a, (b, c) in``, in order."""
        parts = list(self.unpack(item, len(structure)))
        if len(parts) != len(structure):
            raise ValueError(f"expected {len(structure)} values to unpack, got {len(parts)}")
        values: list[Any] = []
        for inner, part in zip(structure, parts, strict=True):
            values.extend([part] if inner is None else self._targets(inner, part))
        return values
