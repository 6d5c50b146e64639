"""What is known of an ONNX node's output shapes: ranks always, sizes when cheap.

The graph's metadata has precedence; this is for the values in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fxexport.lowering.builder.values import Attributes, Dim, Value

__all__ = ["infer_shape"]

Shape = list[Dim] | None
Constants = Callable[[Value | None], "np.ndarray | None"]


def infer_shape(
    op_type: str,
    inputs: Sequence[Value | None],
    attributes: Attributes,
    constant: Constants,
) -> Shape:
    """The shape of the first output, None where nothing is known."""
    shapes = [None if v is None or v.shape is None else v.dims for v in inputs]
    first = shapes[0] if shapes else None
    if op_type in _ELEMENTWISE:
        return _broadcast(shapes)
    if op_type in _SAME:
        return first
    if op_type in _SAME_RANK:
        return None if first is None else [None] * len(first)
    rule = _RULES.get(op_type)
    return None if rule is None else rule(_Node(inputs, shapes, attributes, constant))


@dataclass(frozen=True)
class _Node:
    """A node whose shape is asked for: its inputs, their shapes, and what is constant of them."""

    inputs: Sequence[Value | None]
    shapes: Sequence[Shape]
    attributes: Attributes
    constant: Constants

    def axes(self) -> list[int] | None:
        """The second input, where it is a constant."""
        axes = self.constant(self.inputs[1]) if len(self.inputs) > 1 else None
        return None if axes is None else [int(a) for a in np.atleast_1d(axes)]


_ELEMENTWISE = frozenset(
    [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Mod",
        "Pow",
        "Max",
        "Min",
        "Sum",
        "Where",
        "And",
        "Or",
        "Xor",
        "Equal",
        "Less",
        "LessOrEqual",
        "Greater",
        "GreaterOrEqual",
        "BitwiseAnd",
        "BitwiseOr",
        "BitwiseXor",
        "BitShift",
        "PRelu",
    ]
)
_SAME = frozenset(
    [
        "Abs",
        "Acos",
        "Acosh",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "Cast",
        "CastLike",
        "Ceil",
        "Clip",
        "Cos",
        "Cosh",
        "CumSum",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "IsInf",
        "IsNaN",
        "LayerNormalization",
        "LeakyRelu",
        "Log",
        "LogSoftmax",
        "Mish",
        "Neg",
        "Not",
        "Reciprocal",
        "Relu",
        "Round",
        "ScatterElements",
        "ScatterND",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softmax",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Tan",
        "Tanh",
        "Trilu",
        "BitwiseNot",
        "InstanceNormalization",
        "BatchNormalization",
        "GroupNormalization",
        "Celu",
    ]
)
_SAME_RANK = frozenset(
    [
        "Slice",
        "Pad",
        "Tile",
        "Resize",
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "TopK",
        "DFT",
    ]
)


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes) or not known:
        return None
    rank = max(len(shape) for shape in known)
    out: list[Dim] = []
    for k in range(rank):
        dims = [shape[k - rank] for shape in known if k - rank >= -len(shape)]
        rest = {dim for dim in dims if dim != 1}
        out.append(1 if not rest else rest.pop() if len(rest) == 1 else None)
    return out


def _shape(node: _Node) -> Shape:
    first = node.shapes[0]
    if first is None:
        return [None]
    return [len(range(len(first))[node.attributes.get("start", 0) : node.attributes.get("end")])]


def _target(node: _Node) -> Shape:
    sizes = node.constant(node.inputs[-1])
    if sizes is not None:
        return [None if s < 1 else int(s) for s in sizes]
    last = node.shapes[-1]
    length = last[0] if last else None
    return None if length is None else [None] * length


def _expand(node: _Node) -> Shape:
    target = _target(node)
    if target is None or node.shapes[0] is None:
        return None
    return _broadcast([node.shapes[0], target])


def _unsqueeze(node: _Node) -> Shape:
    axes = node.axes()
    if axes is None or node.shapes[0] is None:
        return None
    out = list(node.shapes[0])
    rank = len(out) + len(axes)
    for axis in sorted(a % rank for a in axes):
        out.insert(axis, 1)
    return out


def _squeeze(node: _Node) -> Shape:
    axes, first = node.axes(), node.shapes[0]
    if axes is None or first is None:
        return None
    gone = {a % len(first) for a in axes}
    return [dim for k, dim in enumerate(first) if k not in gone]


def _reduce(node: _Node) -> Shape:
    first = node.shapes[0]
    if first is None:
        return None
    axes = node.axes()
    if axes is None:
        if len(node.inputs) > 1 and node.inputs[1] is not None:
            return None
        axes = [] if node.attributes.get("noop_with_empty_axes") else list(range(len(first)))
    return _drop(first, axes, node.attributes.get("keepdims", 1))


def _arg(node: _Node) -> Shape:
    if node.shapes[0] is None:
        return None
    axis, keep = node.attributes.get("axis", 0), node.attributes.get("keepdims", 1)
    return _drop(node.shapes[0], [axis], keep)


def _drop(shape: list[Dim], axes: list[int], keep: int) -> Shape:
    gone = {a % len(shape) for a in axes} if shape else set()
    if keep:
        return [1 if k in gone else dim for k, dim in enumerate(shape)]
    return [dim for k, dim in enumerate(shape) if k not in gone]


def _transpose(node: _Node) -> Shape:
    first = node.shapes[0]
    if first is None:
        return None
    perm = node.attributes.get("perm") or list(reversed(range(len(first))))
    return [first[p] for p in perm]


def _concat(node: _Node) -> Shape:
    known = [shape for shape in node.shapes if shape is not None]
    if len(known) < len(node.shapes):
        return None
    axis = node.attributes["axis"] % len(known[0])
    out = list(known[0])
    out[axis] = 0
    for shape in known:
        size, total = shape[axis], out[axis]
        out[axis] = None if size is None or total is None else total + size
    return out


def _gather(node: _Node) -> Shape:
    first, second = node.shapes[:2]
    if first is None or second is None:
        return None
    axis = node.attributes.get("axis", 0) % len(first)
    return [*first[:axis], *second, *first[axis + 1 :]]


def _matmul(node: _Node) -> Shape:
    a, b = node.shapes
    if not a or not b:
        return None
    batch = _broadcast([a[:-2], b[:-2]])
    return None if batch is None else [*batch, *a[-2:-1], *([] if len(b) == 1 else b[-1:])]


def _non_zero(node: _Node) -> Shape:
    first = node.shapes[0]
    return [None if first is None else len(first), None]


def _compress(node: _Node) -> Shape:
    if node.attributes.get("axis") is None:
        return [None]
    first = node.shapes[0]
    return None if first is None else [None] * len(first)


_RULES: dict[str, Callable[[_Node], Shape]] = {
    "Shape": _shape,
    "Size": lambda _: [],
    "Reshape": _target,
    "Expand": _expand,
    "ConstantOfShape": _target,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "Transpose": _transpose,
    "Concat": _concat,
    "Gather": _gather,
    "GatherElements": lambda node: node.shapes[1],
    "MatMul": _matmul,
    "Gemm": lambda _: [None, None],
    "Range": lambda _: [None],
    "NonZero": _non_zero,
    "Compress": _compress,
}
for _name in ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]:
    _RULES[f"Reduce{_name}"] = _reduce
