"""Which rule writes which operator with open tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fxexport.passes.capacity import (
    rules_creation,
    rules_cut,
    rules_fold,
    rules_index,
    rules_linear,
    rules_pass,
    rules_put,
    rules_reshape,
    rules_sort,
    rules_spatial,
)

__all__ = ["MAKERS", "Rule", "rule_of"]

Rule = Callable[..., Any]

_RULES: dict[Any, Rule] = {}
for _module in (
    rules_pass,
    rules_cut,
    rules_index,
    rules_put,
    rules_fold,
    rules_sort,
    rules_linear,
    rules_reshape,
    rules_creation,
    rules_spatial,
):
    _RULES.update(_module.RULES)


# What makes an open tensor of closed ones; other rules need an open one to begin with.
MAKERS: frozenset[Any] = frozenset(
    {
        *rules_creation.RULES,
        *rules_sort.RULES,
        *rules_put.RULES,
        torch.ops.aten.slice.Tensor,
        torch.ops.aten.nonzero.default,
        torch.ops.aten.masked_select.default,
        torch.ops.aten.index.Tensor,
        torch.ops.aten.expand.default,
    }
)


def rule_of(target: Any) -> Rule | None:
    """The rule for a target of a captured graph; None where there is none."""
    if target in _RULES:
        return _RULES[target]
    if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
        return rules_pass.pointwise
    return None
