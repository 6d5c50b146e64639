"""Complex values as pairs of real nodes, and what the rules write real operators with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import torch
from torch import fx

from fxexport._torch_compat import empty_beside
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.arguments import Size
from fxexport.graph.captured import source_of
from fxexport.graph.complex_values import real_dtype
from fxexport.graph.editing import call

__all__ = ["Pair", "PairWriter", "Part", "is_tensor", "real_named", "shape_of"]

aten = torch.ops.aten

Number = int | float | bool
"""A real Python number."""

Part: TypeAlias = fx.Node | Number
"""One half of a complex value: a real tensor, or a number."""


@dataclass
class Pair:
    """A complex value.

    Attributes:
        re: the real parts.
        im: the imaginary parts, of the same sizes; None where they are 0.
        joined: both in one tensor with a last dimension of 2, where the graph has that.
    """

    re: Part
    im: Part | None
    joined: fx.Node | None = None


class PairWriter:
    """Writes the real operators that one operator on complex numbers becomes.

    Attributes:
        node: the operator that is taken apart.
    """

    def __init__(self, node: fx.Node, some: torch.Tensor) -> None:
        """`some` is the metadata of any tensor: its mode and device are those of all."""
        self.node = node
        self._some = some

    # What the operator gives

    @property
    def val(self) -> torch.Tensor:
        """What the operator gives, the first of several results: its metadata."""
        val = self.node.meta["val"]
        first = val[0] if isinstance(val, (tuple, list)) else val
        assert isinstance(first, torch.Tensor)
        return first

    @property
    def shape(self) -> Sequence[Size]:
        """The sizes of what the operator gives."""
        return tuple(self.val.shape)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parts of what the operator gives."""
        return real_dtype(self.val.dtype)

    # Writing

    def empty(self, shape: Sequence[Size], dtype: torch.dtype) -> torch.Tensor:
        """The metadata of a tensor of these sizes."""
        return empty_beside(self._some, shape, dtype)

    def call(
        self,
        target: Callable[..., Any],
        *args: Any,
        shape: Sequence[Size] | None = None,
        dtype: torch.dtype | None = None,
        named: Mapping[str, Any] | None = None,
    ) -> fx.Node:
        """A call before the operator.

        Args:
            target: what is called.
            args: its arguments.
            shape: the sizes of its result; by default those of the operator's.
            dtype: its dtype; by default that of the parts of the operator's result.
            named: its arguments by name.
        """
        sizes = self.shape if shape is None else shape
        written = call(
            self.node, target, *args, val=self.empty(sizes, self.dtype if dtype is None else dtype)
        )
        written.kwargs = dict(named or {})
        return written

    def size(self, x: fx.Node, dim: int) -> fx.Node:
        """A size of a tensor, as a number."""
        return call(self.node, aten.sym_size.int, x, dim, val=shape_of(x)[dim])

    def several(
        self,
        target: Callable[..., Any],
        *args: Any,
        vals: Sequence[torch.Tensor],
        named: Mapping[str, Any] | None = None,
    ) -> list[fx.Node]:
        """A call with several results, each as a node."""
        written = call(self.node, target, *args, val=tuple(vals))
        written.kwargs = dict(named or {})
        return [call(self.node, operator.getitem, written, k, val=v) for k, v in enumerate(vals)]

    def map(self, target: Callable[..., Any], x: fx.Node, *args: Any) -> fx.Node:
        """An operator on one tensor that keeps its sizes and dtype."""
        return self.call(target, x, *args, shape=shape_of(x), dtype=x.meta["val"].dtype)

    def of(self, target: Callable[..., Any], a: Part, b: Part) -> Part:
        """An elementwise operator on two values; between numbers, the number."""
        if not isinstance(a, fx.Node):
            if not isinstance(b, fx.Node):
                return _ON_NUMBERS[target](a, b)  # type: ignore[no-any-return]
            a = self.number(a, dtype_of(b, self.dtype))
        return self.call(target, a, b, shape=self._together(a, b))

    def _together(self, *parts: Part) -> Sequence[Size]:
        """The sizes that some parts have together; where they differ, those of the operator."""
        shapes = [shape for part in parts if (shape := shape_of(part))]
        if not shapes:
            return ()
        same = len({tuple(map(str, shape)) for shape in shapes}) == 1
        return shapes[0] if same else self.shape

    def where(self, condition: fx.Node, a: Part, b: Part) -> fx.Node:
        """``a`` where the condition holds, else ``b``."""
        one, other = self.tensor(a), self.tensor(b)
        shape = self._together(condition, one, other)
        return self.call(aten.where.self, condition, one, other, shape=shape)

    def asked(self, target: Callable[..., Any], *operands: Part) -> fx.Node:
        """A question about each element, of operands of one size: a comparison, for example."""
        shape = shape_of(operands[0])
        return self.call(target, *operands, shape=shape, dtype=torch.bool)

    def is_zero(self, x: fx.Node) -> fx.Node:
        """Which elements are 0."""
        return self.asked(aten.eq.Scalar, x, 0)

    def is_true(self, pair: Pair) -> fx.Node:
        """Which complex numbers are not 0."""
        halves = [self.asked(aten.ne.Scalar, part, 0) for part in self.parts(pair)]
        return self.asked(aten.logical_or.default, *halves)

    def add(self, a: Part, b: Part) -> Part:
        """``a + b``."""
        return self.of(aten.add.Tensor, a, b)

    def sub(self, a: Part, b: Part) -> Part:
        """``a - b``."""
        return self.of(aten.sub.Tensor, a, b)

    def mul(self, a: Part, b: Part) -> Part:
        """``a * b``."""
        return self.of(aten.mul.Tensor, a, b)

    def div(self, a: Part, b: Part) -> Part:
        """``a / b``."""
        return self.of(aten.div.Tensor, a, b)

    def negated(self, a: Part) -> Part:
        """``-a``."""
        return self.map(aten.neg.default, a) if isinstance(a, fx.Node) else -a

    def number(self, value: Part, dtype: torch.dtype) -> fx.Node:
        """A number as a tensor without dimensions."""
        return self.call(
            aten.full.default, [], value, shape=(), dtype=dtype, named={"dtype": dtype}
        )

    def zeros(self, like: fx.Node) -> fx.Node:
        """Zeros of the sizes of another tensor."""
        return self.map(aten.zeros_like.default, like)

    def tensor(self, part: Part, dtype: torch.dtype | None = None) -> fx.Node:
        """A part as a node; a number gets a dtype, by default that of the parts of the result."""
        return part if isinstance(part, fx.Node) else self.number(part, dtype or self.dtype)

    # Complex values

    def pair(self, value: Any, dtype: torch.dtype | None = None) -> Pair:
        """A complex or real value, its parts in a dtype: by default that of the result's parts."""
        dtype = dtype or self.dtype
        if isinstance(value, Pair):
            re = self.in_dtype(value.re, dtype)
            if re is value.re:
                return value
            return Pair(re, None if value.im is None else self.in_dtype(value.im, dtype))
        if isinstance(value, complex):
            return Pair(value.real, value.imag)
        if isinstance(value, fx.Node) and not is_tensor(value):
            return Pair(self.number(value, dtype), None)
        return Pair(self.in_dtype(value, dtype), None)

    def in_dtype(self, x: Part, dtype: torch.dtype) -> Part:
        """A part in a dtype; a number has every one."""
        return x if dtype_of(x, dtype) == dtype else self.cast(x, dtype)

    def cast(self, x: Part, dtype: torch.dtype) -> fx.Node:
        """A tensor in a dtype."""
        return self.call(
            aten._to_copy.default, x, shape=shape_of(x), dtype=dtype, named={"dtype": dtype}
        )

    def imaginary(self, pair: Pair, dtype: torch.dtype | None = None) -> fx.Node:
        """The imaginary parts as a tensor."""
        if pair.im is None:
            return self.zeros(self.tensor(pair.re, dtype))
        return self.tensor(pair.im, dtype)

    def parts(self, pair: Pair, dtype: torch.dtype | None = None) -> tuple[fx.Node, fx.Node]:
        """Both parts as tensors."""
        return self.tensor(pair.re, dtype), self.imaginary(pair, dtype)

    def joined(self, pair: Pair, shape: Sequence[Size]) -> fx.Node:
        """Both parts in one tensor, with a last dimension of 2."""
        if pair.joined is None:
            parts = list(self.parts(pair))
            pair.joined = self.call(
                aten.stack.default, parts, len(shape), shape=(*shape, 2),
                dtype=parts[0].meta["val"].dtype,
            )  # fmt: skip
        return pair.joined

    def parted(self, joined: fx.Node) -> Pair:
        """The parts of a tensor with a last dimension of 2."""
        *shape, _ = shape_of(joined)
        dtype = joined.meta["val"].dtype
        re, im = (
            self.call(aten.select.int, joined, len(shape), k, shape=shape, dtype=dtype)
            for k in (0, 1)
        )
        return Pair(re, im, joined)

    # Refusing

    def refuse(self, what: str) -> UnsupportedError:
        """The error for something that complex numbers have no form for."""
        return UnsupportedError(
            f"{what} is not supported on complex numbers",
            code=Code.COMPLEX,
            location=source_of(self.node),
            hint="compute with real numbers there, for example on torch.view_as_real(x)",
        )


_ON_NUMBERS: dict[Any, Callable[[Any, Any], Any]] = {
    aten.add.Tensor: operator.add,
    aten.sub.Tensor: operator.sub,
    aten.mul.Tensor: operator.mul,
    aten.div.Tensor: operator.truediv,
}


def is_tensor(x: object) -> TypeGuard[fx.Node]:
    """Whether a value is a node that yields a tensor."""
    return isinstance(x, fx.Node) and isinstance(x.meta["val"], torch.Tensor)


def shape_of(x: Part) -> Sequence[Size]:
    """The sizes of a part; a number has none."""
    return tuple(x.meta["val"].shape) if isinstance(x, fx.Node) else ()


def real_named(named: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name of an operator, for the same operator on parts."""
    dtype = named.get("dtype")
    return {**named, **({} if dtype is None else {"dtype": real_dtype(dtype)})}


def dtype_of(x: Part, otherwise: torch.dtype) -> torch.dtype:
    """The dtype of a part; that of a number is `otherwise`."""
    return x.meta["val"].dtype if isinstance(x, fx.Node) else otherwise  # type: ignore[no-any-return]
