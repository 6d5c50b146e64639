"""Arguments of `torch.onnx.export`, as those of `fxexport.export`."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypedDict

from fxexport.errors import UsageError
from fxexport.suggestions import did_you_mean

__all__ = ["TAKEN_NAMES", "Taken", "TorchArguments", "taken"]


class TorchArguments(TypedDict, total=False):
    """The arguments of `torch.onnx.export` that `fxexport.export` has by other names, or has not.

    Those that tell how PyTorch's exporter works have no meaning here; the report says which.
    """

    f: str | os.PathLike[str] | None
    args: Any
    dynamic_axes: Any
    dynamic_shapes: Any
    opset_version: int | None
    verbose: bool | None
    dynamo: bool
    report: bool
    optimize: bool
    profile: bool
    fallback: bool
    dump_exported_program: bool
    artifacts_dir: str | os.PathLike[str]
    do_constant_folding: bool
    autograd_inlining: bool | None
    training: Any
    export_params: bool
    keep_initializers_as_inputs: bool | None
    operator_export_type: Any
    custom_opsets: Mapping[str, int] | None
    custom_translation_table: Mapping[Any, Any] | None
    export_modules_as_functions: Any


class Taken(NamedTuple):
    """What arguments of `torch.onnx.export` stand for.

    Attributes:
        options: arguments of `fxexport.export`, by name.
        notes: what the report says of the others.
    """

    options: dict[str, Any]
    notes: tuple[str, ...] = ()


_NAMES = {
    "f": "path", "args": "inputs", "dynamic_axes": "dynamic", "dynamic_shapes": "dynamic",
    "opset_version": "opset",
}  # fmt: skip
TAKEN_NAMES = frozenset(_NAMES.values())
_WITHOUT_MEANING = (
    "verbose", "dynamo", "report", "optimize", "profile", "fallback", "dump_exported_program",
    "artifacts_dir", "do_constant_folding", "autograd_inlining",
)  # fmt: skip
# What each must be, and what to do instead.
_ALWAYS = {
    "training": "a module is exported in the mode that it is in: call model.train()",
    "export_params": 'leave the weights out with weights="none"',
    "keep_initializers_as_inputs": "weights are initializers alone since ONNX's IR version 4",
    "operator_export_type": "there are standard operators alone",
    "custom_opsets": "register_lowering and register_function write nodes of other domains",
    "custom_translation_table": "say how an operator is written with register_lowering",
    "export_modules_as_functions": "each node names the line and module that it is from",
}
_DEFAULTS = {"export_params": True}


def taken(
    given: Mapping[str, Any], own: Collection[str], names: Collection[str], oldest_opset: int
) -> Taken:
    """Reads the arguments that a call has beside `fxexport.export`'s own.

    Args:
        given: those, by name.
        own: the names of fxexport's arguments that the call has as well.
        names: all names that fxexport knows.
        oldest_opset: the oldest opset that files may have: an older one that is asked for is that.

    Raises:
        UsageError: one is unknown, says what another one says, or asks for what there is not.
    """
    options: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in given.items():
        if name in _NAMES:
            here = _NAMES[name]
            if here in own or here in options:
                raise UsageError(f"{name} says what {here} says: give one of them")
            if name == "opset_version" and type(value) is int and value < oldest_opset:
                text = f"opset {value} was asked for: the file has {oldest_opset}, the oldest"
                notes.append(text)
                value = oldest_opset
            options[here] = _path(value) if name == "f" else value
        elif name in _WITHOUT_MEANING:
            notes.append(f"{name} has no meaning here, and is left out")
        elif name in _ALWAYS:
            if _asks_for_more(name, value):
                raise UsageError(f"{name}={value!r} is not possible here", hint=_ALWAYS[name])
        else:
            raise UsageError(
                f"export has no argument {name!r}",
                hint=did_you_mean(name, [*names, *_NAMES]),
            )
    return Taken(options, tuple(notes))


def _path(value: Any) -> Any:
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise UsageError(
            f"f: expected a path, got a {type(value).__name__}",
            hint="leave it out: export(...).model is the ONNX model in memory",
        )
    return value


def _asks_for_more(name: str, value: Any) -> bool:
    """Whether a value is another than that which changes nothing."""
    if value is None:
        return False
    if name in ("training", "operator_export_type"):
        return getattr(value, "name", "") not in ("EVAL", "ONNX", "PRESERVE")
    return bool(value) is not _DEFAULTS.get(name, False)
