"""What TensorRT does not take of single operators (measured with TensorRT-RTX 1.7.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import onnx_ir as ir

__all__ = ["operator_findings"]

Found = tuple[str, str]
"""What is wrong, and what to do about it."""

_INTEGERS = {
    ir.DataType.INT8,
    ir.DataType.INT16,
    ir.DataType.INT32,
    ir.DataType.INT64,
    ir.DataType.UINT8,
}

_ABSENT = {ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64}

_WRITTEN = "export with --target tensorrt, which writes it in other operators"

_UNSUPPORTED: dict[str, Found] = {
    "NonZero": ("finding nonzero elements", _WRITTEN),
    "Compress": ("picking by a mask", _WRITTEN),
    "Unique": ("torch.unique along a dimension", "make a number of each row, or do it outside"),
    "NonMaxSuppression": ("non-maximum suppression", _WRITTEN),
    "RoiAlign": ("roi_align", _WRITTEN),
    "MaxRoiPool": ("roi_pool", _WRITTEN),
    "DeformConv": ("deformable convolution", _WRITTEN),
    "DFT": ("a Fourier transform", "multiply by the transform's matrix"),
    "Bernoulli": ("random numbers", "pass them as an input"),
    "Multinomial": ("random numbers", "pass them as an input"),
    "Det": ("a determinant", ""),
    "BitShift": ("bit shifts", "multiply or divide by powers of two"),
    "BitwiseAnd": ("bitwise and of integers", _WRITTEN),
    "BitwiseOr": ("bitwise or of integers", _WRITTEN),
    "BitwiseXor": ("bitwise xor of integers", _WRITTEN),
    "BitwiseNot": ("bitwise not of integers", _WRITTEN),
    "Col2Im": ("folding columns into an image", _WRITTEN),
    "MaxUnpool": ("MaxUnpool", "scatter the values by their indices"),
    "MatMulInteger": ("an integer matrix product", "multiply in float"),
    "ConvInteger": ("an integer convolution", "convolve in float"),
    "OptionalGetElement": ("optional values", "use a tensor and a flag"),
    "OptionalHasElement": ("optional values", "use a tensor and a flag"),
    "Optional": ("optional values", "use a tensor and a flag"),
    "AffineGrid": ("a grid of an affine map", "multiply the map with a grid of coordinates"),
    "CenterCropPad": ("cropping or padding to a size", "use slices and Pad"),
    "NegativeLogLikelihoodLoss": ("a loss", "compute it outside"),
    "SoftmaxCrossEntropyLoss": ("a loss", "compute it outside"),
    "MelWeightMatrix": ("mel weights", "store them as a constant"),
    "DynamicQuantizeLinear": ("quantization by data", "use QuantizeLinear with a fixed scale"),
    "QLinearMatMul": ("an operator on quantized values", "use QuantizeLinear and MatMul"),
    "StringNormalizer": ("strings", ""),
    "TfIdfVectorizer": ("strings", ""),
}
_SEQUENCES = ("a list of tensors whose length is known only when it runs",
              "write into a tensor made before the loop, at a running index")  # fmt: skip

_NO_CAST = {ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64}

Rule = Callable[[ir.Node, Callable[[ir.Value | None], bool]], Iterator[Found]]


def operator_findings(
    node: ir.Node, is_constant: Callable[[ir.Value | None], bool]
) -> Iterator[Found]:
    """What is wrong with one node, whatever is around it.

    Args:
        node: the node.
        is_constant: whether a value is known at build time.
    """
    if node.domain not in ("", "ai.onnx"):
        return  # a plugin's, or a function: the parser knows
    kind = node.op_type
    if kind.startswith("Sequence") or kind in ("SplitToSequence", "ConcatFromSequence"):
        yield _SEQUENCES
    elif kind in _UNSUPPORTED:
        what, hint = _UNSUPPORTED[kind]
        yield f"TensorRT has no {kind}: {what}", hint
    rule = _RULES.get(kind)
    if rule is not None:
        yield from rule(node, is_constant)


def _attribute(node: ir.Node, name: str, default: Any) -> Any:
    found = node.attributes.get(name)
    return default if found is None else found.value


def _is_used(values: Sequence[ir.Value]) -> bool:
    return any(value.uses() or value.is_graph_output() for value in values)


def _slice(node: ir.Node, _: Any) -> Iterator[Found]:
    """Without axes the starts are for all of them."""
    starts = node.inputs[1] if len(node.inputs) > 1 else None
    given = starts.shape[0] if starts is not None and starts.shape else None
    rank = _rank(node.inputs[0])
    axes = node.inputs[3] if len(node.inputs) > 3 else None
    if axes is None and isinstance(given, int) and rank is not None and given < rank:
        yield "Slice without axes, and not for all dimensions", "give it its axes"


def _quantize(node: ir.Node, _: Any) -> Iterator[Found]:
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    known = None if zero is None else zero.const_value
    if known is not None and known.numpy().any():
        yield f"{node.op_type} with a zero point other than 0", "quantize symmetrically"


def _rank(value: ir.Value | None) -> int | None:
    return None if value is None or value.shape is None else len(value.shape)


def _product(node: ir.Node, _: Any) -> Iterator[Found]:
    if any(value is not None and value.dtype in _INTEGERS for value in node.inputs):
        yield f"{node.op_type} of integers", "compute in float"


def _scatter(node: ir.Node, _: Any) -> Iterator[Found]:
    reduction = _attribute(node, "reduction", "none")
    if reduction != "none":
        yield (
            f"{node.op_type} with reduction {reduction!r}",
            "export with --target tensorrt, which writes it with other operators",
        )


def _max_pool(node: ir.Node, _: Any) -> Iterator[Found]:
    if _is_used(node.outputs[1:]):
        yield "max pooling that returns indices", "export with --target tensorrt"
    if any(step != 1 for step in _attribute(node, "dilations", ())):
        yield "max pooling with dilation", "export with --target tensorrt"


def _two_dimensions(node: ir.Node, _: Any) -> Iterator[Found]:
    rank = _rank(node.inputs[0])
    if rank is not None and rank < 2:
        yield f"{node.op_type} of a vector", "unsqueeze it before, and squeeze the result"


def _no_bool(node: ir.Node, constant: Any) -> Iterator[Found]:
    if node.inputs[0] is not None and node.inputs[0].dtype == ir.DataType.BOOL:
        yield f"{node.op_type} of booleans", "cast to an integer before"
    axes = node.inputs[1] if len(node.inputs) > 1 else None
    producer = None if axes is None else axes.producer()
    folded = producer is None or producer.op_type in ("Constant", "Identity", "Cast")
    if not (folded and constant(axes)):
        yield f"{node.op_type} with axes that are computed", "write them as constants"


def _constant_at(position: int, what: str) -> Rule:
    def rule(node: ir.Node, is_constant: Callable[[ir.Value | None], bool]) -> Iterator[Found]:
        if len(node.inputs) > position and not is_constant(node.inputs[position]):
            yield f"{node.op_type} with {what} that are computed", "write them as constants"

    return rule


def _extra_outputs(node: ir.Node, _: Any) -> Iterator[Found]:
    if _is_used(node.outputs[1:]):
        yield f"further results of {node.op_type}", "use the first alone"


def _top_k(node: ir.Node, _: Any) -> Iterator[Found]:
    count = node.inputs[1] if len(node.inputs) > 1 else None
    known = None if count is None or count.const_value is None else count.const_value.numpy()
    if known is not None and int(known.reshape(-1)[0]) > 3840:
        yield "TensorRT sorts up to 3840 elements", _WRITTEN


def _training(node: ir.Node, _: Any) -> Iterator[Found]:
    if _attribute(node, "training_mode", 0):
        yield f"{node.op_type} in training mode", "export the model in eval mode"


def _dropout(node: ir.Node, _: Any) -> Iterator[Found]:
    mode = node.inputs[2] if len(node.inputs) > 2 else None
    known = None if mode is None or mode.const_value is None else mode.const_value.numpy()
    if mode is not None and (known is None or bool(known)):
        yield "Dropout in training mode", "export the model in eval mode"


def _resize(node: ir.Node, _: Any) -> Iterator[Found]:
    if _attribute(node, "antialias", 0):
        yield "resizing with antialias", "pass antialias=False"


def _cast(node: ir.Node, _: Any) -> Iterator[Found]:
    source, result = node.inputs[0], node.outputs[0]
    to_bytes = _attribute(node, "to", 0) == ir.DataType.UINT8
    if to_bytes and not result.is_graph_output():
        yield "uint8 inside the model", "use uint8 for inputs and outputs only, int32 inside"
    kept = source is None or source.is_graph_input() or source.is_initializer()
    if _attribute(node, "to", 0) in _NO_CAST:
        name = ir.DataType(_attribute(node, "to", 0)).name.lower()
        yield f"a cast to {name}", "cast to int32 or int64"
    if source is not None and source.dtype == ir.DataType.UINT8 and not kept:
        yield "uint8 inside the model", "use uint8 for inputs and outputs only, int32 inside"
    for value in (source, result):
        if value is not None and value.dtype in _ABSENT:
            kind = value.dtype.name.lower()
            yield f"TensorRT has no {kind}", "use int32 or int64"
            return


def _random(node: ir.Node, _: Any) -> Iterator[Found]:
    if node.outputs[0].dtype == ir.DataType.DOUBLE or _attribute(node, "dtype", 0) == 11:
        yield "random numbers in float64", "draw them in float32"


def _attention(node: ir.Node, _: Any) -> Iterator[Found]:
    if node.inputs[0] is not None and node.inputs[0].dtype == ir.DataType.FLOAT:
        yield "Attention in float32", "export with --target tensorrt, which takes it apart"
    if len(set(node.inputs[:3])) < 3:
        yield "Attention of one tensor with itself", _WRITTEN


_RULES: dict[str, Rule] = {
    "Slice": _slice,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _quantize,
    "MatMul": _product,
    "Gemm": _product,
    "Conv": _product,
    "ScatterND": _scatter,
    "ScatterElements": _scatter,
    "MaxPool": _max_pool,
    "TopK": _top_k,
    "ArgMax": _two_dimensions,
    "ArgMin": _two_dimensions,
    "Softmax": _two_dimensions,
    "LogSoftmax": _two_dimensions,
    "Hardmax": _two_dimensions,
    "OneHot": _constant_at(1, "a depth"),
    "CumSum": _constant_at(1, "an axis"),
    "Squeeze": _constant_at(1, "axes"),
    "Unsqueeze": _constant_at(1, "axes"),
    "LayerNormalization": _extra_outputs,
    "BatchNormalization": _training,
    "Dropout": _dropout,
    "Resize": _resize,
    "Cast": _cast,
    "Attention": _attention,
    "RandomNormal": _random,
    "RandomNormalLike": _random,
    "RandomUniform": _random,
    "RandomUniformLike": _random,
    **{
        f"Reduce{kind}": _no_bool
        for kind in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare")
    },
}
