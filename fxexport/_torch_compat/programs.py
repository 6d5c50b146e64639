"""Private PyTorch API on programs: which code and functions are PyTorch's own or generated."""

from __future__ import annotations

import types

import torch

__all__ = [
    "is_control_flow_function",
    "is_generated",
    "is_torch_builtin",
    "program_module",
    "stack_of_generated",
]


def program_module(program: torch.export.ExportedProgram) -> torch.nn.Module:
    """An exported program's module, without the checks of its inputs that run before it.

    They compare sizes, which would hold every dimension at the example's size.
    """
    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    return module


def is_generated(code: types.CodeType) -> bool:
    """Whether code is the forward that a torch.fx.GraphModule generates from its graph."""
    return code.co_filename.startswith("<eval_with_key>")


def stack_of_generated(frame: types.FrameType, line: int) -> str:
    """The Python stack that the node behind a line of generated code was made at; may be empty."""
    module = frame.f_locals.get("self")
    if not isinstance(module, torch.fx.GraphModule):
        return ""
    table: dict[int, int] = getattr(module, "_lineno_map", None) or {}
    index = table.get(line - frame.f_code.co_firstlineno)
    nodes = list(module.graph.nodes)
    return (nodes[index].stack_trace or "") if index is not None and index < len(nodes) else ""


def is_torch_builtin(function: object) -> bool:
    """Whether a builtin is one of PyTorch's functions of tensors."""
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", None) or ""
    return name.startswith("_VariableFunctionsClass.") or module.startswith("torch")


def is_control_flow_function(function: object) -> bool:
    """Whether a function is one of PyTorch's cond, while_loop, scan, map and kin.

    Some have no public name, and those that have one say that they are torch's own.
    """
    code = getattr(function, "__code__", None)
    return code is not None and "_higher_order_ops" in code.co_filename
