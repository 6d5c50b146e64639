"""Python's own functions where an argument is known only when the model runs.

Python's `len`, `range`, `min`, `int` and so on insist on real numbers, or decide conditions by
themselves. Each function here does what Python's does, and stages where it must.
"""

from __future__ import annotations

import builtins
import copy
import functools
import math
import operator
from collections import deque
from collections.abc import Callable
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, MethodWrapperType
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture import iteration, prelude
from fxexport.capture.drawing import drawing_replacement
from fxexport.capture.frames import user_location
from fxexport.capture.higher_order import HigherOrder
from fxexport.capture.iteration import Dynamic
from fxexport.capture.journal import UNSET, AttributeSlot
from fxexport.capture.keys import count_of, is_iterator, settled
from fxexport.capture.numbers import MATH_FUNCTIONS, Numbers
from fxexport.capture.optional import Maybe, force, holds_maybe, raised_here
from fxexport.capture.session import Poison, is_dynamic, is_symbolic, sym_type
from fxexport.capture.special import special_method
from fxexport.capture.spread import is_open, length_of
from fxexport.capture.text import refuse_open_text, text_of
from fxexport.errors import UnsupportedError

__all__ = ["Builtins"]

_MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "popitem",
        "add",
        "discard",
        "appendleft",
        "popleft",
        "extendleft",
        "rotate",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "__setitem__",
        "__delitem__",
        "__iadd__",
        "move_to_end",
    ]
)
# Functions that take None, or that look at what is there by themselves.
_ASKING = frozenset(
    {
        isinstance, type, getattr, hasattr, setattr, bool, str, repr, print, tuple, list, set, dict,
        object.__setattr__, copy.copy, copy.deepcopy, operator.not_, torch.cond, functools.reduce,
        *compat.OVERRIDE_TESTS,
    }
)  # fmt: skip


