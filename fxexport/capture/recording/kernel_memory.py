"""Remembers what kernels gave on fake tensors: layers that are alike cost what the first one costs.

A fake kernel is Python code that asks dozens of questions about sizes. What it gives depends on its
operands and on what is known of sizes, so a result holds while those facts do: results are kept
beside the facts, and are forgotten with them (`SizeEnv.restore_facts`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import SYM, OpArgs, OpKwargs, OpResult, Value

__all__ = ["KernelMemory", "described"]


class KernelMemory:
    """The results of one capture's kernels."""

    def __init__(self, env: compat.SizeEnv) -> None:
        self._env = env

    def result(
        self,
        func: torch._ops.OpOverload,
        args: OpArgs,
        kwargs: OpKwargs,
        beside: Hashable,
        kernel: Callable[[], OpResult],
    ) -> OpResult:
        """What a kernel gives, in tensors of their own.

        Args:
            func: the operator.
            args: its operands.
            kwargs: those by name.
            beside: what else the result depends on.
            kernel: computes it.
        """
        key = (func, beside, *described((args, kwargs)))
        if key in self._env.kernel_results:
            return _copied(self._env.kernel_results[key])
        out = kernel()
        given = {id(tensor) for tensor in compat.tensors_among(args, kwargs)}
        handed_back = any(id(tensor) in given for tensor in compat.tensors_among((out,), {}))
        # What elements decide (`x.item()`, `x.nonzero()`) is a number of its own for each tensor,
        # also where a fake tensor remembers it. That of a view depends on sizes alone.
        by_sizes = _is_view(func) or _symbols(described(out)) <= _symbols(key)
        if by_sizes and not handed_back:
            self._env.kernel_results[key] = _copied(out)
        return out


def _symbols(described: Hashable) -> set[sympy.Basic]:
    """All symbols in a description."""
    if isinstance(described, tuple):
        return {symbol for part in described for symbol in _symbols(part)}
    return set(described.free_symbols) if isinstance(described, sympy.Basic) else set()


def _is_view(func: torch._ops.OpOverload) -> bool:
    return any(result.alias_info is not None for result in func._schema.returns)


def _copied(out: OpResult) -> OpResult:
    return compat.map_tensors(compat.another_fake, out)  # type: ignore[no-any-return]


def described(operands: Value) -> tuple[Hashable, ...]:
    """What a result depends on: dtypes, sizes and places of tensors, and everything else."""
    leaves, structure = compat.tree_flatten(operands)
    return (str(structure), *map(_leaf, leaves))


def _leaf(value: Value) -> Hashable:
    if isinstance(value, torch.Tensor):
        # Views are as far from the beginning of memory as their sources, and more.
        lies = (*value.stride(), value.storage_offset()) if value.layout is torch.strided else ()
        sizes = tuple(map(_size, (*value.shape, *lies)))
        return value.dtype, value.device, value.layout, value.dim(), sizes
    if isinstance(value, SYM):
        return _size(value)
    # 1 and True and 1.0 are equal, and no one operand.
    return type(value), repr(value)


def _size(value: Value) -> Hashable:
    return value.node.expr if isinstance(value, SYM) else value
