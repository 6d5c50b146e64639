"""What calls become: the callee is rewritten or replaced, or is given certain values."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from types import BuiltinMethodType, CellType, MethodType
from typing import Any, Protocol, cast

import torch

from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.dynamic_iterables import Generated
from fxexport.capture.operators.special_methods import Context, may_catch, special_method
from fxexport.capture.operators.variables import slots_of, whole_all
from fxexport.capture.operators.writing import is_buffer, noting_changes
from fxexport.capture.python.pass_through import takes_anything
from fxexport.capture.recording.types import Function
from fxexport.capture.session.compiled_functions import refuse_compiled
from fxexport.capture.session.journal import UNSET, CellSlot, Slot
from fxexport.capture.session.new_objects import noted_if_new
from fxexport.capture.session.session import Session
from fxexport.capture.session.tries import OpenTry, these
from fxexport.capture.staging.alternatives import (
    each_alternative,
    ending_its_path,
    is_one_of_several,
    is_one_of_tensors,
)
from fxexport.capture.staging.chosen_tensors import (
    call_on_each,
    is_torch_function,
)
from fxexport.capture.staging.raised_paths import run_statement
from fxexport.capture.values.choice import Choice, settled_to
from fxexport.capture.values.maybe import Maybe, force, narrowed, uncertain_in
from fxexport.capture.values.uncertain_keys import is_uncertain
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location
from fxexport.source.ownership import is_torch_internal

__all__ = ["Callees", "Calls"]


class Callees(Protocol):
    """Finds what rewritten code calls instead of a function."""

    def callable_for(self, function: object) -> Function:
        """What to call instead of a function."""

    def is_rewritten(self, function: object) -> bool:
        """Whether what `callable_for` gave is rewritten code of the program."""

    def handed(self, value: object) -> Any:
        """What PyTorch's own code is given for a function of the program."""

    def is_read(self, function: object) -> bool:
        """Whether what `callable_for` gave is rewritten code, or code of ours that calls it."""


