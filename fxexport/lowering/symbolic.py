"""The ``symbolic(g, ...)`` methods of `torch.autograd.Function`, as torch.onnx calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from fxexport.errors import FxExportError
from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.schemas import signature_of
from fxexport.lowering.builder.values import Value

__all__ = ["symbolic_form"]


def symbolic_form(function: object) -> UserFunction | None:
    """An autograd function as one node, written by its ``symbolic``; None where it has none."""
    if not isinstance(function, type) or not issubclass(function, torch.autograd.Function):
        return None
    symbolic = getattr(function, "symbolic", None)
    if not callable(symbolic):
        return None
    name = f"{function.__module__}.{function.__qualname__}.symbolic"

    def lowering(op: OpBuilder, *args: object) -> Any:
        try:
            result = symbolic(SymbolicGraph(op), *(_given(arg) for arg in args))
        except FxExportError:
            raise
        except Exception as error:
            raise op.refuse(
                f"{name} raised {type(error).__name__}: {error}",
                "export without symbolic to have forward read as Python, or write the form with "
                f"fxexport.register_function({function.__qualname__}, lowering, fake)",
            ) from error
        return _taken(result)

    return UserFunction(function.apply, lowering, function.apply)


class SymbolicGraph:
    """What such a method calls ``g``: it writes ONNX nodes.

    Args:
        op: the builder.
    """

    def __init__(self, op: OpBuilder) -> None:
        self._op = op
        self.opset = op.opset

    def op(self, name: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Writes one node.

        Args:
            name: the operator, with its domain if that is not ONNX's: ``mmcv::MMCVRoiAlign``.
            inputs: values, or what becomes constants; None for one that is left out.
            outputs: how many results it has.
            attributes: each with its kind behind its name: ``axis_i``, ``alpha_f``, ``mode_s``,
                ``value_t``.

        Returns:
            The result, a tuple of them where there are several.
        """
        domain, _, op_type = name.rpartition("::")
        domain = "" if domain == "onnx" else domain
        named = {key.rpartition("_")[0]: _attribute(value) for key, value in attributes.items()}
        args = [_taken(value) for value in inputs]
        if domain:
            values = [None if arg is None else self._value(arg) for arg in args]
            results: Any = self._op.write(op_type, values, named, outputs, domain=domain)
            return _wrapped(results if outputs > 1 else results[0])
        if op_type == "Constant":
            return SymbolicValue(self._value(next(iter(named.values()))))
        self._as_inputs(op_type, args, named)
        return _wrapped(self._op.emit(op_type, *args, _outputs=outputs, **named))

    def _as_inputs(self, op_type: str, args: list[Any], named: dict[str, Any]) -> None:
        """Moves what older operator sets had as attributes (axes, min, max) to the inputs."""
        signature = signature_of(op_type, self._op.opset)
        attributes = {attribute.name for attribute in signature.attributes}
        for k, parameter in enumerate(signature.inputs):
            if parameter.name in named and parameter.name not in attributes:
                args.extend([None] * (k + 1 - len(args)))
                args[k] = named.pop(parameter.name)

    def _value(self, value: Any) -> Value:
        if isinstance(value, Value):
            return value
        if isinstance(value, ir.TensorProtocol):
            return self._op.const(value.numpy(), value.dtype)
        kind = dtypes.from_torch(torch.as_tensor(value).dtype)
        return self._op.const(value, kind)


class SymbolicValue:
    """A value as such a method sees it."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def type(self) -> SymbolicType:
        """Its dtype and sizes."""
        return SymbolicType(self.value)

    def setType(self, kind: object) -> None:
        """Types come from what PyTorch gives."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"values of fxexport have no {name!r} in symbolic")


class SymbolicType:
    """The type of such a value."""

    def __init__(self, value: Value) -> None:
        self._value = value

    def sizes(self) -> list[int | None] | None:
        """The sizes, None for each that is dynamic."""
        return None if self._value.shape is None else self._value.dims

    def dim(self) -> int | None:
        """The number of dimensions."""
        return None if self._value.shape is None else self._value.rank

    def dtype(self) -> torch.dtype:
        """The dtype."""
        return dtypes.to_torch(self._value.elem)

    def with_sizes(self, sizes: object) -> SymbolicType:
        """Itself: sizes come from what PyTorch gives."""
        return self


def _given(argument: object) -> object:
    if isinstance(argument, Value):
        return SymbolicValue(argument)
    if isinstance(argument, (list, tuple)):
        return type(argument)(_given(one) for one in argument)
    return argument


def _taken(result: Any) -> Any:
    if isinstance(result, SymbolicValue):
        return result.value
    if isinstance(result, (list, tuple)):
        return tuple(_taken(one) for one in result)
    if isinstance(result, torch.Tensor):
        return _attribute(result).numpy()
    return result


def _wrapped(result: Value | Sequence[Value]) -> SymbolicValue | tuple[SymbolicValue, ...]:
    if isinstance(result, Value):
        return SymbolicValue(result)
    return tuple(SymbolicValue(one) for one in result)


def _attribute(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return ir.tensor(np.asarray(value.detach().cpu()))
    return value
