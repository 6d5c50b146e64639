"""What a file says of weights that it does not hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fxexport.file_keys import WEIGHTS
from fxexport.profiles import compact_json

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["describe_weights", "weights_text"]


def describe_weights(model: ir.Model, left_out: Collection[str]) -> None:
    """Writes into a model's metadata which weights it is to be given, in order."""
    names = [name for name in model.graph.initializers if name in left_out]
    model.metadata_props[WEIGHTS] = compact_json({"version": 1, "left_out": names})


def weights_text(model: ir.Model, left_out: Collection[str]) -> str:
    """The same for the report."""
    tensors = [value.const_value for value in model.graph.initializers.values()]
    sizes = [each.nbytes for each in tensors if each is not None and each.name in left_out]
    return (
        f"{len(sizes)} weights ({sum(sizes):,} bytes) are not in the file: it refers to a "
        "data file that was not written; ONNX Runtime takes them by name "
        "(SessionOptions.add_external_initializers)"
    )
