"""What if statements, conditional expressions, asserts and raises become in rewritten code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fxexport.capture.branching import condition_of, stage_branch
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.keys import is_iterator, settled
from fxexport.capture.optional import Maybe, force, narrowed
from fxexport.capture.session import Poison, Session, dynamic_inside, is_dynamic
from fxexport.capture.variables import slots_of
from fxexport.errors import FxExportError, UnsupportedError

__all__ = ["Conditionals"]

# Exceptions that say nothing about the sizes or values of tensors.
_HARMLESS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "NameError"})


class Conditionals:
    """The operators that decide."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def if_stmt(
        self, test: Any, then: Any, other: Any, names: tuple[str, ...], globals_: tuple[str, ...]
    ) -> None:
        """An if statement that falls through."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            (then if condition else other)()
        else:
            stage_branch(
                self.session, condition, then, other, slots_of((then, other), names, globals_)
            )

    def if_return(
        self, test: Any, then: Any, other: Any, names: tuple[str, ...], globals_: tuple[str, ...]
    ) -> Any:
        """An if statement both sides of which return."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            return (then if condition else other)()
        slots = slots_of((then, other), names, globals_)
        return self.read(stage_branch(self.session, condition, then, other, slots))

    def if_exp(self, test: Any, then: Any, other: Any, names: tuple[str, ...]) -> Any:
        """``a if c else b``."""
        condition = condition_of(self.session, test)
        if isinstance(condition, bool):
            return (then if condition else other)()
        return self.read(
            stage_branch(self.session, condition, then, other, slots_of((then, other), names))
        )

    def as_bool(self, value: Any) -> Any:
        """The truth of a value: a bool, a SymBool or a bool tensor."""
        return condition_of(self.session, value)

    def truth(self, value: Any) -> bool:
        """A condition in a place where both ways cannot be kept."""
        condition = condition_of(self.session, value)
        if isinstance(condition, bool):
            return condition
        raise self.session.unread(
            "a condition that is known only when the model runs, in a comprehension, a generator, "
            "a match statement or code that runs as it is",
            "write it as an if statement in a for loop or function",
        )

    def match_subject(self, value: Any) -> Any:
        """The subject of a match statement, which Python compares by itself."""
        value = narrowed(value)
        if isinstance(value, Poison):
            raise value.refuse()
        if is_dynamic(value) or (isinstance(value, (tuple, list)) and dynamic_inside(value)):
            raise UnsupportedError(
                "a match statement on a value that is known only when the model runs",
                location=user_location(),
                hint="write it as if/elif",
            )
        return value

    def assert_stmt(self, test: Any, message: Callable[[], Any]) -> None:
        """An assert: where it cannot be decided, the file takes it for granted."""

        def fail() -> None:
            raise self.raising(AssertionError(*message()))

        self.if_stmt(test, lambda: None, fail, (), ())

    def raising(self, error: Any) -> Any:
        """Marks an exception as raised by a raise statement of the program."""
        if isinstance(error, type) and issubclass(error, BaseException):
            error = error()
        if isinstance(error, Exception) and not isinstance(error, FxExportError):
            with contextlib.suppress(AttributeError):
                error.fx_raised = True  # type: ignore[attr-defined]
                error.fx_location = user_location()  # type: ignore[attr-defined]
        return error

    @contextlib.contextmanager
    def trying(self, caught: tuple[str, ...]) -> Iterator[None]:
        """Around the body of a try statement whose handlers catch these."""
        if all(name.split(".")[-1] in _HARMLESS for name in caught):
            self.session.name_tries += 1
            try:
                yield
            finally:
                self.session.name_tries -= 1
            return
        before = self.session.env.num_deferred_runtime_asserts
        self.session.try_depth += 1
        try:
            yield
        finally:
            self.session.try_depth -= 1
        if self.session.env.num_deferred_runtime_asserts > before:
            raise UnsupportedError(
                "whether this raises depends on the input's sizes; a try around it may catch it",
                location=user_location(),
                hint="test the sizes with an if instead of catching the exception",
            )

    def whole(self, value: Any) -> Any:
        """A value that Python goes through now: it is there, with all keys, and not used up.

        Raises:
            UnsupportedError: that depends on the way through a branch or loop.
        """
        value = settled(force(value))
        if is_iterator(value) and not self.session.journal.advance(value):
            raise UnsupportedError(
                "an iterator is advanced here and also in a branch or loop that may not be taken",
                location=user_location(),
                hint="take the items into a list before, and index it",
            )
        return value

    def whole_all(self, values: Iterable[Any]) -> None:
        """`whole` for the arguments of a function that may go through them."""
        for value in values:
            if not isinstance(value, Maybe):
                self.whole(value)

    def read(self, value: Any) -> Any:
        """A read of a variable that branches or loops may bind."""
        if type(value) is Poison:
            raise value.refuse()
        if type(value) is Maybe:
            return force(value) if value.absent is UNSET else narrowed(value)
        return value
