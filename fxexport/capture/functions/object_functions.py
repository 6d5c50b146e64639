"""Python's functions that look at objects, where a value may be symbolic or not be there."""

from __future__ import annotations

import builtins
import functools
import operator
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.operators.dynamic_iterables import Dynamic
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.special_methods import attribute_function
from fxexport.capture.recording.types import Function
from fxexport.capture.session.journal import UNSET, AttributeSlot
from fxexport.capture.session.session import Poison, is_symbolic, sym_type
from fxexport.capture.staging.alternatives import each_alternative
from fxexport.capture.staging.raised_paths import run_with_default
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force
from fxexport.capture.values.symbolic_text import OpenText
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = ["ObjectFunctions"]


# Functions that do what ``a op= b`` does.
_IN_PLACE = {
    "iadd": "Add",
    "iconcat": "Add",
    "imul": "Mult",
}


class ObjectFunctions:
    """The replacements of isinstance, type, str, getattr, copy and kin."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def table(self) -> dict[object, Function]:
        """What to call instead of Python's functions."""
        operators = self._operators
        return {
            builtins.isinstance: self._isinstance,
            builtins.type: self._type,
            builtins.id: self._id,
            builtins.str: self._str,
            builtins.repr: self._repr,
            builtins.print: self._print,
            builtins.getattr: self._getattr,
            builtins.hasattr: self._hasattr,
            builtins.setattr: lambda owner, name, value: operators.set_attr(value, owner, name),
            builtins.delattr: lambda owner, name: operators.del_attr(owner, name),
            operator.not_: lambda value: operators.not_(value),
            operator.contains: lambda items, item: operators.contains(item, items),
            operator.getitem: lambda items, key: operators.get_item(items, key),
            operator.setitem: lambda items, key, value: operators.set_item(value, items, key),
            operator.delitem: lambda items, key: operators.del_item(items, key),
            **{
                getattr(operator, name): functools.partial(operators.augment, symbol)
                for name, symbol in _IN_PLACE.items()
            },
            object.__setattr__: self.set_plainly,
            functools.partial: self._partial,
        }

    def _partial(self, *args: object, **kwargs: object) -> object:
        """``functools.partial``: of one of several functions it is one of several."""
        operators = self._operators
        function, *rest = args

        def partial(one: Any) -> object:
            if type(one) is functools.partial and not vars(one):
                # Python does so as well, unless somebody has looked at the attributes before.
                made = functools.partial(one.func, *one.args, *rest, **{**one.keywords, **kwargs})
            else:
                made = functools.partial(one, *rest, **kwargs)
            return operators.fresh(made)

        return each_alternative(operators.session, force(function), partial)

    def set_plainly(self, owner: object, name: str, value: object) -> None:
        """``object.__setattr__``."""
        self._operators.session.aliases.about_to_write(owner)
        self._operators.session.journal.touch(AttributeSlot(owner, name))
        object.__setattr__(owner, name, value)

    def _isinstance(self, value: object, kinds: Any) -> bool | torch.SymBool:
        if isinstance(value, Poison):
            raise value.refuse()
        if is_symbolic(value):
            kind = sym_type(value)
            assert kind is not None
            return isinstance(kind(0), kinds) or isinstance(value, kinds)
        if isinstance(value, Dynamic):
            return isinstance(range(0), kinds)
        value = self._operators.read(value)
        if isinstance(value, Maybe):
            inside, without = self._isinstance(value.value, kinds), isinstance(None, kinds)
            if inside == without:
                return inside
            return value.present if inside else torch.sym_not(value.present)
        return isinstance(value, kinds)

    def _type(self, *args: object) -> object:
        args = tuple(map(self._operators.read, args))
        if len(args) == 1:
            if isinstance(args[0], Maybe):
                raise UnsupportedError(
                    "the type of a value that may be None",
                    code=Code.DECISION_IN_UNREAD_CODE,
                    location=user_location(),
                    hint="test it with `is None` or isinstance()",
                )
            if isinstance(args[0], compat.FunctionalTensor):
                return torch.Tensor
            if is_symbolic(args[0]):
                return sym_type(args[0])
        return type(*args)

    def _id(self, value: object) -> object:
        """The identity of an object, whatever it holds."""
        value = self._operators.read(value)
        if isinstance(value, Choice):
            return self._operators.session.each(value, id)
        if isinstance(value, Maybe):
            inside = value.value
            return self._operators.if_exp(value.present, lambda: id(inside), lambda: id(None))
        return id(value)

    def _str(self, *args: object) -> object:
        args = tuple(map(self._operators.read, args))
        if len(args) != 1:
            return str(*args)
        shown = self._operators.formatted(*args)
        return shown if isinstance(shown, str) else str(shown)

    def _repr(self, value: object) -> object:
        value = self._operators.read(value)
        shown = self._operators.formatted(value)
        return repr(value) if shown is value else shown

    def _getattr(self, owner: object, name: str, *default: object) -> object:
        owner = self._operators.read(owner)
        if isinstance(name, OpenText):
            return self._attribute_by_text(owner, name, *default)
        if isinstance(owner, Maybe):
            return self._operators.with_certain(self._getattr, (owner, name, *default), {})
        value = self._attribute(owner, name, *default)
        if default and isinstance(value, Maybe) and value.absent is UNSET:
            return self._operators.if_exp(value.present, lambda: value.value, lambda: default[0])
        return self._operators.read(value)

    def _attribute_by_text(self, owner: object, name: OpenText, *default: object) -> object:
        """An attribute whose name is made of numbers that only the run knows."""

        def missing() -> object:
            if default:
                return default[0]
            raise note_raised(AttributeError("this attribute"))

        return self._operators.lookups.find(
            name, dir(owner), lambda known: self._getattr(owner, known, *default), missing
        )

    def _hasattr(self, owner: object, name: str) -> object:
        owner = self._operators.read(owner)
        if isinstance(owner, Maybe):
            return self._operators.with_certain(self._hasattr, (owner, name), {})
        value = self._attribute(owner, name, UNSET)
        if isinstance(value, Maybe) and value.absent is UNSET:
            return value.present
        return value is not UNSET

    def _attribute(self, owner: object, name: str, *default: object) -> object:
        """``getattr(owner, name, *default)``; a property is called as other functions are."""
        if not default:
            return self._operators.get_attr(owner, name)
        if not isinstance(attribute_function(owner, name), property):
            return getattr(owner, name, *default)
        return run_with_default(
            self._operators.session,
            lambda: self._operators.get_attr(owner, name),
            AttributeError,
            default[0],
        )

    def _print(self, *args: object, **kwargs: object) -> None:
        self._operators.session.note("note", "print() runs at export only; the file prints nothing")
