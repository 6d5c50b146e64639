"""The user's model in eager PyTorch, on the flat inputs of the file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from fxexport.capture import kept, replace_leaves, state_leaves, untouched
from fxexport.graph import CapturedGraph, StateSpec
from fxexport.graph.complex_values import as_complex, as_real
from fxexport.graph.outputs import flat_outputs
from fxexport.graph.values import Eager
from fxexport.inputs import PreparedInputs
from fxexport.inputs.wrapped import compiled_in

__all__ = ["EagerModel", "Reference", "copies", "copy_of"]

EagerModel = Callable[[list[Eager]], Sequence[Eager]]
"""Runs a model in PyTorch on the file's flat inputs; gives the file's flat outputs."""


class Reference:
    """Calls the model, and leaves it as it was."""

    def __init__(
        self, model: Callable[..., Any], prepared: PreparedInputs, graph: CapturedGraph
    ) -> None:
        self._model = model
        self._prepared = prepared
        self._state = graph.state
        self._outputs = graph.outputs
        buffers = list(model.buffers()) if isinstance(model, torch.nn.Module) else []
        owner = getattr(model, "__self__", model)
        modules = owner.modules() if isinstance(owner, torch.nn.Module) else ()
        self._is_compiled = any(map(_is_compiled, modules))
        self._written = list({id(t): t for t in [*buffers, *graph.written]}.values())

    def __call__(self, values: list[Eager]) -> list[Eager]:
        """One call.

        Args:
            values: the file's inputs; the state, where the file has it, comes last.

        Returns:
            The file's outputs; the state after the call comes last.
        """
        args, kwargs = self._prepared.rebuild(values)
        called = self._model if self._state else untouched(self._model)
        with torch.no_grad(), self._uncompiled(), self._left_as_found():
            if self._state:
                self._put_in(values[-len(self._state) :])
            results = self._unshared(flat_outputs(called(*args, **kwargs), self._outputs))
            after = state_leaves(self._model)
            return [*results, *(_plain(after[e.path].value, e) for e in self._state)]

    def _uncompiled(self) -> contextlib.AbstractContextManager[object]:
        """Runs modules in `torch.compile` as they are: compiling takes long and rounds anew.

        Of models without any nothing is said: torch.cond and its like compile themselves, and may
        not be kept from it.
        """
        if self._is_compiled:
            return torch.compiler.set_stance("force_eager")
        return contextlib.nullcontext()

    def _unshared(self, results: list[Eager]) -> list[Eager]:
        """Results that do not change when the state is put back, or in the next call."""
        if not self._written and not self._state:
            return results
        return [copy_of(result) for result in results]

    def _put_in(self, values: Sequence[Eager]) -> None:
        leaves = state_leaves(self._model)
        new: dict[str, Eager] = {}
        for entry, value in zip(self._state, values, strict=True):
            names = [entry.path]
            if isinstance(entry.initial, torch.Tensor):
                names = [path for path, leaf in leaves.items() if leaf.value is entry.initial]
            new.update(dict.fromkeys(names, as_complex(value) if entry.spec.is_complex else value))
        replace_leaves(self._model, new)

    @contextlib.contextmanager
    def _left_as_found(self) -> Iterator[None]:
        """Runs on the model's own weights, but undoes what a call leaves, in tensors too."""
        saved = [(tensor, tensor.detach().clone()) for tensor in self._written]
        try:
            with kept(self._model):
                yield
        finally:
            for tensor, value in saved:
                tensor.copy_(value)


def _is_compiled(module: torch.nn.Module) -> bool:
    in_place = getattr(module, "_compiled_call_impl", None) is not None
    return in_place or compiled_in(module) is not None


def copies(values: Sequence[Eager]) -> list[Eager]:
    """Inputs that a model may write into."""
    return [copy_of(value) for value in values]


def copy_of(value: Eager) -> Eager:
    """A value that shares no memory with another one."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return copies(value)
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _plain(value: Eager, entry: StateSpec) -> Eager:
    """A value of the state that a later call does not change."""
    if isinstance(value, torch.Tensor):
        return as_real(value.detach().clone())  # type: ignore[no-any-return]
    return {"int": int, "float": float, "bool": bool}[entry.spec.kind](value)
