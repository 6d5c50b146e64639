"""Inputs that lie in files: ``.npy`` and ``.npz`` of NumPy, ``.pt`` of ``torch.save``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fxexport.errors import UsageError
from fxexport.graph.signature import InputSpec

if TYPE_CHECKING:
    import numpy

__all__ = ["StoredInputs", "read_inputs", "read_tensor"]

_ENDINGS = (".npy", ".npz", ".pt", ".pth")
_HINT = f"a file of inputs ends in {', '.join(_ENDINGS)}"


@dataclass(frozen=True)
class StoredInputs:
    """One set of inputs from a file.

    Attributes:
        source: the file.
        named: tensors by the names of the inputs; None where the file holds a whole call.
        call: inputs in the form of the export's `inputs`.
    """

    source: str
    named: Mapping[str, torch.Tensor] | None = None
    call: Any = field(default=None, repr=False)

    def in_order(self, specs: Sequence[InputSpec]) -> list[Any]:
        """A value for each input.

        Args:
            specs: the inputs of the file that was exported. One that is a list has its items under
                ``name.0``, ``name.1`` and so on.

        Raises:
            UsageError: one is missing, or there is another one.
        """
        assert self.named is not None
        left = dict(self.named)
        values = [self._taken(spec, left) for spec in specs]
        if left:
            wanted = ", ".join(spec.name for spec in specs)
            raise UsageError(
                f"it holds {next(iter(left))!r}, which is no input; the inputs are {wanted}"
            )
        return values

    def _taken(self, spec: InputSpec, left: dict[str, torch.Tensor]) -> Any:
        if spec.kind == "sequence":
            items: list[torch.Tensor] = []
            while f"{spec.name}.{len(items)}" in left:
                items.append(left.pop(f"{spec.name}.{len(items)}"))
            return items
        if spec.name not in left:
            found = ", ".join(self.named or ()) or "nothing"
            raise UsageError(f"it holds no input {spec.name!r}; it holds {found}")
        value = left.pop(spec.name)
        is_number = spec.kind != "tensor" and value.dim() == 0
        return value.item() if is_number else value


def read_inputs(path: str) -> StoredInputs:
    """One set of inputs, for ``--check-inputs``.

    Args:
        path: an ``.npz`` with an array for each input by name; an ``.npy`` with the only input; a
            ``.pt`` with what an export takes as inputs, or with tensors by name.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    value = _read(path)
    if isinstance(value, dict) and all(isinstance(x, torch.Tensor) for x in value.values()):
        return StoredInputs(path, named=value)
    if isinstance(value, (torch.Tensor, tuple, dict)):
        return StoredInputs(path, call=value)
    if isinstance(value, list):
        return StoredInputs(path, call=tuple(value))
    raise UsageError(f"{path} holds a {type(value).__name__}, not inputs", hint=_HINT)


def read_tensor(path: str) -> torch.Tensor:
    """The one tensor of a file, for ``--input x=@x.npy``.

    Raises:
        UsageError: it cannot be read, or does not hold one tensor.
    """
    value = _read(path)
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    if not isinstance(value, torch.Tensor):
        held = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise UsageError(f"{path}: expected one tensor, it holds {held}")
    return value


def _read(path: str) -> Any:
    ending = os.path.splitext(path)[1].lower()
    if ending not in _ENDINGS:
        raise UsageError(f"{path} is no file of inputs", hint=_HINT)
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}")
    try:
        return _loaded(path, ending)
    except UsageError:
        raise
    except Exception as error:  # of NumPy's and PyTorch's readers
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(
            f"{path} cannot be read: {lines[0]}",
            hint="it may hold arrays and tensors only; objects that are pickled are not read",
        ) from error


def _loaded(path: str, ending: str) -> Any:
    if ending in (".pt", ".pth"):
        return torch.load(path, map_location="cpu", weights_only=True)
    import numpy

    held = numpy.load(path, allow_pickle=False)
    if isinstance(held, numpy.ndarray):
        return _tensor(path, held)
    with held:
        return {name: _tensor(f"{path}, {name!r}", held[name]) for name in held.files}


def _tensor(where: str, array: numpy.ndarray[Any, Any]) -> torch.Tensor:
    import numpy

    native = array.dtype.newbyteorder("=")
    try:
        # Of at least one dimension, as NumPy has it.
        return torch.from_numpy(numpy.ascontiguousarray(array, native)).reshape(array.shape)
    except TypeError as error:
        raise UsageError(f"{where} is of dtype {array.dtype}, which no input has") from error