class Calls:
    """The operators that call functions."""

    def __init__(self, session: Session, callees: Callees, conditionals: Conditionals) -> None:
        self._session = session
        self._callees = callees
        self._conditionals = conditionals

    def call(self, function: object) -> Function:
        """What to call instead of a function."""
        function = force(function)
        if isinstance(function, Choice):
            return functools.partial(self._of_each, function)
        found = self._callees.callable_for(function)
        if self._callees.is_rewritten(found):
            return found
        if self._callees.is_read(found):
            return functools.partial(self._stand_in, found)
        return functools.partial(self._outside, found)

    def _of_each(self, functions: Choice, *args: object, **kwargs: object) -> object:
        """A call of one of several functions."""

        def called(function: object) -> Any:
            return self.call(function)(*args, **kwargs)

        # What Python's own methods raise is no line of the program's.
        built_in = any(isinstance(one, BuiltinMethodType) for one in functions.values)
        use = ending_its_path(called) if built_in else called
        return each_alternative(self._session, functions, use)

    def _stand_in(self, function: Function, *args: object, **kwargs: object) -> Any:
        """A call of a function of ours, once for each value that an argument may be."""
        several = next(filter(is_one_of_several, (*args, *kwargs.values())), None)
        if several is None:
            return function(*args, **kwargs)

        def settled(one: object) -> object:
            given = [one if arg is several else arg for arg in args]
            named = {name: one if arg is several else arg for name, arg in kwargs.items()}
            return self._stand_in(function, *given, **named)

        return each_alternative(self._session, several, settled)

    def _outside(self, function: Function, *args: object, **kwargs: object) -> object:
        """A call of code that is not rewritten: it must be given certain values."""
        if takes_anything(function):
            if function.__name__ in ("extend", "extendleft", "update"):
                whole_all(self._session, args)
            made = function(*args, **kwargs)
            return noted_if_new(self._session.journal, made)
        if _is_of_torch(function):
            args = tuple(map(self._callees.handed, args))
            kwargs = {key: self._callees.handed(value) for key, value in kwargs.items()}
        given = (*args, *kwargs.values())
        refuse_compiled(function, given)
        whole_all(self._session, given)
        with noting_changes(self._session, given):
            result = self.with_certain(function, args, kwargs)
        if is_buffer(result):
            return self._session.journal.made(result)
        return noted_if_new(self._session.journal, result)

    def with_certain(
        self, function: Function, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        """One call for each case of arguments that may be there or not."""
        maybe = uncertain_in((args, kwargs))
        if maybe is None:
            return function(*args, **kwargs)
        if isinstance(maybe, Choice):

            def settled(one: object) -> object:
                return self.with_certain(
                    function, settled_to(args, maybe, one), settled_to(kwargs, maybe, one)
                )

            if is_one_of_tensors(maybe) and is_torch_function(function):
                name = getattr(function, "__name__", "")
                return call_on_each(self._session, maybe, name, settled, kwargs)
            return each_alternative(self._session, maybe, settled)
        choice = narrowed(maybe)
        if maybe.absent is not None:
            choice = force(maybe)

        def given(value: object) -> Any:
            return self.with_certain(
                function, settled_to(args, maybe, value), settled_to(kwargs, maybe, value)
            )

        if not isinstance(choice, Maybe):
            return given(choice)

        def without() -> object:
            try:
                return given(None)
            except (TypeError, AttributeError, ValueError, RuntimeError) as error:
                raise note_raised(error) from None

        return self._conditionals.if_exp(maybe.present, lambda: given(maybe.value), without)

    def call_with_keys(self, function: object) -> Function:
        """What to call instead of a function that is given ``**value``, for each set of keys."""
        found = self.call(function)

        def called(*args: object, **kwargs: object) -> Any:
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
            return self._conditionals.if_exp(
                item.present, lambda: called(*args, **given), lambda: called(*args, **others)
            )

        return called

    def own_truth(self, value: object) -> object:
        """What ``__bool__`` or ``__len__`` of a class of the program gives; else the value."""
        own = special_method(value, "__bool__") or special_method(value, "__len__")
        return value if own is None else self.call(own)()

    def context(self, manager: object) -> object:
        """The manager of a with statement that stays one."""
        there = force(manager)
        if isinstance(there, Choice):
            raise UnsupportedError(
                "the manager of this with statement is one of several, which one is known only "
                "when the model runs",
                code=Code.ONE_OF_SEVERAL,
                location=user_location(),
                hint="write the with statement in both branches",
            )
        if isinstance(there, torch.autograd.profiler.record_function):
            return contextlib.nullcontext(there)
        if special_method(there, "__enter__") is None:
            return there
        caught = self._session.tries.catching(*_caught_by(there))
        return Context(self.call, there, caught)

    def with_stmt(
        self,
        manager: object,
        body: Callable[[Any], Any],
        names: tuple[str, ...],
        globals_: tuple[str, ...],
    ) -> Any:
        """A with statement.

        Args:
            manager: its manager.
            body: its body, which is given what the manager is entered as.
            names: the variables that it binds.
            globals_: the global ones.
        """
        session, there = self._session, force(manager)
        if isinstance(there, torch.autograd.profiler.record_function):
            return body(there)
        slots = slots_of((body,), names, globals_)
        generated = getattr(there, "gen", None)
        if (
            isinstance(there, contextlib._GeneratorContextManager)
            and isinstance(generated, Generated)
            and generated.is_unused
        ):
            return self._with_generated(generated, body, slots)
        around = OpenTry(these(*_caught_by(there)), slots=slots, again=self._is_left_twice(there))
        entered: list[Any] = []

        def run_body() -> Any:
            return body(entered[0])

        if special_method(there, "__enter__") is None:

            def statement(run: Callable[[], Any]) -> Any:
                with there as given:
                    entered.append(given)
                    return run()

            return run_statement(session, statement, run_body, around)
        entered.append(self.call(MethodType(type(there).__enter__, there))())
        leave = self.call(MethodType(type(there).__exit__, there))

        def left(run: Callable[[], Any]) -> Any:
            try:
                result = run()
            except BaseException as error:
                told = leave(type(error), error, error.__traceback__)
                if not self._conditionals.truth(told):
                    raise
                return None
            leave(None, None, None)
            return result

        return run_statement(session, left, run_body, around)

    def _is_left_twice(self, manager: object) -> bool:
        """Whether a manager that has been left can be left again, with an exception this time.

        Those of the program are, since what leaving them changes is taken back; PyTorch's are
        entered again.
        """
        if type(manager) in (contextlib.suppress, contextlib.nullcontext):
            return True
        if special_method(manager, "__enter__") is None:
            return type(manager).__module__.split(".")[0] == "torch"
        leave = special_method(manager, "__exit__")
        return self._callees.is_rewritten(self._callees.callable_for(leave))

    def _with_generated(
        self, generated: Generated, body: Callable[[Any], Any], slots: list[Slot]
    ) -> Any:
        """``with`` a generator under ``@contextmanager``: the body is called where it yields."""
        session = self._session
        result = CellSlot(CellType(None), "_fx_result")

        def consumer(item: object) -> None:
            value = body(item)
            session.journal.touch(result)
            result.set(value)

        with session.tries.around(OpenTry(slots=[*slots, result], again=True)):
            generated.produce(consumer, lambda: False)
        return narrowed(result.get())


def _caught_by(manager: object) -> tuple[type[BaseException], ...]:
    """The classes of the exceptions that a manager may catch."""
    if isinstance(manager, contextlib.suppress):
        return tuple(vars(manager)["_exceptions"])
    own = special_method(manager, "__exit__") is not None
    return (BaseException,) if own and may_catch(cast("Any", manager)) else ()


def _is_of_torch(function: Function) -> bool:
    """Whether a function is Python code of PyTorch's that is not rewritten."""
    code = getattr(function, "__code__", None)
    return code is not None and is_torch_internal(code.co_filename)
