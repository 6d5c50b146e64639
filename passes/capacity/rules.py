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

__all__ = ["Rule", "rule_of"]

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


def rule_of(target: Any) -> Rule | None:
    """The rule for a target of a captured graph; None where there is none."""
    if target in _RULES:
        return _RULES[target]
    if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
        return rules_pass.pointwise
    return None
