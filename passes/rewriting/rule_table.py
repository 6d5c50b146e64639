"""How a pass enters its rules for operators, one file for each subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from fxexport._torch_compat import overload_named

__all__ = ["RuleTable"]

Rule = TypeVar("Rule", bound=Callable[..., Any])
_Written = TypeVar("_Written", bound=Callable[..., Any])


class RuleTable(dict[Any, Rule], Generic[Rule]):
    """The rules of one file, by operator."""

    def __call__(self, *names: str) -> Callable[[_Written], _Written]:
        """Enters the decorated rule for ATen operators, named as ``add.Tensor`` or ``relu``.

        A name that this PyTorch does not have is left out.
        """

        def enter(rule: _Written) -> _Written:
            for name in names:
                found = overload_named(f"aten::{name}")
                if found is not None:
                    self[found] = rule  # type: ignore[assignment]
            return rule

        return enter
