"""What is done with a variable that is one of several tensors which stay what they are.

Only what writes has to be done for each of them. A view of one is one of several views; whatever
else there is reads, and is done once with what the tensor holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch

from fxexport.capture.recording.types import Function, Value
from fxexport.capture.session.session import Session
from fxexport.capture.staging.alternatives import each_alternative, merged_copy
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import of_one_form
from fxexport.errors import FxExportError
from fxexport.graph.ops import guard

__all__ = ["call_on_each", "is_torch_function", "method_of_each", "view_of_each"]

# Functions and methods, and attributes, whose results look into the tensor.
_VIEWS = frozenset({
    "view", "view_as", "reshape", "reshape_as", "flatten", "ravel", "unflatten", "transpose", "t",
    "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "select", "narrow", "squeeze",
    "unsqueeze", "expand", "expand_as", "diagonal", "unfold", "detach", "contiguous", "positive",
    "T", "mT", "H", "mH", "adjoint", "__getitem__", "as_strided", "data",
})  # fmt: skip


@functools.cache
def _of_torch() -> frozenset[object]:
    functions = torch.overrides.get_overridable_functions()
    return frozenset(one for group in functions.values() for one in group)


_STORES = frozenset({
    "__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__",
    "__ifloordiv__", "__imod__", "__ipow__", "__imatmul__", "__iand__", "__ior__", "__ixor__",
    "__ilshift__", "__irshift__",
})  # fmt: skip


def is_torch_function(function: object) -> bool:
    """Whether a function is one of PyTorch's on tensors."""
    try:
        return function in _of_torch()
    except TypeError:  # it cannot be hashed
        return False


def _writes(name: str, kwargs: dict[str, Any]) -> bool:
    """Whether a function changes a tensor that it is given."""
    in_place = name.endswith("_") and not name.endswith("__")
    return (
        in_place or name in _STORES or bool(kwargs.get("inplace")) or kwargs.get("out") is not None
    )


def call_on_each(
    session: Session, choice: Choice, name: str, use: Callable[[Value], Value], kwargs: Any = None
) -> Value:
    """What a function of PyTorch's gives for one of several tensors.

    Args:
        session: the capture.
        choice: the tensors.
        name: the name of the function.
        use: calls it, with one of them.
        kwargs: its named arguments.
    """
    if _writes(name, kwargs or {}):
        return each_alternative(session, choice, use)
    if name in _VIEWS:
        return view_of_each(session, choice, use)
    return use(merged_copy(session, choice))


def view_of_each(session: Session, choice: Choice, use: Callable[[Value], Value]) -> Value:
    """One of several views, or what else `use` gives for one of several tensors."""
    base_of = session.tensors.base_of
    before = len(session.recorder.frame.graph.nodes)
    with session.transaction() as attempt:
        try:
            views = [use(one) for one in choice.values]
        except FxExportError:
            raise
        except Exception:
            views = []
        nodes = list(session.recorder.frame.graph.nodes)[before:]
        asks = any(node.target is guard for node in nodes)
        looks = not asks and all(
            isinstance(view, torch.Tensor) and base_of(view) is base_of(cast("torch.Tensor", one))
            for view, one in zip(views, choice.values, strict=False)
        )
        if not views or not looks or not all(of_one_form(views[0], view) for view in views):
            attempt.roll_back()
            views = []
    if not views:
        return each_alternative(session, choice, use)
    return choice.like([*choice.flags, *views])


def method_of_each(session: Session, choice: Choice, name: str, bound: Function) -> Function:
    """A method of one of several tensors; `bound` gives that of one of them."""

    def called(*args: Any, **kwargs: Any) -> Value:
        return call_on_each(session, choice, name, lambda one: bound(one)(*args, **kwargs), kwargs)

    return called
