"""Exceptions as values: what they are made of, and one like another of other parts."""

from __future__ import annotations

from typing import Any

from fxexport.source.exceptions import attributes_of, copy_note

__all__ = ["exception_like", "exception_parts", "fill_exception", "of_one_exception_form"]


def exception_parts(error: BaseException) -> list[object]:
    """Its arguments, and the values of its attributes."""
    return [*error.args, *attributes_of(error).values()]


def of_one_exception_form(a: BaseException, b: BaseException) -> bool:
    """Whether two exceptions differ in the values of their parts at most."""
    return (
        type(a) is type(b)
        and len(a.args) == len(b.args)
        and list(attributes_of(a)) == list(attributes_of(b))
        and a.__cause__ is b.__cause__
    )


def exception_like(error: BaseException, items: list[Any]) -> BaseException:
    """Another exception of the same class; what its class does when one is made is not done."""
    kind = type(error)
    made: BaseException = kind.__new__(kind)
    made.args = error.args
    vars(made).update(attributes_of(error))
    fill_exception(made, items)
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = error.__suppress_context__
    return copy_note(error, made)


def fill_exception(error: BaseException, items: list[Any]) -> None:
    """Gives an exception of ours other arguments and attributes."""
    args, names = tuple(items[: len(error.args)]), list(attributes_of(error))
    # What Python's own class keeps beside them (a StopIteration its value).
    builtin: Any = next(base for base in type(error).__mro__ if base.__module__ == "builtins")
    builtin.__init__(error, *args)
    error.args = args
    vars(error).update(zip(names, items[len(args) :], strict=True))
