"""Products of matrices, convolutions and other operators that are linear in each of two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from fxexport.passes.complex_numbers.apart import apart
from fxexport.passes.complex_numbers.arithmetic import add, bilinear, conj, multilinear
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter
from fxexport.passes.complex_numbers.table import Result, RuleTable
from torch import fx

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


@RULES(
    "mm.default",
    "bmm.default",
    "matmul.default",
    "mv.default",
    "dot.default",
    "outer.default",
    "ger.default",
)
def matmul(w: PairWriter, a: Any, b: Any) -> Pair:
    def of(x: fx.Node, y: fx.Node) -> fx.Node:
        return w.call(w.node.target, x, y)  # type: ignore[arg-type]

    return bilinear(w, of, w.pair(a), w.pair(b))


@RULES("vdot.default")
def vdot(w: PairWriter, a: Pair, b: Pair) -> Pair:
    return bilinear(w, lambda x, y: w.call(aten.dot.default, x, y), conj(w, a), b)


@RULES("addmm.default", "addmv.default", "baddbmm.default")
def addmm(w: PairWriter, x: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Pair:
    target = {
        aten.addmm.default: aten.mm.default,
        aten.addmv.default: aten.mv.default,
        aten.baddbmm.default: aten.bmm.default,
    }[w.node.target]  # type: ignore[index]
    made = bilinear(w, lambda p, q: w.call(target, p, q), w.pair(a), w.pair(b))
    if beta != 1:
        raise w.refuse("a product added to another tensor times beta")
    return add(w, x, made, alpha)


@RULES("einsum.default")
def einsum(w: PairWriter, equation: str, tensors: Sequence[Any], **kwargs: Any) -> Result:
    if len(tensors) == 1:
        return apart(w, aten.einsum.default, [equation, tensors], kwargs)

    def of(*parts: fx.Node) -> fx.Node:
        return w.call(aten.einsum.default, equation, list(parts), named=kwargs)

    return multilinear(w, of, [w.pair(tensor) for tensor in tensors])


@RULES("linear.default")
def linear(w: PairWriter, x: Any, weight: Any, bias: Any = None) -> Pair:
    made = bilinear(w, lambda p, q: w.call(aten.linear.default, p, q), w.pair(x), w.pair(weight))
    return made if bias is None else add(w, made, bias)


@RULES("convolution.default", "conv1d.default", "conv2d.default", "conv3d.default",
       "conv1d.padding", "conv2d.padding", "conv3d.padding", "conv_transpose1d.default",
       "conv_transpose2d.input", "conv_transpose3d.input")  # fmt: skip
def convolution(
    w: PairWriter, x: Any, weight: Any, bias: Any = None, *args: Any, **kwargs: Any
) -> Pair:
    def of(p: fx.Node, q: fx.Node) -> fx.Node:
        return w.call(w.node.target, p, q, None, *args, named=kwargs)  # type: ignore[arg-type]

    made = bilinear(w, of, w.pair(x), w.pair(weight))
    if bias is None:
        return made
    around = len(w.shape) - 2
    pair = w.pair(bias)
    count = w.val.shape[1]

    def wide(part: fx.Node) -> fx.Node:
        return w.call(aten.reshape.default, part, [-1] + [1] * around, shape=(count, *[1] * around))

    biases = Pair(wide(w.tensor(pair.re)), None if pair.im is None else wide(w.imaginary(pair)))
    return add(w, made, biases)
