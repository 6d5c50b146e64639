"""Values that can be computed at export: what hangs on small constants alone.

A schedule that a model computes from Python numbers, a table that it looks something up in, a
buffer that nobody writes: what an if asks of these has one answer in every call. The operators that
are recorded are run on the real tensors, as PyTorch would, where these are few and small.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import Any

import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.frame_writer import FrameWriter

__all__ = ["Constants"]

# Elements of a tensor, and operators behind one another, that are computed at most.
_MOST_ELEMENTS = 4096
_MOST_OPERATORS = 200


class Constants:
    """Computes tensors of the program that hang on constants alone.

    Args:
        writer: holds the graphs that are being written.
        name_of: names real tensors.
        unread: names of weights whose values may not be used: those that others will put into the
            file, and those that the program writes.

    Attributes:
        read: names of the weights whose values were used, but for those that the program makes.
    """

    def __init__(
        self,
        writer: FrameWriter,
        name_of: Callable[[torch.Tensor], str],
        unread: Container[str] = (),
    ) -> None:
        self._writer, self._name_of = writer, name_of
        self._unread = unread
        self.read: set[str] = set()
        # name -> the tensor as the program has it, which may be a parameter
        self._met: dict[str, torch.Tensor] = {}
        self._made: set[int] = set()
        self._values: dict[fx.Node, Any] = {}

    def met(self, name: str, tensor: torch.Tensor) -> None:
        """Notes a real tensor that the program uses."""
        self._met[name] = tensor

    def made(self, tensor: object) -> None:
        """Notes a real tensor that the program itself has made, as by `torch.tensor`."""
        self._made.add(id(tensor))

    def may_read(self, tensor: torch.Tensor) -> bool:
        """Whether what is in a real tensor may decide something; notes that it does."""
        if isinstance(tensor, compat.FakeTensor) or tensor.device.type == "meta":
            return False
        if id(tensor) in self._made:
            return True
        name = self._name_of(tensor)
        if name in self._unread:
            return False
        self.read.add(name)
        return True

    def value_of(self, fake: torch.Tensor) -> torch.Tensor | None:
        """What a fake tensor of the graph holds in every call; None where that is not known."""
        if not _is_small(fake):
            return None
        frame: Frame | None = self._writer.frame
        while frame is not None:
            held = frame.tensors.get(id(fake))
            if held is not None:
                value = self._value(held[1], frame, [0])
                return value if isinstance(value, torch.Tensor) else None
            frame = frame.parent
        return None

    def _value(self, node: fx.Node, frame: Frame, count: list[int]) -> Any:
        """The value of a node; None where it hangs on more than constants."""
        if node in self._values:
            return self._values[node]
        value = None
        if "weight" in node.meta:
            value = self._weight(node.meta["weight"])
        elif node.op == "placeholder" and frame.parent is not None:
            outer = next((out for out, own in frame.captures.items() if own is node), None)
            return None if outer is None else self._value(outer, frame.parent, count)
        elif node.op == "call_function":
            count[0] += 1
            if count[0] <= _MOST_OPERATORS and _is_fixed(node):
                value = self._computed(node, frame, count)
        self._values[node] = value
        return value

    def _computed(self, node: fx.Node, frame: Frame, count: list[int]) -> Any:
        values: dict[fx.Node, Any] = {}
        for used in node.all_input_nodes:
            values[used] = self._value(used, frame, count)
            if values[used] is None:
                return None
        args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
        assert callable(node.target)
        try:
            return compat.real_result(node.target, args, kwargs)
        except Exception:  # what raises is left to the file
            return None

    def _weight(self, name: str) -> torch.Tensor | None:
        tensor = self._met.get(name)
        # A weight that is trained stays one: a branch on it is kept.
        if tensor is None or isinstance(tensor, torch.nn.Parameter) or not _is_small(tensor):
            return None
        return tensor if self.may_read(tensor) else None


def _is_small(value: object) -> bool:
    """Whether a value is a tensor of few elements, as many as are known."""
    if not isinstance(value, torch.Tensor):
        return False
    known = all(type(size) is int for size in value.shape)
    return known and value.numel() <= _MOST_ELEMENTS


def _is_fixed(node: fx.Node) -> bool:
    """Whether a node gives small tensors, the same ones in every call."""
    value = node.meta.get("val")
    if not all(map(_is_small, value if isinstance(value, (tuple, list)) else [value])):
        return False
    target = node.target
    if target is operator.getitem:
        return True
    return (
        isinstance(target, torch._ops.OpOverload)
        and target.namespace == "aten"
        and torch.Tag.nondeterministic_seeded not in target.tags
        and "empty" not in target._schema.name
        and not target._schema.is_mutable
    )
