"""The texts of the command's ``--input`` and ``--dynamic``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fxexport.errors import UsageError
from fxexport.inputs.specs import DTYPES, TensorSpec
from fxexport.profiles.dims import Dim, parse_dim
from fxexport.suggestions import did_you_mean

if TYPE_CHECKING:
    import torch

__all__ = ["parse_dynamic_option", "parse_input_option"]

_TENSOR = re.compile(r"(?P<dtype>(torch\.)?[A-Za-z]\w*)\s*\[(?P<shape>.*)\]", re.DOTALL)
_INT = re.compile(r"[+-]?\d+")
_INPUT_HINT = (
    "write name=dtype[sizes] or name=value, for example x=float32[1,3,224,224], "
    "ids=int64[batch,16], n=5, scale=0.5, flag=true, image=@image.npy"
)
_DYNAMIC_HINT = (
    "write input:axis=name, for example x:0=batch,2=height, x:0=batch[1..8] or "
    "x:0=batch[1..4..8] (min, opt, max)"
)


def parse_input_option(text: str) -> tuple[str, TensorSpec | torch.Tensor | int | float | bool]:
    """Reads one ``--input``.

    Args:
        text: for example ``x=float32[1,3,224,224]``, ``ids=int64[batch,16]``, ``n=5``,
            ``scale=0.5``, ``flag=true``, or ``x=@x.npy`` for the tensor in a file.

    Returns:
        The input's name and its spec or value.

    Raises:
        UsageError: when the text says nothing of this kind.
    """
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name or not value:
        raise UsageError(
            f"--input {text!r}: expected name=dtype[sizes] or name=value", hint=_INPUT_HINT
        )
    if value.startswith("@"):
        return name, _tensor_in(text, value[1:])
    match = _TENSOR.fullmatch(value)
    if match is None:
        return name, _parse_scalar(text, value)
    dtype = DTYPES.get(match["dtype"].removeprefix("torch."))
    if dtype is None:
        raise UsageError(
            f"--input {text!r}: no dtype is called {match['dtype']!r}",
            hint=did_you_mean(match["dtype"], DTYPES, f"dtypes are {', '.join(DTYPES)}"),
        )
    shape = tuple(_parse_size(text, size) for size in _split(match["shape"]))
    return name, TensorSpec(dtype, shape)


def _tensor_in(text: str, path: str) -> torch.Tensor:
    from fxexport.inputs.stored import read_tensor

    try:
        return read_tensor(path)
    except UsageError as error:
        raise UsageError(f"--input {text!r}: {error.message}", hint=error.hint) from error


def parse_dynamic_option(texts: Sequence[str]) -> bool | dict[str, dict[int, Dim] | bool]:
    """Reads all ``--dynamic`` of one command.

    Args:
        texts: one text an option; an empty text for ``--dynamic`` alone.

    Returns:
        False without any option, True for ``--dynamic`` alone (every dimension is tried), else
        the named dimensions by input and axis. A name without an axis (``--dynamic n``) is True
        for that input: every dimension of a tensor, or a Python scalar that becomes an input.

    Raises:
        UsageError: when a text cannot be read, or ``--dynamic`` stands alone and with a value.
    """
    named = [text for text in texts if text.strip()]
    if len(named) < len(texts):
        if named:
            raise UsageError(
                f"--dynamic stands alone and with {named[0]!r}",
                hint="alone it means every dimension; drop one of the two",
            )
        return True
    result: dict[str, dict[int, Dim] | bool] = {}
    for text in named:
        _parse_dynamic(text, result)
    return result or False


def _parse_dynamic(text: str, result: dict[str, dict[int, Dim] | bool]) -> None:
    """Adds what one ``--dynamic`` says."""
    name, colon, axes = text.partition(":")
    name = name.strip()
    if not name or "=" in name or (colon and not axes.strip()):
        raise UsageError(f"--dynamic {text!r}: expected input:axis=name", hint=_DYNAMIC_HINT)
    if not colon:
        if result.setdefault(name, True) is not True:
            raise UsageError(f"--dynamic {text!r}: {name!r} is given with axes as well")
        return
    dims = result.setdefault(name, {})
    if isinstance(dims, bool):
        raise UsageError(f"--dynamic {text!r}: {name!r} is given without axes as well")
    for entry in _split(axes):
        axis_text, equals, dim_text = entry.partition("=")
        if not _INT.fullmatch(axis_text.strip()) or (equals and not dim_text.strip()):
            other = ":" in axis_text
            raise UsageError(
                f"--dynamic {text!r}: expected axis=name, got {entry.strip()!r}",
                hint="give --dynamic once for each input" if other else _DYNAMIC_HINT,
            )
        axis = int(axis_text)
        if axis in dims:
            raise UsageError(f"--dynamic {text!r}: axis {axis} of {name!r} is given twice")
        made_up = f"{name}_d{axis}".replace("-", "last")
        try:
            dims[axis] = parse_dim(dim_text, made_up) if equals else Dim(made_up)
        except UsageError as error:
            raise UsageError(f"--dynamic {text!r}: {error.message}", hint=error.hint) from None


def _parse_scalar(text: str, value: str) -> int | float | bool:
    """The Python scalar that a text stands for."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _INT.fullmatch(value):
        return int(value)
    try:
        return float(value)
    except ValueError:
        raise UsageError(
            f"--input {text!r}: {value!r} is neither dtype[sizes] nor a number, true or false",
            hint=_INPUT_HINT,
        ) from None


def _parse_size(text: str, size: str) -> int | Dim:
    """One entry of a shape."""
    size = size.strip()
    if size.isdigit():
        return int(size)
    try:
        return parse_dim(size)
    except UsageError as error:
        raise UsageError(f"--input {text!r}: {error.message}", hint=error.hint) from None


def _split(text: str) -> list[str]:
    """Splits at commas; [] for a blank text."""
    return text.split(",") if text.strip() else []
