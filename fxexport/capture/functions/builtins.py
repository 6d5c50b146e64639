"""Finds replacements of Python's functions where an argument is known only when the model runs.

Python's `len`, `range`, `min`, `int` and so on insist on real numbers, or decide conditions by
themselves. A replacement does what Python's function does, and stages where it must.
"""

from __future__ import annotations

import copy
import functools
import math
import operator
from collections import deque
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    BuiltinMethodType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.functions.assert_functions import AssertFunctions
from fxexport.capture.functions.composed_functions import linear_losses
from fxexport.capture.functions.container_methods import ContainerMethods
from fxexport.capture.functions.copying import Copying
from fxexport.capture.functions.higher_order import HigherOrder
from fxexport.capture.functions.iterable_functions import IterableFunctions
from fxexport.capture.functions.module_forwards import FAST_PATHS, PARALLEL_WRAPPERS
from fxexport.capture.functions.native_calls import NativeCalls
from fxexport.capture.functions.numbers import NumberFunctions
from fxexport.capture.functions.object_functions import ObjectFunctions
from fxexport.capture.functions.random_numbers import drawing_replacement
from fxexport.capture.operators import autograd_functions
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.variables import whole_all
from fxexport.capture.recording.types import Function, holds_dynamic
from fxexport.capture.session.list_runs import holds_open
from fxexport.capture.session.session import Poison, is_symbolic
from fxexport.capture.staging.alternatives import each_alternative
from fxexport.capture.values.maybe import force
from fxexport.capture.values.uncertain_keys import is_iterator, with_and_without

__all__ = ["Builtins"]

# Functions that take None, or that look at what is there by themselves.
_ASKING = frozenset(
    {
        isinstance, type, id, getattr, hasattr, setattr, bool, str, repr, print, tuple, list, set,
        dict, object.__setattr__, copy.copy, copy.deepcopy, operator.not_, torch.cond,
        functools.reduce, functools.partial, torch.jit.fork,
        *compat.OVERRIDE_TESTS,
    }
)  # fmt: skip


