"""The refusal of PyTorch's quantised tensors, whose numbers no ONNX tensor holds."""

from __future__ import annotations

import torch

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["refuse_quantized_operator", "refuse_quantized_tensor"]


def refuse_quantized_operator(func: torch._ops.OpOverload) -> None:
    """Refuses an operator that makes or takes quantised tensors.

    Raises:
        UnsupportedError: it is one.
    """
    if func.namespace == "quantized":
        raise _refusal(f"the quantized operator {func}")
    if func._schema.name.startswith("aten::quantize_"):
        raise _refusal(f"the quantized tensor that {func} makes")


def refuse_quantized_tensor(tensor: torch.Tensor) -> None:
    """Refuses a quantised tensor.

    Raises:
        UnsupportedError: it is one.
    """
    if tensor.is_quantized:
        raise _refusal(f"a quantized tensor ({tensor.dtype})")


def _refusal(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} has no ONNX form",
        code=Code.NO_ONNX_FORM,
        location=user_location(),
        hint="export the model before it is quantized, and quantize the file "
        "(onnxruntime.quantization); or quantize it with pt2e (torchao), whose operators become "
        "QuantizeLinear and DequantizeLinear",
    )
