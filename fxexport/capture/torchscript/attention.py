"""Attention layers in TorchScript, whose fast paths are not read: what they give otherwise.

They use nested tensors, which have no fake kernels, and cannot be switched off from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fxexport._torch_compat import torchscript as ir
from fxexport.capture.session.session import Session
from fxexport.capture.torchscript.objects import Instance
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["check_fast_path"]

# Where the mask of keys and that of attention are among the arguments of these modules' forward.
_MASKS = {
    "activation.MultiheadAttention": (4, 6),
    "transformer.TransformerEncoderLayer": (3, 2),
    "transformer.TransformerEncoder": (3, 2),
}


def check_fast_path(session: Session, owner: Instance, method: str, args: Sequence[Any]) -> None:
    """Refuses or guards where a module's fast path gives other values than its other code.

    Args:
        session: the capture.
        owner: the module.
        method: the method that is called.
        args: its arguments, the module among them.

    Raises:
        UnsupportedError: an encoder gets padding, whose rows are 0 only where it is at the end.
    """
    module = str(owner._fx_type).rpartition("nn.modules.")[2]
    module = ".".join(part for part in module.split(".") if not part.startswith("___torch_mangle"))
    if module not in _MASKS or method != "forward":
        return
    keys, pairs = (args[k] if k < len(args) else None for k in _MASKS[module])
    if keys is None and pairs is None:
        return
    encoder = module == "transformer.TransformerEncoder"
    nested = encoder and ir.attribute_of(owner._fx_module, "use_nested_tensor")
    if nested and keys is not None and pairs is None:
        raise UnsupportedError(
            "in TorchScript, whether nn.TransformerEncoder computes its padded rows depends on "
            "the values of src_key_padding_mask",
            code=Code.TORCHSCRIPT,
            location=user_location(),
            hint="export the module itself, which fxexport reads in Python",
        )
    text = "each row of attention has a key that is not masked: PyTorch's fast path gives no number"
    session.guard(_every_row_has_a_key(keys, pairs), f"needs a key for each row: {text}")
    session.note("assumption", text)


def _every_row_has_a_key(keys: torch.Tensor | None, pairs: torch.Tensor | None) -> torch.Tensor:
    """Whether no row is masked whole.

    Args:
        keys: the mask of keys, (batch, keys) or (keys,); bool, or minus infinity where masked.
        pairs: the mask of pairs, (queries, keys) or (batch * heads, queries, keys).
    """
    masks = [mask if mask.dtype == torch.bool else mask.isneginf() for mask in _given(keys, pairs)]
    if len(masks) == 1:
        return ~masks[0].all(-1).any()
    of_keys, of_pairs = masks
    if of_keys.dim() == 1 or of_pairs.dim() == 2:
        return ~(of_keys.unsqueeze(-2) | of_pairs).all(-1).any()
    heads = of_pairs.reshape(of_keys.shape[0], -1, *of_pairs.shape[1:])
    return ~(of_keys[:, None, None, :] | heads).all(-1).any()


def _given(*masks: torch.Tensor | None) -> list[torch.Tensor]:
    return [mask for mask in masks if mask is not None]
