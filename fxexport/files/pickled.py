"""A model as bytes that can be pickled, and back: its message, and its weights one by one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from fxexport.errors import UsageError
from fxexport.files.model import large_initializers, message_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["PickledModel"]


@dataclass(frozen=True)
class PickledModel:
    """A model in bytes. Protobuf holds less than 2 GiB, so weights are apart.

    Attributes:
        message: the model without its large weights.
        weights: dtype, sizes and bytes of each, by the number of its graph and its name.
        left_out: weights that its file does not hold; they do not go along.
    """

    message: bytes
    weights: dict[tuple[int, str], tuple[int, tuple[int, ...], bytes]]
    left_out: frozenset[str]

    @classmethod
    def of(cls, model: ir.Model, left_out: Collection[str]) -> PickledModel:
        """A model in bytes; it is left as it is.

        Args:
            model: the model.
            left_out: weights that its file does not hold.
        """
        numbers = {graph: k for k, graph in enumerate(model.graphs())}
        weights = {}
        apart = []
        for value, tensor in large_initializers(model, left_out):
            assert value.graph is not None and value.name is not None
            sizes = tuple(int(size) for size in tensor.shape.numpy())
            key = numbers[value.graph], value.name
            weights[key] = (int(tensor.dtype), sizes, tensor.tobytes())
            apart.append(value)
        message = message_of(model, left_out, "model.onnx.data", apart).SerializeToString()
        return cls(message, weights, frozenset(left_out))

    def restored(self) -> ir.Model:
        """The model."""
        import onnx
        from onnx_ir import serde

        model = serde.deserialize_model(onnx.ModelProto.FromString(self.message))
        for k, graph in enumerate(model.graphs()):
            for name, value in graph.initializers.items():
                if (k, name) in self.weights:
                    dtype, sizes, data = self.weights[k, name]
                    proto = onnx.TensorProto(name=name, data_type=dtype, dims=sizes, raw_data=data)
                    value.const_value = serde.TensorProtoTensor(proto)
                elif graph is model.graph and name in self.left_out:
                    value.const_value = _without_values(value)
        return model


def _without_values(value: ir.Value) -> ir.TensorProtocol:
    """A stand-in for a weight that did not go along."""
    import onnx_ir as ir

    known = value.const_value
    assert known is not None

    def no_values() -> NoReturn:
        raise UsageError(f"the weight {value.name!r} is not in the file, and was not pickled")

    lazy: Any = ir.LazyTensor(no_values, known.dtype, ir.Shape(known.shape.numpy()))
    lazy.name = value.name
    return lazy  # type: ignore[no-any-return]
