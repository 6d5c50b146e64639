"""The example inputs that a model's file gives, and those that the command line adds.

A file says them in ``example_inputs`` (or ``get_inputs``): a tuple or list of positional inputs, a
dict of inputs by name, one tensor, or a function that returns any of these. ``check_inputs``, a
list of such things or a function that returns one, holds further inputs to verify on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from fxexport.errors import UsageError

__all__ = ["check_inputs_of", "example_inputs_of", "merge_inputs"]


def example_inputs_of(module: ModuleType, shown: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The example inputs of a model's file, positional ones and those by name; none is fine.

    Raises:
        UsageError: they are there, but they are not inputs, or making them raised.
    """
    for name in ("example_inputs", "get_inputs"):
        if getattr(module, name, None) is not None:
            return _split(_value(module, name, shown))
    return (), {}


def check_inputs_of(module: ModuleType, shown: str) -> list[Any]:
    """The further inputs that a model's file wants to be verified on.

    Raises:
        UsageError: they are no list, or making them raised.
    """
    if getattr(module, "check_inputs", None) is None:
        return []
    cases = _value(module, "check_inputs", shown)
    if not isinstance(cases, Sequence) or isinstance(cases, str):
        raise UsageError(
            f"check_inputs in {shown} is of type {type(cases).__name__}.",
            hint="It is a list of inputs, each a tuple or a dict as for example_inputs.",
        )
    return [
        tuple(case)
        if isinstance(case, list)
        else dict(case)
        if _is_named(case)
        else _as_tuple(case)
        for case in cases
    ]


def merge_inputs(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Lays inputs given by name over the example inputs.

    Args:
        model: the module or function that takes them.
        args: positional example inputs.
        kwargs: example inputs by name.
        given: inputs that replace or add to them, by parameter name.

    Returns:
        The positional inputs and those by name, together.

    Raises:
        UsageError: the model has no such parameter, needs more, or takes fewer.
    """
    signature = _signature(model)
    if signature is None:
        return args, {**kwargs, **given}
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds.values()
    try:
        bound = signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise UsageError(
            f"The example inputs do not fit the model: {error}.",
            hint=f"The model takes {_shown(signature)}.",
        ) from error
    extra: dict[str, Any] = {}
    for name, value in given.items():
        if name in kinds and kinds[name] not in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        ):
            bound.arguments[name] = value
        elif takes_any:
            extra[name] = value
        else:
            raise UsageError(
                f"The model has no input {name!r}.", hint=f"The model takes {_shown(signature)}."
            )
    _refuse_missing(signature, bound)
    # BoundArguments gives its arguments back in this order, and positionally only up to a gap.
    bound.arguments = {name: bound.arguments[name] for name in kinds if name in bound.arguments}
    return bound.args, {**bound.kwargs, **extra}


def _refuse_missing(signature: inspect.Signature, bound: inspect.BoundArguments) -> None:
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if name not in bound.arguments
        and parameter.default is parameter.empty
        and parameter.kind not in optional
    ]
    if missing:
        listed = ", ".join(missing)
        raise UsageError(
            f"There is no example input for {listed}; the model takes {_shown(signature)}.",
            hint=f"Give --input {missing[0]}=float32[1,3,224,224] with its dtype and sizes, or "
            "define example_inputs in the model's file.",
        )


def _signature(model: Any) -> inspect.Signature | None:
    from torch import nn

    from fxexport.inputs.binding import signature_of

    return signature_of(model.forward if isinstance(model, nn.Module) else model)


def _shown(signature: inspect.Signature) -> str:
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def _value(module: ModuleType, name: str, shown: str) -> Any:
    value = getattr(module, name)
    if not callable(value):
        return value
    function: Callable[[], Any] = value
    try:
        return function()
    except Exception as error:
        raise UsageError(f"{name}() in {shown} raised {type(error).__name__}: {error}.") from error


def _split(value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if _is_named(value):
        return (), dict(value)
    return _as_tuple(value), {}


def _is_named(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    """Positional inputs; a single input needs no tuple around it."""
    if isinstance(value, list) or type(value) is tuple:
        return tuple(value)
    return (value,)
