"""The operators that rewritten code calls, all in one object.

Each does what Python does where everything is known, and stages where it is not.
"""

from __future__ import annotations

import functools
import operator
from collections import deque
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.comprehensions import Comprehensions
from fxexport.capture.convert import Converter
from fxexport.capture.frames import errors_of_the_program, user_location
from fxexport.capture.journal import UNSET, AttributeSlot, put_attribute
from fxexport.capture.keys import DictMethods, is_uncertain, place_key, settled
from fxexport.capture.lists import OpenLists
from fxexport.capture.logic import BITWISE
from fxexport.capture.optional import Maybe, force, holds_maybe, narrowed, one_of, raised_here
from fxexport.capture.passing import takes_anything
from fxexport.capture.session import Session, is_symbolic
from fxexport.capture.special import Context, attribute_function, special_method
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
        self._converter = converter
        self.dicts = DictMethods(self)
        self.lists = OpenLists(self)

    def call(self, function: Any) -> Any:
        """What to call instead of a function."""
        function = force(function)
        found = self._converter.callable_for(function)
        if self._converter.is_read(found):
            return found
        return functools.partial(self._outside, found)

    def _outside(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A call of code that is not rewritten: it must be given certain values."""
        if takes_anything(function):
            if function.__name__ in ("extend", "extendleft", "update"):
                self.whole_all(args)
            return function(*args, **kwargs)
        self.whole_all((*args, *kwargs.values()))
        return self.with_certain(function, args, kwargs)

    def with_certain(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A call for each way that the values among its arguments may be there or not."""
        maybe = holds_maybe((args, kwargs))
        if maybe is None:
            return function(*args, **kwargs)
        choice = narrowed(maybe)
        if maybe.absent is not None:
            choice = force(maybe)
        if not isinstance(choice, Maybe):
            return self.with_certain(
                function, one_of(args, maybe, choice), one_of(kwargs, maybe, choice)
            )

        def without() -> Any:
            try:
                return self.with_certain(
                    function, one_of(args, maybe, None), one_of(kwargs, maybe, None)
                )
            except (TypeError, AttributeError, ValueError, RuntimeError) as error:
                raise raised_here(error) from None

        return self.if_exp(
            maybe.present,
            lambda: self.with_certain(
                function, one_of(args, maybe, maybe.value), one_of(kwargs, maybe, maybe.value)
            ),
            without,
            (),
        )

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
        container = force(container)
        if holds_maybe(key) is not None:
            return self.with_certain(self.get_item, (container, key), {})
        refuse_open_text(key)
        if isinstance(container, (list, tuple, deque, torch.nn.ModuleList)):
            key = _as_index(key)
            if is_open(container):
                return self.lists.get(container, key)
            if isinstance(key, torch.SymInt):
                return self._pick(container, key)
            if isinstance(key, slice) and _has_symbols(key):
                return self.lists.get(container, key)
        own = special_method(container, "__getitem__")
        if own is not None:
            return self.call(own)(key)
        with errors_of_the_program():
            item = container[key]
        if isinstance(container, dict):
            if isinstance(item, Maybe) and item.absent is UNSET:
                return self.dicts.missing(container, key)
            return item
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

    def context(self, manager: Any) -> Any:
        """The manager of a with statement."""
        manager = force(manager)
        return Context(self.call, manager) if special_method(manager, "__enter__") else manager

    def mapping(self, value: Any) -> Any:
        """``**value`` in a dict."""
        return settled(force(value))

    def keys_given(self, value: Any) -> Any:
        """``**value`` in a call: see `call_with_keys`."""
        return force(value)

    def call_with_keys(self, function: Any) -> Any:
        """What to call instead of a function that is given ``**value``, for each set of keys."""
        found = self.call(function)

        def called(*args: Any, **kwargs: Any) -> Any:
            name = next((name for name, item in kwargs.items() if is_uncertain(item)), None)
            if name is None:
                return found(*args, **kwargs)
            others = {key: item for key, item in kwargs.items() if key != name}
            item = narrowed(kwargs[name])
            if item is UNSET:
                return called(*args, **others)
            if not is_uncertain(item):
                return called(*args, **{**kwargs, name: item})
            given = {**kwargs, name: item.value}
            return self.if_exp(
                item.present, lambda: called(*args, **given), lambda: called(*args, **others), ()
            )

        return called

    def fresh(self, value: Any) -> Any:
        """A list, dict or set that is made here."""
        return self.session.journal.made(value)

    def formatted(self, value: Any) -> Any:
        """A value in an f-string."""
        value = narrowed(value)
        return text_of(value) if is_symbolic(value) or isinstance(value, Maybe) else value

    def get_attr(self, owner: Any, name: str) -> Any:
        """``owner.name``; a property's function is called as any other is."""
        if type(owner) is Maybe:
            owner = force(owner)
        known = attribute_function(owner, name)
        if isinstance(known, property):
            holder: Any = owner
            return self.call(known.fget)(holder.__self__ if type(owner) is super else owner)
        if known is not None:
            return self._cached(known, owner, name)
        with errors_of_the_program():
            value = getattr(owner, name)
        return self.read(value) if type(value) is Maybe else value

    def _cached(self, known: Any, owner: Any, name: str) -> Any:
        """A cached property: computed where it has not been."""
        held = getattr(owner, "__dict__", {}).get(name, UNSET)
        if isinstance(held, Maybe) and held.absent is UNSET:
            compute = self.call(known.func)
            value = self.if_exp(held.present, lambda: held.value, lambda: compute(owner), ())
        elif held is UNSET:
            value = self.call(known.func)(owner)
        else:
            return held
        self.session.journal.touch(AttributeSlot(owner, name))
        owner.__dict__[name] = value
        return value

    def set_attr(self, value: Any, owner: Any, name: str) -> None:
        """``owner.name = value``."""
        owner = force(owner)
        self.session.check_changeable(owner)
        self.session.aliases.about_to_write(owner)
        known = getattr(type(owner), name, None)
        if isinstance(known, property) and type(known.fset) is FunctionType:
            self.call(known.fset)(owner, value)
            return
        own = special_method(owner, "__setattr__")
        if own is not None and own.__func__.__code__.co_filename != "<string>":
            self.call(own)(name, value)
            return
        if isinstance(owner, torch.Tensor) and not hasattr(type(owner), name):
            self.session.tensors.tag(owner)
        self.session.journal.touch(AttributeSlot(owner, name))
        with errors_of_the_program():
            (put_attribute if isinstance(owner, torch.nn.Module) else setattr)(owner, name, value)

    def del_attr(self, owner: Any, name: str) -> None:
        """``del owner.name``."""
        owner = force(owner)
        self.session.check_changeable(owner)
        self.session.aliases.about_to_write(owner)
        self.session.journal.touch(AttributeSlot(owner, name))
        force(getattr(owner, name, None))
        delattr(owner, name)

    def set_item(self, value: Any, container: Any, key: Any) -> None:
        """``container[key] = value``."""
        container = force(container)
        if holds_maybe(key) is not None or (
            holds_maybe(value) is not None and isinstance(container, torch.Tensor)
        ):
            self.with_certain(self.set_item, (value, container, key), {})
            return
        refuse_open_text(key)
        self.touch(container)
        own = special_method(container, "__setitem__")
        if own is not None:
            self.call(own)(key, value)
            return
        if isinstance(container, (list, deque)):
            key = _as_index(key)
            if is_open(container):
                self.lists.set(container, key, value)
                return
            if isinstance(key, torch.SymInt):
                self._put(container, key, value)
                return
        with errors_of_the_program():
            placed = place_key(container, key, value) if isinstance(container, dict) else value
            container[key] = placed

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
        container = force(container)
        self.touch(container)
        own = special_method(container, "__delitem__")
        if own is not None:
            self.call(own)(key)
            return
        if isinstance(container, dict):
            force(container[key])
        if is_open(container):
            self.lists.delete(container, _as_index(key))
        else:
            del container[key]

    def augment(self, name: str, old: Any, value: Any) -> Any:
        """``old op= value``."""
        old, value = settled(force(old)), settled(force(value))
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
