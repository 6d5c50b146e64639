"""Operators that look into the memory of a tensor, whatever the tensor shows of it.

`as_strided` of a view reads the memory of the tensor that the view looks into. What lies where is
known if the strides of that one are (`layout_origins.py`); its elements are then taken by index
(`strided.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol

import sympy
import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport.capture.recording.layout_origins import origin_of
from fxexport.capture.recording.layouts import is_contiguous
from fxexport.capture.recording.recorder import Recorder
from fxexport.capture.recording.types import OpArgs, OpKwargs, Size, expression
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.report.model import FindingKind
from fxexport.source.frames import user_location

__all__ = ["MemoryViews"]

_STRIDED = frozenset(
    f"aten::{name}"
    for name in ("as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter")
)
_RESIZES = frozenset(["aten::resize_", "aten::resize_as_"])

Call = tuple[torch._ops.OpOverload, OpArgs, OpKwargs]


class Watch(Protocol):
    """Who is told what such an operator needs."""

    def needs(
        self, condition: bool | torch.SymBool, text: str, error: str = "RuntimeError"
    ) -> None:
        """PyTorch raises where a condition on sizes does not hold."""

    def note(self, kind: FindingKind, message: str) -> None:
        """A finding for the report."""


class MemoryViews:
    """What is known of how the program's tensors lie in memory.

    Args:
        recorder: has the nodes that made them.
        base_of: the tensor that a view looks into.
        inner: the fake tensor that a tensor holds now.
        watch: is told what PyTorch needs of sizes, and what is taken for granted.
    """

    def __init__(
        self,
        recorder: Recorder,
        base_of: Callable[[torch.Tensor], torch.Tensor],
        inner: Callable[[torch.Tensor], torch.Tensor],
        watch: Watch,
    ) -> None:
        self._recorder = recorder
        self._base_of = base_of
        self._inner = inner
        self._watch = watch
        # A tensor that has been written to -> the fake one that it began with.
        self._first: MutableMapping[torch.Tensor, torch.Tensor] = WeakIdKeyDictionary()
        self._contiguous: MutableMapping[torch.Tensor, bool] = WeakIdKeyDictionary()

    def about_to_write(self, base: torch.Tensor) -> None:
        """Memory stays as it was laid out, whatever is written into it."""
        if base not in self._first:
            self._first[base] = self._inner(base)

    def made_contiguous(self, x: torch.Tensor) -> None:
        """Notes what ``contiguous()`` has given: it lies in order whatever made it."""
        self._contiguous[x] = True

    def call(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> Call:
        """What to call so that nothing is read but the tensor that it is given.

        Raises:
            UnsupportedError: how that lies in memory is not known.
        """
        name = func._schema.name
        if name in _RESIZES:
            return self._resized(*args, **kwargs)
        if name not in _STRIDED:
            return func, args, kwargs
        rest = list(func._schema.arguments[1 : len(args)])
        given = {argument.name: value for argument, value in zip(rest, args[1:], strict=True)}
        given |= kwargs
        # From the beginning of memory on: a file would take negative places for those at its end.
        for number in (*given["stride"], given.get("storage_offset")):
            if isinstance(number, torch.SymInt):
                self._watch.needs(number >= 0, "a stride or an offset in memory is not below 0")
        x = self._owner(args[0], given, name)
        others = [given.pop(a.name) for a in func._schema.arguments[1:] if a.name in given]
        return func, (x, *others), {}

    def _owner(self, x: torch.Tensor, given: OpKwargs, name: str) -> torch.Tensor:
        """The tensor whose memory is read, by a place from its beginning on."""
        offset = given.get("storage_offset")
        base = self._base_of(x)
        whole = self._contiguous.get(x, False) and is_contiguous(self._inner(x))
        if offset is None and (whole or (base is not x and name == "aten::as_strided_scatter")):
            if not whole:
                self._check(base)
            return x
        self._check(base)
        if base is not x and name in ("aten::as_strided_", "aten::as_strided_scatter"):
            raise UnsupportedError(
                f"{name.removeprefix('aten::')} of a view looks into the memory of another tensor",
                code=Code.MEMORY,
                location=user_location(),
                hint="clone() it first",
            )
        if offset is None and base is not x:
            given["storage_offset"] = self._inner(x).storage_offset()
        return base

    def _check(self, base: torch.Tensor) -> None:
        now = self._inner(base)
        first = self._first.get(base, now)
        unknown, inputs = origin_of(self._recorder.frame, first)
        if unknown is None and list(map(expression, first.stride())) != list(
            map(expression, now.stride())
        ):
            unknown = "what is written to it"
        if unknown is not None:
            raise UnsupportedError(
                "the memory of a tensor is read by strides, and how it lies there is not known: "
                f"it depends on {unknown}",
                code=Code.MEMORY,
                location=user_location(),
                hint="call contiguous() before it, or write it with slicing, unfold or reshape",
            )
        if inputs:
            self._watch.note(
                "assumption",
                f"memory is read by strides; the input {inputs[0]!r} is taken to be contiguous",
            )

    def _resized(
        self, x: torch.Tensor, size: Sequence[Size] | torch.Tensor, **kwargs: object
    ) -> Call:
        """`resize_` to fewer elements: those that lie first in memory."""
        sizes = list(size.shape if isinstance(size, torch.Tensor) else size)
        if kwargs.get("memory_format") not in (None, torch.contiguous_format):
            raise UnsupportedError(
                "resize_ to another memory format gives elements that PyTorch does not define",
                code=Code.MEMORY,
                location=user_location(),
            )
        fake = self._inner(x)
        before, after = math.prod(fake.shape), math.prod(sizes)
        if self._recorder.env.certain(sympy.Gt(expression(after), expression(before))):
            raise UnsupportedError(
                "resize_ to more elements leaves the new ones undefined",
                code=Code.MEMORY,
                location=user_location(),
                hint="make a new tensor, with torch.nn.functional.pad for example",
            )
        self._watch.needs(after <= before, "resize_ is not to more elements than there are", "")
        self._owner(x, {}, "aten::as_strided_")
        steps: list[Size] = [1]
        for n in reversed(sizes[1:]):
            steps.append(steps[-1] * torch.sym_max(n, 1))
        strides = steps[::-1] if sizes else []
        return torch.ops.aten.as_strided_.default, (x, sizes, strides), {}
