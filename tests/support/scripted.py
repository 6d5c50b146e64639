"""Test programs as TorchScript: scripted where the compiler takes them, and through archives."""

from __future__ import annotations

import ast
import copy
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tests.random_programs import RandomProgram
from tests.support.harness import compare, flatten

__all__ = ["annotated", "archived", "same_in_eager", "scripted"]

_TYPES = {"mat": "torch.Tensor", "row": "torch.Tensor", "num": "torch.Tensor"}
_HELPER = {"x": "torch.Tensor", "a": "torch.Tensor", "b": "torch.Tensor", "c": "int"}


def scripted(model: Callable[..., Any]) -> Any:
    """The model as TorchScript; None where the compiler refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.jit.script(model)
        except Exception:  # the compiler raises whatever it comes across
            return None


def archived(model: Any) -> Any:
    """A scripted model after it was saved and loaded."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(model, buffer)
        buffer.seek(0)
        return torch.jit.load(buffer)


def same_in_eager(
    make: Callable[[], Callable[..., Any]],
    make_script: Callable[[], Any],
    inputs: Sequence[tuple[Any, ...]],
) -> bool:
    """Whether PyTorch itself gives the same for a program and for its script.

    TorchScript types what Python leaves open, so that some programs mean something else in it.
    """
    for row in inputs:
        try:
            with torch.no_grad():
                got = flatten(make_script()(*copy.deepcopy(row)))
                want = flatten(make()(*copy.deepcopy(row)))
        except (RuntimeError, ValueError, TypeError, torch.jit.Error):
            return False
        if compare(want, got):
            return False
    return True


def annotated(program: RandomProgram) -> str:
    """A random program's source with the types that TorchScript needs."""
    tree = ast.parse(program.source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "build":
            types = _HELPER if node.name.startswith("helper") else program.arguments
            for argument in node.args.args:
                kind = types.get(argument.arg)
                if kind is not None:
                    argument.annotation = ast.parse(_TYPES.get(kind, kind), mode="eval").body
    return ast.unparse(tree) + "\n"
