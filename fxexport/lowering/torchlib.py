"""The bridge to onnxscript's library of ATen functions, for what has no lowering here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
import torch

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["call_library", "library_function"]

# The functions of that library that are used: those that tests hold to PyTorch's results at sizes
# and dtypes other than the ones traced. Many others are right only at the sizes traced.
_USED = frozenset(
    f"aten::{name}"
    for name in [
        "logaddexp",
        "logaddexp2",
        "col2im",
        "isclose",
    ]
)


class _LibraryEvaluator:
    """Runs the library's functions so that the ONNX operators they call are written."""

    def __init__(self, op: OpBuilder) -> None:
        self._op = op

    def eval_op(self, op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Writes one ONNX operator."""
        from onnxscript.values import OnnxClosure

        if any(isinstance(value, OnnxClosure) for value in kwargs.values()):
            raise NotImplementedError(f"{op.name} with a body")
        named = dict(kwargs)
        inputs = list(args)
        signature = op.op_signature
        for k, param in enumerate(signature.params):
            if param.is_param() and param.name in named:
                inputs.extend([None] * (k + 1 - len(inputs)))
                inputs[k] = named.pop(param.name)
        if op.name == "Constant":
            return self._constant(named)
        return self._op.emit(
            op.name, *inputs, _outputs=_output_count(op.name, signature, inputs, named), **named
        )

    def eval_function(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Runs another function of the library in place."""
        return function.function(*args, **kwargs)

    def _constant(self, named: Mapping[str, Any]) -> Value:
        ((kind, value),) = ((k, v) for k, v in named.items() if v is not None)
        if kind == "value":
            tensor = ir.tensor(value)
            return self._op.const(tensor.numpy(), tensor.dtype)
        dtype = ir.DataType.INT64 if kind.startswith("value_int") else ir.DataType.FLOAT
        return self._op.const(value, dtype)


@functools.cache
def _library() -> dict[str, Any]:
    from onnxscript.function_libs.torch_lib import ops, registration

    del ops  # imported so that it fills the registry
    found: dict[str, Any] = {}
    for name, entry in registration.default_registry.items():
        if name in _USED and entry.overloads:
            found[name] = entry.overloads[0]
    return found


def library_function(name: str) -> Any | None:
    """The library's function for an operator, None if there is none to be used."""
    return _library().get(name)


def call_library(op: OpBuilder, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Writes an operator by running the library's function for it."""
    from onnxscript import evaluator

    function = library_function(name)
    if function is None:
        raise KeyError(name)
    named = _bind(op, function.op_signature, args, kwargs)
    run = getattr(function, "func", None) or function.function
    with evaluator.default_as(_LibraryEvaluator(op)):
        return run(**named)


def _bind(
    op: OpBuilder, signature: ir.schemas.OpSignature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    values = dict(zip((param.name for param in signature.params), args, strict=False))
    known = {param.name for param in signature.params}
    values.update((key, value) for key, value in kwargs.items() if key in known)
    tensors = [v for v in values.values() if isinstance(v, Value) and not v.is_number]
    like = tensors[0].dtype if tensors else None
    named: dict[str, Any] = {}
    for param in signature.params:
        if param.name not in values:
            continue
        value = values[param.name]
        named[param.name] = (
            _attribute(value) if param.is_attribute() else _input(op, value, param, like)
        )
    return named


def _attribute(value: Any) -> Any:
    if isinstance(value, Value) or (
        isinstance(value, (list, tuple)) and any(isinstance(v, Value) for v in value)
    ):
        raise NotImplementedError("an argument that must be known at export is computed")
    if isinstance(value, torch.dtype):
        return int(dtypes.from_torch(value))
    return value


def _input(op: OpBuilder, value: Any, param: Any, like: ir.DataType | None) -> Any:
    allowed = {getattr(kind, "dtype", None) for kind in param.type_constraint.allowed_types}
    if isinstance(value, Value) and value.is_number and like is not None:
        return op.cast(value, like if len(allowed) > 1 else next(iter(allowed)) or like)
    if isinstance(value, (bool, int, float)) and like is not None:
        return op.const(value, like if len(allowed) > 1 else next(iter(allowed)) or like)
    if isinstance(value, (list, tuple)):
        if all(isinstance(v, (int, Value)) for v in value) and not any(
            isinstance(v, Value) and not v.is_number for v in value
        ):
            return op.sizes(list(value))
        return list(value)
    return value


def _output_count(
    name: str, signature: Any, inputs: Sequence[Any], attributes: Mapping[str, Any]
) -> int:
    if name == "BatchNormalization" and not attributes.get("training_mode", 0):
        return 1
    if name == "Split":
        if "num_outputs" in attributes:
            return int(attributes["num_outputs"])
        split = inputs[1] if len(inputs) > 1 else None
        if isinstance(split, (list, tuple)):
            return len(split)
        if isinstance(split, Value) and split.shape is not None and split.dims[0] is not None:
            return split.dims[0]
        raise NotImplementedError("Split into a number of parts that is not known")
    return sum(1 for output in signature.outputs if output.required) or 1
