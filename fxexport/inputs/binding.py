"""Which argument of a call is which parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fxexport._torch_compat import torchscript
from fxexport.errors import UsageError
from fxexport.inputs.specs import TensorSpec

__all__ = ["BoundCall", "CallBinder", "normalise_call", "signature_of"]


@dataclass(frozen=True)
class BoundCall:
    """A call's arguments by name.

    Attributes:
        values: arguments in the order of the parameters; those of ``*args`` are called args_0,
            args_1, …; those of ``**kwargs`` by their key.
        positional: the names of those that were given by position.
    """

    values: dict[str, Any]
    positional: tuple[str, ...]


def normalise_call(
    inputs: Any, kwargs: Mapping[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that a user's `inputs` and `kwargs` stand for.

    One tensor, spec or scalar is one argument; a dict is taken as keyword arguments; a tuple or a
    list as positional ones.
    """
    keywords = dict(kwargs or {})
    if isinstance(inputs, Mapping):
        twice = [name for name in inputs if name in keywords]
        if twice:
            raise UsageError(f"{twice[0]!r} is given in inputs and in kwargs")
        wrong = [name for name in inputs if not isinstance(name, str)]
        if wrong:
            raise UsageError(
                f"a dict of inputs has argument names as keys, got {wrong[0]!r}",
                hint="to give a dict as the only argument, write inputs=({...},)",
            )
        return (), {**inputs, **keywords}
    if isinstance(inputs, (torch.Tensor, np.ndarray, TensorSpec, int, float)):
        return (inputs,), keywords
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs), keywords
    raise UsageError(
        f"inputs must be a tuple, a dict by argument name or a tensor, got {type(inputs).__name__}"
    )


class CallBinder:
    """Binds calls of one function or method.

    Attributes:
        variadic: the name of its ``*args`` parameter, or an empty string.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._name = getattr(call, "__name__", type(call).__name__)
        self._signature = signature_of(call)
        parameters = self._signature.parameters.values() if self._signature else ()
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundCall:
        """Names the arguments of one call.

        Raises:
            UsageError: when they do not fit the parameters.
        """
        if self._signature is None:
            names = tuple(f"input_{k}" for k in range(len(args)))
            return BoundCall({**dict(zip(names, args, strict=True)), **kwargs}, names)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(
                f"the inputs do not fit {self._name}{self._signature}: {error}",
                hint=self._hint(args, kwargs),
            ) from None
        return self._named(bound, len(args))

    def default(self, name: str) -> Any:
        """The default value of a parameter; `inspect.Parameter.empty` without one."""
        parameters = self._signature.parameters if self._signature else {}
        return parameters[name].default if name in parameters else inspect.Parameter.empty

    def _named(self, bound: inspect.BoundArguments, given_by_position: int) -> BoundCall:
        values: dict[str, Any] = {}
        positional: list[str] = []
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                rest = {f"{name}_{k}": item for k, item in enumerate(value)}
                values.update(rest)
                positional.extend(rest)
            elif kind is inspect.Parameter.VAR_KEYWORD:
                values.update(value)
            else:
                values[name] = value
                if len(positional) < given_by_position:
                    positional.append(name)
        return BoundCall(values, tuple(positional))

    def _hint(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        if not args and not kwargs:
            return (
                "give example inputs, or a shape and a dtype for each, "
                "for example inputs=(fxexport.TensorSpec(torch.float32, (1, 3, 224, 224)),)"
                " or --input x=float32[1,3,224,224]"
            )
        if not args:
            return "to give a dict as the only argument, write inputs=({...},)"
        return f"got {len(args)} by position and {len(kwargs)} by name"


def signature_of(call: Callable[..., Any]) -> inspect.Signature | None:
    """The parameters of a call, or of what it hands any arguments on to; None if not known."""
    schema = getattr(call, "schema", None)  # scripted functions and methods
    if hasattr(schema, "arguments"):
        return _signature_of_schema(schema, isinstance(call, torchscript.SCRIPT_METHODS))
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return None
    inner = _handed_on_to(call) if _takes_anything(signature) else None
    return signature_of(inner) if inner is not None else signature


def _takes_anything(signature: inspect.Signature) -> bool:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return bool(kinds) and all(kind in variadic for kind in kinds)


def _handed_on_to(call: Callable[..., Any]) -> Callable[..., Any] | None:
    """The forward of the only module in a module whose own forward takes any arguments.

    Such a module, as those of data parallelism, averaged weights and adapters, hands them on: their
    names are those of what it holds.
    """
    module = call.__self__ if inspect.ismethod(call) and call.__name__ == "forward" else None
    if not isinstance(module, torch.nn.Module):
        return None
    children = list(module.children())
    return children[0].forward if len(children) == 1 else None


def _signature_of_schema(schema: Any, is_method: bool) -> inspect.Signature:
    # A method's first argument is its module, whatever it is called.
    return inspect.Signature(
        [
            inspect.Parameter(
                argument.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=_default_of(argument),
            )
            for k, argument in enumerate(schema.arguments)
            if argument.name != "self" and not (is_method and k == 0)
        ]
    )


def _default_of(argument: Any) -> Any:
    try:
        return torchscript.default_of(argument)
    except RuntimeError as error:
        raise UsageError(
            f"the default of the parameter {argument.name!r} is of a class that Python does not "
            f"have: {str(error).splitlines()[0]}",
            hint="import the module that defines the class, in a model.py that loads the archive",
        ) from error
