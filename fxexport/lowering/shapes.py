"""What is known of an ONNX node's output shapes: ranks always, sizes when cheap.

The last word is the graph's metadata; this is for the values in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fxexport.lowering.values import Dim, Value

__all__ = ["infer_shape"]

Shape = list[Dim] | None
Constants = Callable[[Value | None], "np.ndarray[Any, Any] | None"]


def infer_shape(
    op_type: str,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Any],
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
    return None if rule is None else rule(inputs, shapes, attributes, constant)


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


def _shape(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if shapes[0] is None:
        return [None]
    return [len(range(len(shapes[0]))[attributes.get("start", 0) : attributes.get("end")])]


def _target(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    sizes = constant(inputs[-1])
    if sizes is not None:
        return [None if s < 1 else int(s) for s in sizes]
    length = shapes[-1][0] if shapes[-1] else None
    return None if length is None else [None] * length


def _expand(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    target = _target(inputs, shapes, attributes, constant)
    if target is None or shapes[0] is None:
        return None
    return _broadcast([shapes[0], target])


def _axes(inputs: Any, constant: Any) -> list[int] | None:
    axes = constant(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else None
    return None if axes is None else [int(a) for a in np.atleast_1d(axes)]


def _unsqueeze(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    axes = _axes(inputs, constant)
    if axes is None or shapes[0] is None:
        return None
    out = list(shapes[0])
    rank = len(out) + len(axes)
    for axis in sorted(a % rank for a in axes):
        out.insert(axis, 1)
    return out


def _squeeze(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    axes = _axes(inputs, constant)
    if axes is None or shapes[0] is None:
        return None
    gone = {a % len(shapes[0]) for a in axes}
    return [dim for k, dim in enumerate(shapes[0]) if k not in gone]


def _reduce(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if shapes[0] is None:
        return None
    axes = _axes(inputs, constant)
    if axes is None:
        if len(inputs) > 1 and inputs[1] is not None:
            return None
        axes = [] if attributes.get("noop_with_empty_axes") else list(range(len(shapes[0])))
    return _drop(shapes[0], axes, attributes.get("keepdims", 1))


def _arg(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if shapes[0] is None:
        return None
    return _drop(shapes[0], [attributes.get("axis", 0)], attributes.get("keepdims", 1))


def _drop(shape: list[Dim], axes: list[int], keep: int) -> Shape:
    gone = {a % len(shape) for a in axes} if shape else set()
    if keep:
        return [1 if k in gone else dim for k, dim in enumerate(shape)]
    return [dim for k, dim in enumerate(shape) if k not in gone]


def _transpose(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if shapes[0] is None:
        return None
    perm = attributes.get("perm") or list(reversed(range(len(shapes[0]))))
    return [shapes[0][p] for p in perm]


def _concat(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if any(shape is None for shape in shapes):
        return None
    axis = attributes["axis"] % len(shapes[0])
    out = list(shapes[0])
    sizes = [shape[axis] for shape in shapes]
    out[axis] = None if None in sizes else sum(sizes)
    return out


def _gather(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    if shapes[0] is None or shapes[1] is None:
        return None
    axis = attributes.get("axis", 0) % len(shapes[0])
    return [*shapes[0][:axis], *shapes[1], *shapes[0][axis + 1 :]]


def _matmul(inputs: Any, shapes: Any, attributes: Any, constant: Any) -> Shape:
    a, b = shapes
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return None
    batch = _broadcast([a[:-2], b[:-2]])
    return None if batch is None else [*batch, a[-2], b[-1]]


_RULES: dict[str, Callable[[Any, Any, Any, Any], Shape]] = {
    "Shape": _shape,
    "Size": lambda *_: [],
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
    "GatherElements": lambda inputs, shapes, *_: shapes[1],
    "MatMul": _matmul,
    "Gemm": lambda inputs, shapes, *_: [None, None],
    "Range": lambda *_: [None],
    "NonZero": lambda inputs, shapes, *_: [None if shapes[0] is None else len(shapes[0]), None],
    "Compress": lambda inputs, shapes, attributes, _: (
        [None]
        if attributes.get("axis") is None
        else None
        if shapes[0] is None
        else [None] * len(shapes[0])
    ),
}
for _name in ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]:
    _RULES[f"Reduce{_name}"] = _reduce
