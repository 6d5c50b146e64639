"""Whether two recordings of one call compute the same."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.types import SYM, Operand, Value

__all__ = ["SameRecording"]


class SameRecording:
    """Compares what was recorded in two frames with one parent, where the present facts hold.

    Args:
        env: knows the facts.
        inner: gives the fake tensor that a tensor of the program holds.
    """

    def __init__(self, env: compat.SizeEnv, inner: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._env = env
        self._inner = inner
        self._seen: dict[tuple[fx.Node, fx.Node], bool] = {}
        self._outer: list[dict[fx.Node, fx.Node]] = []

    def of(self, a: tuple[Frame, Value], b: tuple[Frame, Value]) -> bool:
        """Whether two frames and the values that the call gave in them are the same.

        Empty tensors of one size are, however they were made.
        """
        self._outer = [
            {placeholder: node for node, placeholder in frame.captures.items()}
            for frame, _ in (a, b)
        ]
        pairs = _paired(a[1], b[1])
        return pairs is not None and all(self._results(a[0], b[0], *pair) for pair in pairs)

    def _results(self, a: Frame, b: Frame, one: Value, other: Value) -> bool:
        if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
            return self._numbers(one, other)
        held = [self._inner(tensor) for tensor in (one, other)]
        if held[0].dtype != held[1].dtype or held[0].dim() != held[1].dim():
            return False
        if not all(map(self._numbers, held[0].shape, held[1].shape)):
            return False
        if self._numbers(held[1].numel(), 0):
            return True
        nodes = [frame.tensors.get(id(tensor)) for frame, tensor in zip((a, b), held, strict=True)]
        if nodes[0] is None or nodes[1] is None:
            return held[0] is held[1]  # both give what was there before
        return self._same(nodes[0][1], nodes[1][1])

    def _numbers(self, one: Value, other: Value) -> bool:
        """Whether two numbers, or other values that are no tensors, are equal."""
        sides = [value.node.expr if isinstance(value, SYM) else value for value in (one, other)]
        if not any(isinstance(side, sympy.Basic) for side in sides):
            return type(one) is type(other) and bool(one == other)
        try:
            a, b = (self._env.replace(sympy.sympify(side)) for side in sides)
        except (sympy.SympifyError, TypeError):
            return False
        return bool(a == b) or self._env.certain(sympy.Eq(a, b))

    def _same(self, a: Operand, b: Operand) -> bool:
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            return len(a) == len(b) and all(map(self._same, a, b))
        if not isinstance(a, fx.Node) or not isinstance(b, fx.Node):
            values = [v.meta.get("val") if isinstance(v, fx.Node) else v for v in (a, b)]
            return self._numbers(*values)
        key = (a, b)
        if key not in self._seen:
            self._seen[key] = self._nodes(a, b)
        return self._seen[key]

    def _nodes(self, a: fx.Node, b: fx.Node) -> bool:
        vals = [node.meta.get("val") for node in (a, b)]
        if all(isinstance(val, SYM) for val in vals) and self._numbers(*vals):
            return True
        if a.op == "placeholder" and b.op == "placeholder":
            return self._outer[0].get(a) is self._outer[1].get(b)
        if a.op != b.op or a.target != b.target or a.op != "call_function":
            return False
        if a.kwargs.keys() != b.kwargs.keys():
            return False
        return self._same(a.args, b.args) and all(
            self._same(a.kwargs[name], b.kwargs[name]) for name in a.kwargs
        )


def _paired(a: Value, b: Value) -> list[tuple[Value, Value]] | None:
    """The values in two results of one structure; None for results of two."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            return None
        parts = [_paired(one, other) for one, other in zip(a, b, strict=True)]
        return None if None in parts else [pair for part in parts for pair in part or ()]
    return [(a, b)]