class Builtins(Numbers):
    """Finds the replacement for a function that rewritten code calls."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        super().__init__(convert)
        names = [
            "len",
            "enumerate",
            "zip",
            "map",
            "filter",
            "reversed",
            "range",
            "min",
            "max",
            "sum",
            "any",
            "all",
            "abs",
            "int",
            "float",
            "bool",
            "round",
            "isinstance",
            "type",
            "list",
            "tuple",
            "set",
            "dict",
            "divmod",
            "str",
            "repr",
            "getattr",
            "hasattr",
            "setattr",
            "delattr",
            "sorted",
            "iter",
            "next",
            "print",
        ]
        self._table: dict[Any, Callable[..., Any]] = {
            getattr(builtins, name): getattr(self, f"_{name}") for name in names
        }
        for name in ("floor", "ceil", "trunc", "isnan", "isinf", "isfinite", *MATH_FUNCTIONS):
            self._table[getattr(math, name)] = functools.partial(self._math, name)
        self._table[math.prod] = self._prod
        self._table[functools.reduce] = self._reduce
        self._table[copy.copy] = self._copied(copy.copy)
        self._table[copy.deepcopy] = self._copied(copy.deepcopy)
        self._table[operator.not_] = lambda value: self.operators.not_(value)
        self._table[operator.contains] = lambda items, item: self.operators.contains(item, items)
        self._table[object.__setattr__] = self._set_plainly
        for test in compat.OVERRIDE_TESTS:
            # Our function mode would send torch.nn.functional back to its own, unstaged code.
            self._table[test] = lambda *args: False

    @functools.cached_property
    def higher_order(self) -> HigherOrder:
        """What stands for PyTorch's control-flow operators."""
        return HigherOrder(self.operators)

    def replacement_for(self, function: Any) -> Any:
        """The function to call instead, None for none."""
        if isinstance(function, Poison):
            raise function.refuse()
        try:
            found = self._table.get(function)
        except TypeError:
            return None
        found = found or self.higher_order.replacement_for(function)
        if found is not None:
            return found if function in _ASKING else functools.partial(self._with_values, found)
        drawn = drawing_replacement(self.operators.session, function)
        if drawn is not None:
            return drawn
        if isinstance(function, (BuiltinMethodType, BuiltinFunctionType, MethodWrapperType)):
            owner = getattr(function, "__self__", None)
            plain = getattr(function, "__objclass__", None) is object
            if function.__name__ == "__setattr__" and plain:
                return functools.partial(self._set_plainly, owner)
            if isinstance(owner, (list, dict, set, deque)):
                return self._method(function, owner)
            if isinstance(owner, torch.Tensor) or compat.is_torch_builtin(function):
                return functools.partial(self.with_flags, function)
            return functools.partial(self._with_closed, function)
        # What torch.compile, or torch.jit.script_if_tracing, stands before.
        for name in ("_torchdynamo_orig_callable", "__original_fn"):
            original = getattr(function, name, None)
            if original is not None:
                return self._convert(original)
        module = getattr(function, "__module__", None)
        if module == "torch.utils.checkpoint" and getattr(function, "__name__", "") == "checkpoint":
            return self._checkpoint
        return None

    def _with_values(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A function that Python lets fail on None: what it is given must be there."""
        if getattr(function, "__func__", None) is not Builtins._len:
            self.operators.whole_all((*args, *kwargs.values()))
        result = function(*map(force, args), **{key: force(v) for key, v in kwargs.items()})
        if is_iterator(result):
            sources = [value for value in args if is_iterator(value) and value is not result]
            self.operators.session.journal.feeds(result, sources)
        return result

    def with_flags(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of PyTorch's C++: a flag known only at run time gets a call for each way."""
        self.operators.whole_all((*args, *kwargs.values()))
        if holds_maybe((args, kwargs)) is not None:
            return self.operators.with_certain(
                functools.partial(self.with_flags, function), args, kwargs
            )
        if any(is_open(value) for value in (*args, *kwargs.values())):
            return self._with_open_list(function, args, kwargs)
        flag = next((v for v in (*args, *kwargs.values()) if type(v) is torch.SymBool), None)
        if flag is None:
            return function(*args, **kwargs)

        def called(choice: bool) -> Any:
            try:
                return self.with_flags(
                    function,
                    *(choice if value is flag else value for value in args),
                    **{key: choice if value is flag else value for key, value in kwargs.items()},
                )
            except (TypeError, ValueError, RuntimeError) as error:
                # What never comes together (a mask, and is_causal) is what the other way is for.
                raise raised_here(error) from None

        return self.operators.if_exp(flag, lambda: called(True), lambda: called(False), ())

    def _with_open_list(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A function of PyTorch's C++ that gets a list of dynamic length."""
        lists = self.operators.lists
        if lists.joins(function):
            first, *others = args or (kwargs.pop("tensors"),)
            return lists.join(function, first, *others, **kwargs)
        if function in (torch.tensor, torch.as_tensor, torch.asarray):
            return lists.tensor(*args, **{k: v for k, v in kwargs.items() if k != "requires_grad"})
        return self._with_closed(function, *args, **kwargs)

    def _with_closed(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A function that takes lists apart by itself: it must know their items."""
        self.operators.whole_all((*args, *kwargs.values()))
        text = isinstance(getattr(function, "__self__", None), str)
        if not text and holds_maybe((args, kwargs)) is not None:
            return self.operators.with_certain(
                functools.partial(self._with_closed, function), args, kwargs
            )
        closed = self.operators.lists.closed
        return function(
            *(closed(value) for value in args),
            **{key: closed(value) for key, value in kwargs.items()},
        )

    def _method(self, method: Any, owner: Any) -> Any:
        if method.__name__ in _MUTATORS:
            self.operators.touch(owner)
        if isinstance(owner, dict):
            found = self.operators.dicts.find(method, owner)
            if found is not None:
                return found
        if is_open(owner):
            own = self.operators.lists.method(method.__name__, owner)
            if own is not None:
                return own
        elif method.__name__ == "extend":
            return lambda more: method(self.operators.listed(more))
        if method.__name__ == "sort":
            return lambda **kwargs: owner.__init__(self._sorted(owner, **kwargs))
        if method.__name__ in ("index", "count", "remove") and isinstance(owner, list):
            return functools.partial(self._search, method, owner)
        if method.__name__ == "copy":
            return lambda: self.operators.fresh(method())
        return None

    def _search(self, method: Any, owner: list[Any], item: Any, *bounds: Any) -> Any:
        unknown = is_dynamic(item) or any(is_dynamic(x) for x in owner)
        if unknown and not any(x is item for x in owner):
            raise UnsupportedError(
                f"list.{method.__name__}() on values that are known only when the model runs",
                location=user_location(),
                hint="compare tensors instead",
            )
        return method(item, *bounds)

    def _copied(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda value, *args: self.operators.fresh(function(value, *args))

    # -- lengths and iteration -------------------------------------------------------------------

    def _len(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if value.dim() == 0:
                raise TypeError("len() of a 0-d tensor")
            return value.shape[0]
        if isinstance(value, Dynamic):
            return value.length
        if is_open(value):
            return length_of(value)
        if isinstance(value, dict):
            return count_of(value)
        settled(value)
        refuse_open_text(value)
        own = getattr(type(value), "__len__", None)
        if type(own) is FunctionType:
            return self._convert(own)(value)
        return len(value)

    def _enumerate(self, iterable: Any, start: Any = 0) -> Any:
        return self._made(iteration.dynamic_enumerate(self._taken(iterable), start))

    def _zip(self, *iterables: Any, strict: bool = False) -> Any:
        sources = [self._taken(iterable) for iterable in iterables]
        return self._made(iteration.dynamic_zip(*sources, strict=strict))

    def _map(self, function: Any, *iterables: Any) -> Any:
        sources = [self._taken(iterable) for iterable in iterables]
        return self._made(iteration.dynamic_map(self._convert(function), *sources))

    def _taken(self, iterable: Any) -> Any:
        """An iterable that another one is made of."""
        return self.operators.consumed(self._source(iterable))

    def _made(self, items: Any) -> Any:
        return self.operators.session.journal.made(items) if type(items) is Dynamic else items

    def _filter(self, function: Any, iterable: Any) -> Any:
        test = (lambda value: value) if function is None else self._convert(function)
        source = self._source(iterable)
        if isinstance(source, (Dynamic, list, tuple, torch.Tensor)):
            kept = self.operators.call(prelude.filtered)(test, iterable)
            return self._source(kept) if is_open(kept) else iter(kept)
        items = self.operators.iterate(iterable)
        return (item for item in items if self.operators.truth(test(item)))

    def _reversed(self, iterable: Any) -> Any:
        return self._made(iteration.dynamic_reversed(self._source(iterable)))

    def _range(self, *args: Any) -> Any:
        return iteration.dynamic_range(*[self._index(arg) for arg in args])

    def _iter(self, iterable: Any, *sentinel: Any) -> Any:
        if sentinel:
            return iter(self._convert(iterable), *sentinel)
        return self.operators.iterate(iterable)

    def _next(self, iterator: Any, *default: Any) -> Any:
        own = special_method(iterator, "__next__")
        if own is None:
            return next(iterator, *default)
        try:
            return self._convert(own)()
        except StopIteration:
            if default:
                return default[0]
            raise

    def _set_plainly(self, owner: Any, name: str, value: Any) -> None:
        """``object.__setattr__``."""
        self.operators.session.aliases.about_to_write(owner)
        self.operators.session.journal.touch(AttributeSlot(owner, name))
        object.__setattr__(owner, name, value)

    def _list(self, iterable: Any = ()) -> Any:
        return self.operators.fresh(self.operators.listed(iterable))

    def _tuple(self, iterable: Any = ()) -> Any:
        return tuple(self.operators.listed(iterable))

    def _set(self, iterable: Any = ()) -> Any:
        return self.operators.fresh(set(self._items(iterable)))

    def _dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.operators.fresh(dict(*map(self.operators.read, args), **kwargs))

    def _sorted(self, iterable: Any, *, key: Any = None, reverse: bool = False) -> Any:
        items = list(self._items(iterable))
        keys = [self._convert(key)(item) for item in items] if key is not None else items
        if any(is_symbolic(k) or isinstance(k, torch.Tensor) for k in keys):
            raise UnsupportedError(
                "sorting a Python list by values that are known only when the model runs",
                location=user_location(),
                hint="stack them into a tensor and use torch.sort",
            )
        order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
        return self.operators.fresh([items[k] for k in order])

    # -- objects -----------------------------------------------------------------------------------

    def _isinstance(self, value: Any, kinds: Any) -> bool:
        if isinstance(value, Poison):
            raise value.refuse()
        if is_symbolic(value):
            kind = sym_type(value)
            assert kind is not None
            return isinstance(kind(0), kinds) or isinstance(value, kinds)
        if isinstance(value, Dynamic):
            return isinstance(range(0), kinds)
        value = self.operators.read(value)
        if isinstance(value, Maybe):
            inside, without = self._isinstance(value.value, kinds), isinstance(None, kinds)
            if inside == without:
                return inside
            return value.present if inside else torch.sym_not(value.present)
        return isinstance(value, kinds)

    def _type(self, *args: Any) -> Any:
        args = tuple(map(self.operators.read, args))
        if len(args) == 1:
            if isinstance(args[0], Maybe):
                raise UnsupportedError(
                    "the type of a value that may be None",
                    location=user_location(),
                    hint="test it with `is None` or isinstance()",
                )
            if isinstance(args[0], compat.FunctionalTensor):
                return torch.Tensor
            if is_symbolic(args[0]):
                return sym_type(args[0])
        return type(*args)

    def _str(self, *args: Any) -> Any:
        args = tuple(map(self.operators.read, args))
        unknown = args and (is_symbolic(args[0]) or isinstance(args[0], Maybe))
        return text_of(args[0]) if unknown else str(*args)

    def _repr(self, value: Any) -> Any:
        value = self.operators.read(value)
        return self._str(value) if is_symbolic(value) or isinstance(value, Maybe) else repr(value)

    def _getattr(self, owner: Any, name: str, *default: Any) -> Any:
        refuse_open_text(name)
        owner = self.operators.read(owner)
        if isinstance(owner, Maybe):
            return self.operators.with_certain(self._getattr, (owner, name, *default), {})
        value = getattr(owner, name, *default)
        if default and isinstance(value, Maybe) and value.absent is UNSET:
            return self.operators.if_exp(value.present, lambda: value.value, lambda: default[0], ())
        return self.operators.read(value)

    def _hasattr(self, owner: Any, name: str) -> Any:
        owner = self.operators.read(owner)
        if isinstance(owner, Maybe):
            return self.operators.with_certain(self._hasattr, (owner, name), {})
        value = getattr(owner, name, UNSET)
        if isinstance(value, Maybe) and value.absent is UNSET:
            return value.present
        return value is not UNSET

    def _setattr(self, owner: Any, name: str, value: Any) -> None:
        self.operators.set_attr(value, owner, name)

    def _delattr(self, owner: Any, name: str) -> None:
        self.operators.del_attr(owner, name)

    def _print(self, *args: Any, **kwargs: Any) -> None:
        self.operators.session.note("note", "print() runs at export only; the file prints nothing")

    def _checkpoint(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Activation checkpointing is about training only."""
        for name in (
            "use_reentrant",
            "preserve_rng_state",
            "context_fn",
            "determinism_check",
            "debug",
        ):
            kwargs.pop(name, None)
        return self._convert(function)(*args, **kwargs)
