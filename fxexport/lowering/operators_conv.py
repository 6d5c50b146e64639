"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fxexport.lowering.builder import OpBuilder
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()

Ints = int | Sequence[int]


def per_dim(value: Ints, count: int) -> list[int]:
    """One number for each spatial dimension."""
    if isinstance(value, int):
        return [value] * count
    numbers = [int(v) for v in value]
    return numbers * count if len(numbers) == 1 else numbers


def convolve(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> Value:
    """Conv or ConvTranspose; an input without a batch dimension gets one."""
    count = weight.rank - 2
    if x.rank == weight.rank - 1:
        batched = op.one("Unsqueeze", x, [0])
        result = convolve(
            op, batched, weight, bias, stride, padding, dilation, transposed, output_padding, groups
        )
        return op.one("Squeeze", result, [0])
    dilations = per_dim(dilation, count)
    attributes = {
        "strides": per_dim(stride, count),
        "dilations": dilations,
        "group": groups,
        "pads": _pads(op, weight, padding, dilations),
    }
    if None not in weight.dims[2:]:
        attributes["kernel_shape"] = weight.dims[2:]
    if transposed:
        attributes["output_padding"] = per_dim(output_padding, count)
    return op.one("ConvTranspose" if transposed else "Conv", x, weight, bias, **attributes)


def _pads(op: OpBuilder, weight: Value, padding: Ints | str, dilations: list[int]) -> list[int]:
    count = weight.rank - 2
    if padding == "valid":
        return [0] * (2 * count)
    if padding == "same":
        before, after = [], []
        for size, dilation in zip(weight.dims[2:], dilations, strict=True):
            if size is None:
                raise op.refuse("padding='same' with a kernel of unknown size", "give the padding")
            total = dilation * (size - 1)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after
    assert not isinstance(padding, str)
    return per_dim(padding, count) * 2


@LOWERINGS("convolution", "_convolution", "_convolution.deprecated")
def convolution(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
    *_: bool,
) -> Value:
    return convolve(
        op, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


def _forward(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Value:
    return convolve(op, x, weight, bias, stride, padding, dilation, False, 0, groups)


def _backward(
    op: OpBuilder,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Value:
    return convolve(op, x, weight, bias, stride, padding, dilation, True, output_padding, groups)


_FORWARD: Callable[..., Value] = _forward
for _name in ("conv1d", "conv2d", "conv3d"):
    LOWERINGS(_name, f"{_name}.padding")(_FORWARD)
LOWERINGS("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input")(_backward)
