"""Whether a model has the weights that its file is to hold."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.parameter import is_lazy

from fxexport import _torch_compat as compat
from fxexport.errors import UsageError

__all__ = ["check_weights"]


def check_weights(model: object, needed: bool) -> None:
    """Refuses weights without values before the model is captured.

    Args:
        model: the model; what is no module has no weights that are known yet.
        needed: whether they will be read, for a file or to compare it.

    Raises:
        UsageError: some have no shape, or no values.
    """
    for name, tensor in _tensors_of(model):
        if is_lazy(tensor):
            raise UsageError(
                f"the weight {name!r} of the model has no shape yet, since its layer is a lazy one",
                hint="call the model once on example inputs before the export",
            )
        if isinstance(tensor, compat.FakeTensor):
            raise UsageError(
                f"the weight {name!r} of the model is a fake tensor, which has no values",
                hint="make the model outside of FakeTensorMode",
            )
        if tensor.layout != torch.strided and needed:
            raise UsageError(
                f"the weight {name!r} of the model has the layout {tensor.layout}, which ONNX "
                "files do not have",
                hint="give the model the dense tensor, w.to_dense()",
            )
        if tensor.is_meta and needed:
            raise UsageError(
                f"the weight {name!r} of the model is on the device 'meta', where tensors have no "
                "values",
                hint="load the weights first, or use model.to_empty(device='cpu'); without a path "
                "and with verify=False, the graph can be had without weights",
            )


def _tensors_of(model: object) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters and buffers of a module, by name."""
    module = getattr(model, "__self__", model)
    if isinstance(module, torch.nn.Module):
        yield from module.named_parameters()
        yield from module.named_buffers()
