"""Which rule writes which operator with open tensors."""

from __future__ import annotations

import torch
from fxexport.passes.tensorrt.capacity.rules import (
    creation,
    elementwise,
    indexing,
    products,
    reductions,
    reshape,
    slices,
    sorting,
    windows,
    writes,
)
from fxexport.passes.tensorrt.capacity.rules.table import Rule
from fxexport.passes.tensorrt.capacity.values.open_tensors import Target

__all__ = ["MAKERS", "Rule", "rule_of"]

_RULES: dict[Target, Rule] = {}
for _module in (
    elementwise,
    slices,
    indexing,
    writes,
    reductions,
    sorting,
    products,
    reshape,
    creation,
    windows,
):
    _RULES.update(_module.RULES)


# What makes an open tensor of closed ones; other rules need an open one to begin with.
MAKERS: frozenset[Target] = frozenset(
    {
        *creation.RULES,
        *sorting.RULES,
        *writes.RULES,
        torch.ops.aten.slice.Tensor,
        torch.ops.aten.nonzero.default,
        torch.ops.aten.masked_select.default,
        torch.ops.aten.index.Tensor,
        torch.ops.aten.expand.default,
    }
)


def rule_of(target: Target) -> Rule | None:
    """The rule for a target of a captured graph; None where there is none."""
    if target in _RULES:
        return _RULES[target]
    if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
        return elementwise.pointwise
    return None
