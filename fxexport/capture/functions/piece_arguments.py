"""PyTorch's functions that give a tensor's pieces or rows, and what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from fxexport.capture.recording.types import OpArgs, OpKwargs

__all__ = ["COPIES", "PIECES", "Part", "given_pieces", "name_of", "number_of", "numbers_in"]

# What a number of pieces, or where they end, is called among the arguments.
_PARTS = (
    "split_size_or_sections", "split_size", "split_sizes", "chunks", "sections", "indices",
    "indices_or_sections", "tensor_indices_or_sections",
)  # fmt: skip
_TENSORS = ("self", "input", "tensor")
_PLAIN = (
    "split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "unbind",
    "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk",
)  # fmt: skip
COPIES = ("split_copy", "split_with_sizes_copy", "unbind_copy")

# A number or tensor of the program that stands where PyTorch takes an int.
Part: TypeAlias = Any


def _functions() -> dict[object, str]:
    """PyTorch's functions, methods and operators, and what each does."""
    found: dict[object, str] = {torch.functional.split: "split"}
    for name in (*_PLAIN, *COPIES):
        for place in (torch, torch.Tensor):
            if hasattr(place, name):
                found[getattr(place, name)] = name
        packet = getattr(torch.ops.aten, name, None)
        if packet is not None:
            found[packet] = name
            overloads = (getattr(packet, overload) for overload in packet.overloads())
            found |= {one: name for one in overloads if not _of_text(one)}
    return found


def _of_text(overload: torch._ops.OpOverload) -> bool:
    """TorchScript's split of a string has the same name."""
    return str(overload._schema.arguments[0].type) == "str"


PIECES = _functions()


def name_of(function: Any) -> tuple[str, Any] | None:
    """What a function of these does, and the function without its tensor; None for another.

    Args:
        function: anything that is called.
    """
    owner = getattr(function, "__self__", None)
    if isinstance(owner, torch.Tensor):
        function = getattr(torch.Tensor, getattr(function, "__name__", ""), None)
    if type(function).__hash__ is None:
        return None
    name = PIECES.get(function)
    return None if name is None else (name, function)


def given_pieces(
    name: str, args: OpArgs, kwargs: OpKwargs
) -> tuple[torch.Tensor, Part, int] | None:
    """The tensor, what says how it is cut, and the dimension; None where PyTorch has to say."""
    named = dict(kwargs)
    values = list(args)
    x = values.pop(0) if values else _taken(named, _TENSORS)
    if not isinstance(x, torch.Tensor) or not x.dim():
        return None
    parts = None
    if not name.startswith("unbind"):
        parts = values.pop(0) if values else _taken(named, _PARTS)
        if parts is None:
            return None
    if name in ("hsplit", "vsplit", "dsplit"):
        least, dim = {"vsplit": (2, 0), "dsplit": (3, 2)}.get(name, (1, min(x.dim() - 1, 1)))
        fits = x.dim() >= least
    else:
        dim = values.pop(0) if values else named.pop("dim", 0)
        fits = type(dim) is int and -x.dim() <= dim < x.dim()
    return (x, parts, dim) if fits and not values and not named else None


def _taken(named: dict[str, Any], names: Sequence[str]) -> Any:
    return next((named.pop(name) for name in names if name in named), None)


def numbers_in(parts: Part) -> Sequence[object]:
    """The numbers that say how a tensor is cut."""
    if isinstance(parts, (list, tuple)):
        return [number_of(part) for part in parts]
    return [parts]


def number_of(value: Part) -> Part:
    """A number; a tensor stands for the one that it holds."""
    return value.item() if isinstance(value, torch.Tensor) else value
