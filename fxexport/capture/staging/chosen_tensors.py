"""What is done with a variable that is one of several tensors which stay what they are.

Only what writes has to be done for each of them. A view of one is one of several views; whatever
else there is reads, and is done once with what the tensor holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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
    "unbind", "split", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "T", "mT", "H", "mH",
    "adjoint", "__getitem__", "as_strided", "data",
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
        found = None if asks or not views else _chosen(session, choice, views)
        if found is None:
            attempt.roll_back()
    return each_alternative(session, choice, use) if found is None else found


def _chosen(session: Session, choice: Choice, views: Sequence[Value]) -> Value:
    """One of several views, or of several tuples of views; None for anything else."""
    first = views[0]
    if isinstance(first, (tuple, list)):
        columns = [cast("Sequence[Value]", view) for view in views]
        if len({len(column) for column in columns}) > 1:
            return None
        parts = [_chosen(session, choice, part) for part in zip(*columns, strict=True)]
        return None if any(part is None for part in parts) else tuple(parts)
    base_of = session.tensors.base_of
    for view, one in zip(views, choice.values, strict=True):
        if not isinstance(view, torch.Tensor) or not of_one_form(first, view):
            return None
        if base_of(view) is not base_of(cast("torch.Tensor", one)):
            return None
    return choice.like([*choice.flags, *views])


def method_of_each(session: Session, choice: Choice, name: str, bound: Function) -> Function:
    """A method of one of several tensors; `bound` gives that of one of them."""

    def called(*args: Any, **kwargs: Any) -> Value:
        return call_on_each(session, choice, name, lambda one: bound(one)(*args, **kwargs), kwargs)

    return called