class Builtins:
    """Finds the replacement for a function that rewritten code calls."""

    def __init__(self, operators: Operators, native: NativeCalls) -> None:
        self._operators = operators
        self._native = native
        self._higher_order = HigherOrder(operators)
        self._objects = ObjectFunctions(operators)
        iterables = IterableFunctions(operators)
        self._methods = ContainerMethods(operators, iterables.sort)
        fast_paths = FAST_PATHS if torch.backends.mha.get_fastpath_enabled() else {}
        self._forwards = {**PARALLEL_WRAPPERS, **fast_paths}
        self._table: dict[object, Function] = {
            **iterables.table(),
            **NumberFunctions(operators).table(),
            **self._objects.table(),
            **Copying(operators).table(),
            **AssertFunctions(operators).table(),
            **linear_losses(operators),
            torch.jit.fork: self._fork,
            # Our function mode would send torch.nn.functional back to its own, unstaged code.
            **dict.fromkeys(compat.OVERRIDE_TESTS, lambda *args: False),
        }

    def replacement_for(self, function: object) -> Function | None:
        """The function to call instead; None where there is none."""
        if isinstance(function, Poison):
            raise function.refuse()
        if isinstance(function, MethodType):
            owner = function.__self__
            if isinstance(owner, compat.FunctionalTensor) and function.__name__ == "tolist":
                # The method of functional tensors goes past all modes.
                return functools.partial(self._operators.number_lists.tolist, owner)
            forward = self._forwards.get(function.__func__)
            if forward is not None:
                return self._operators.convert(MethodType(forward, function.__self__))
        if type(function) is type(torch.FloatTensor) or function is torch.Tensor:
            return functools.partial(self._typed_tensor, function)
        differentiated = autograd_functions.function_of(function)
        if differentiated is not None:
            apply = self._operators.convert(autograd_functions.apply)
            return functools.partial(apply, differentiated)
        try:
            found = self._table.get(function)
        except TypeError:
            return None
        found = found or self._higher_order.replacement_for(function)
        if found is not None:
            if function in _ASKING:
                return found
            return functools.partial(self._with_values, found, function is not len)
        drawn = drawing_replacement(self._operators.session, function)
        if drawn is not None:
            return drawn
        if isinstance(function, (BuiltinMethodType, BuiltinFunctionType, MethodWrapperType)):
            owner = getattr(function, "__self__", None)
            plain = getattr(function, "__objclass__", None) is object
            if function.__name__ == "__setattr__" and plain:
                return functools.partial(self._objects.set_plainly, owner)
            if isinstance(owner, (list, dict, set, deque)):
                return self._methods.replacement_for(function, owner)
            if isinstance(owner, torch.Size) and function.__name__ == "numel":
                return functools.partial(math.prod, owner)
            if isinstance(owner, tuple) and function.__name__ in ("index", "count"):
                return functools.partial(self._methods.search, function, owner)
            if isinstance(owner, torch.Tensor) or compat.is_torch_builtin(function):
                return functools.partial(self._native.with_flags, function)
            return functools.partial(self._native.with_closed, function)
        if isinstance(function, (MethodDescriptorType, WrapperDescriptorType)) and issubclass(
            function.__objclass__, (list, dict, set, deque)
        ):
            return functools.partial(self._of_instance, function)
        if isinstance(function, operator.methodcaller):
            return functools.partial(self._method_of, function)
        # What torch.compile, or torch.jit.script_if_tracing, stands before.
        for name in ("_torchdynamo_orig_callable", "__original_fn"):
            original = getattr(function, name, None)
            if original is None:
                continue
            if isinstance(function, MethodType) and not isinstance(original, MethodType):
                original = MethodType(original, function.__self__)
            return self._operators.convert(original)
        module = getattr(function, "__module__", None)
        if module == "torch.utils.checkpoint" and getattr(function, "__name__", "") == "checkpoint":
            return self._checkpoint
        return None

    def _with_values(
        self, function: Callable[..., object], through: bool, *args: object, **kwargs: object
    ) -> object:
        """A function that Python lets fail on None: what it is given must be there.

        Args:
            function: what to call.
            through: whether it iterates over its arguments.
            *args: its arguments.
            **kwargs: its arguments by name.
        """
        if through:
            cases = [with_and_without(self._operators.session, arg) for arg in args]
            k = next((k for k, arg in enumerate(args) if cases[k] is not arg), None)
            if k is not None:
                before, after = args[:k], args[k + 1 :]
                return each_alternative(
                    self._operators.session,
                    cases[k],
                    lambda one: self._with_values(function, True, *before, one, *after, **kwargs),
                )
            whole_all(self._operators.session, (*args, *kwargs.values()))
        result = function(*map(force, args), **{key: force(v) for key, v in kwargs.items()})
        if is_iterator(result):
            sources = [value for value in args if is_iterator(value) and value is not result]
            self._operators.session.journal.feeds(result, sources)
        return result

    def _typed_tensor(self, kind: Any, *args: Any, **kwargs: object) -> object:
        """``torch.LongTensor(items)``, ``torch.Tensor(*sizes)`` and kin."""
        dtype = torch.get_default_dtype() if kind is torch.Tensor else kind.dtype
        items = args[0] if len(args) == 1 and not kwargs else None
        if isinstance(items, list | tuple) and not isinstance(items, torch.Size):
            if holds_open(items):
                return self._operators.number_lists.tensor(items, dtype)
            if holds_dynamic(items):
                return torch.tensor(items, dtype=dtype)
        sizes = items if isinstance(items, torch.Size) else args
        if not kwargs and any(map(is_symbolic, sizes)):
            return torch.empty(tuple(sizes), dtype=dtype)
        return self._operators.constructed(kind, args, kwargs)

    def _of_instance(
        self, function: MethodDescriptorType | WrapperDescriptorType, *args: Any, **kwargs: object
    ) -> object:
        """``list.append(items, item)``: the method of this class, whatever the object's own is."""
        owner, *rest = args
        owner = force(owner)
        method = function.__get__(owner, type(owner))
        return self._operators.call(method)(*rest, **kwargs)

    def _method_of(self, function: Any, owner: object) -> object:
        """What `operator.methodcaller` gives, called."""
        make, given = function.__reduce__()
        keywords = make.keywords if isinstance(make, functools.partial) else {}
        name, *args = (*make.args, *given) if isinstance(make, functools.partial) else given
        return self._operators.call(self._operators.get_attr(owner, name))(*args, **keywords)

    def _fork(self, function: object, *args: object, **kwargs: object) -> object:
        """A task: a file has no threads of its own, so it is done at once."""
        future: torch.futures.Future[object] = torch.futures.Future()
        future.set_result(self._operators.call(function)(*args, **kwargs))
        return future

    def _checkpoint(self, function: object, *args: object, **kwargs: object) -> object:
        """Activation checkpointing is about training only."""
        for name in (
            "use_reentrant",
            "preserve_rng_state",
            "context_fn",
            "determinism_check",
            "debug",
        ):
            kwargs.pop(name, None)
        return self._operators.convert(function)(*args, **kwargs)
