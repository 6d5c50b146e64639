"""The operators that rewritten code calls, all in one object.

Each does what Python does where everything is known, and stages where it is not.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.comprehensions import Comprehensions
from fxexport.capture.convert import Converter
from fxexport.capture.frames import user_location
from fxexport.capture.journal import AttributeSlot
from fxexport.capture.lists import OpenLists
from fxexport.capture.logic import BITWISE
from fxexport.capture.session import Session, is_symbolic
from fxexport.capture.spread import is_open
from fxexport.capture.text import refuse_open_text, text_of
from fxexport.capture.variables import cells_of, slots_of
from fxexport.errors import UnsupportedError

__all__ = ["Operators"]

_AUGMENT: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


class Operators(Comprehensions):
    """The object that rewritten code knows as ``_fx_``: calls, reads and stores, and the rest."""

    def __init__(self, session: Session, converter: Converter) -> None:
        super().__init__(session)
        self.call = converter.callable_for
        self.lists = OpenLists(self)

    def entered(self, reader: Any) -> None:
        """A function begins: its variables are none of the business of what is around the call."""
        for cell in cells_of(reader).values():
            self.session.journal.made_cell(cell)

    def outer_writes(self, reader: Any, globals_: tuple[str, ...]) -> None:
        """Variables of enclosing functions, and globals, that the function called now may bind."""
        names = tuple(cells_of(reader))
        for slot in slots_of((reader,), tuple(n for n in names if n != "_fx_"), globals_):
            self.session.journal.touch(slot)

    def get_item(self, container: Any, key: Any) -> Any:
        """``container[key]``."""
        refuse_open_text(key)
        if isinstance(container, (list, tuple, deque, torch.nn.ModuleList)):
            key = _as_index(key)
            if is_open(container):
                return self.lists.get(container, key)
            if isinstance(key, torch.SymInt):
                return self._pick(container, key)
            if isinstance(key, slice) and _has_symbols(key):
                return self.lists.get(container, key)
        item = container[key]
        return self._new(item) if isinstance(key, slice) else item

    def _pick(self, items: Any, key: torch.SymInt) -> Any:
        """An item of a Python sequence at a dynamic index: a chain of branches."""
        count = len(items)
        if count == 0 or count > 64:
            raise UnsupportedError(
                f"a Python sequence of {count} items is read at an index that is known only when "
                "the model runs",
                location=user_location(),
                hint="stack the items into a tensor and index that",
            )
        self._keep_inside(key, count)
        position = self.lists.from_start(key, count)

        def at(k: int) -> Any:
            if k == count - 1:
                return items[k]
            return self.if_exp(position == k, lambda: items[k], lambda: at(k + 1), ())

        return at(0)

    def _keep_inside(self, key: torch.SymInt, count: int) -> None:
        """An index outside a sequence is an error in Python: the file takes it to be inside."""
        for condition in (key < count, key >= -count):
            if self.session.known(condition) is None:
                self.session.env.assume(condition, "an index inside a sequence")
                self.session.note("assumption", f"this index is inside its {count} items")
                self.session.require(condition)

    def slice(self, start: Any, stop: Any, step: Any) -> Any:
        """``start:stop:step``."""
        return slice(start, stop, step)

    def fresh(self, value: Any) -> Any:
        """A list, dict or set that is made here."""
        return self.session.journal.made(value)

    def formatted(self, value: Any) -> Any:
        """A value in an f-string."""
        return text_of(value) if is_symbolic(value) else value

    def set_attr(self, value: Any, owner: Any, name: str) -> None:
        """``owner.name = value``."""
        self.session.check_changeable(owner)
        self.session.journal.touch(AttributeSlot(owner, name))
        setattr(owner, name, value)

    def del_attr(self, owner: Any, name: str) -> None:
        """``del owner.name``."""
        self.session.journal.touch(AttributeSlot(owner, name))
        delattr(owner, name)

    def set_item(self, value: Any, container: Any, key: Any) -> None:
        """``container[key] = value``."""
        refuse_open_text(key)
        self.touch(container)
        if isinstance(container, (list, deque)):
            key = _as_index(key)
            if is_open(container):
                self.lists.set(container, key, value)
                return
            if isinstance(key, torch.SymInt):
                self._put(container, key, value)
                return
        container[key] = value

    def _put(self, items: Any, key: torch.SymInt, value: Any) -> None:
        """``items[key] = value`` at a dynamic index: each item may be the one."""
        count = len(items)
        if count > 64:
            raise UnsupportedError(
                f"an item of a Python list of {count} items is set at an index that is known only "
                "when the model runs",
                location=user_location(),
                hint="keep the items in a tensor",
            )
        self._keep_inside(key, count)
        position = self.lists.from_start(key, count)
        for k in range(count):
            old = items[k]
            items[k] = self.if_exp(position == k, lambda: value, lambda old=old: old, ())

    def del_item(self, container: Any, key: Any) -> None:
        """``del container[key]``."""
        self.touch(container)
        if is_open(container):
            self.lists.delete(container, _as_index(key))
        else:
            del container[key]

    def augment(self, name: str, old: Any, value: Any) -> Any:
        """``old op= value``."""
        self.touch(old)
        if name == "Add" and isinstance(old, list):
            old.extend(self.listed(value))
            return old
        if name == "Mult" and isinstance(old, (list, tuple)):
            return self.multiply(old, value)
        if name in BITWISE and isinstance(old, (bool, torch.SymBool)):
            return self.bitwise(name, old, value)
        return _AUGMENT[name](self.number(old), self.number(value))


def _as_index(key: Any) -> Any:
    """A subscript of a list: an integer tensor counts as its number."""
    if isinstance(key, torch.Tensor) and not key.dtype.is_floating_point and key.dim() == 0:
        return key.item()
    if isinstance(key, slice) and any(
        isinstance(bound, torch.Tensor) for bound in (key.start, key.stop, key.step)
    ):
        return slice(_as_index(key.start), _as_index(key.stop), _as_index(key.step))
    return key


def _has_symbols(key: slice) -> bool:
    return any(is_symbolic(bound) for bound in (key.start, key.stop, key.step))
