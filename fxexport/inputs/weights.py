"""Whether a model has the weights that its file is to hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch.nn.parameter import is_lazy

from fxexport import _torch_compat as compat
from fxexport.errors import UsageError

__all__ = ["check_weights", "have_values", "left_out", "replaceable"]

_WITHOUT = 'or write the file without weights, weights="none" (--weights none)'


def check_weights(model: object, needed: bool, *, written: bool = True) -> None:
    """Refuses weights without values before the model is captured.

    Args:
        model: the model; what is no module has no weights that are known yet.
        needed: whether they will be read, for a file or to compare it.
        written: whether a file of the model holds them at all.

    Raises:
        UsageError: some have no shape, or no values.
    """
    for name, tensor in _tensors_of(model):
        if is_lazy(tensor):
            raise UsageError(
                f"the weight {name!r} of the model has no shape yet, since its layer is a lazy one",
                hint="call the model once on example inputs before the export",
            )
        if isinstance(tensor, compat.FakeTensor) and written:
            raise UsageError(
                f"the weight {name!r} of the model is a fake tensor, which has no values",
                hint=f"make the model outside of FakeTensorMode, {_WITHOUT}",
            )
        if tensor.layout != torch.strided and needed:
            raise UsageError(
                f"the weight {name!r} of the model has the layout {tensor.layout}, which ONNX "
                "files do not have",
                hint="give the model the dense tensor, w.to_dense()",
            )
        if tensor.is_meta and needed and written:
            raise UsageError(
                f"the weight {name!r} of the model is on the device 'meta', where tensors have no "
                "values",
                hint=f"load the weights first, use model.to_empty(device='cpu'), {_WITHOUT}",
            )


def have_values(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all of these are more than sizes and dtypes."""
    return not any(tensor.is_meta or isinstance(tensor, compat.FakeTensor) for tensor in tensors)


def left_out(model: object, weights: Mapping[str, torch.Tensor]) -> set[str]:
    """The weights that a file without weights leaves out: a checkpoint's, and what has no values.

    Args:
        model: the model; what is no module has no checkpoint.
        weights: all that its graph has, by name.
    """
    kept = replaceable(model)
    return {name for name, tensor in weights.items() if name in kept or not have_values([tensor])}


def replaceable(model: object) -> frozenset[str]:
    """The weights that a checkpoint has: others may be put into a file beside the model."""
    module = getattr(model, "__self__", model)
    kept = module.state_dict(keep_vars=True) if isinstance(module, torch.nn.Module) else {}
    return frozenset(kept)


def _tensors_of(model: object) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters and buffers of a module, by name."""
    module = getattr(model, "__self__", model)
    if isinstance(module, torch.nn.Module):
        yield from module.named_parameters()
        yield from module.named_buffers()
