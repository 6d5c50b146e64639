"""Inputs that were compared, from which decisions are forced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from fxexport.verify.cases import Case
from fxexport.verify.forced.controls import Control, Reached

__all__ = ["Starts"]

# Sets of inputs that are kept for each goal, and of other sizes each.
_CASES, _SIZES = 3, 8
# Of them so many are moved.
_STARTS = 2


@dataclass
class Starts:
    """Inputs that were compared: where forcing begins.

    Attributes:
        cases: the first few.
        sizes: the first ones of other sizes each.
        reaching: inputs for everything that some input reaches.
    """

    cases: list[Case] = field(default_factory=list)
    sizes: list[Case] = field(default_factory=list)
    reaching: dict[Reached, list[Case]] = field(default_factory=dict)

    def add(self, case: Case, seen: set[Reached]) -> None:
        """Notes inputs on which file and PyTorch were compared."""
        if len(self.sizes) < _SIZES and all(one.sizes != case.sizes for one in self.sizes):
            self.sizes.append(case)
        for known in (self.cases, *(self.reaching.setdefault(one, []) for one in seen)):
            # Zeros and empty tensors tell least: what is wrong may be right for them.
            known.append(case)
            known.sort(key=_says_little)
            del known[_CASES:]

    def before(self, ways: Sequence[tuple[Control, str]]) -> list[Case]:
        """Inputs that come to a branch or loop; none where no input does.

        Args:
            ways: the branches and loops around it, and the way to it.
        """
        if not ways:
            return self.cases[:_STARTS]
        control, way = ways[-1]
        return self.reaching.get((control.path, way), [])[:_STARTS]


def _says_little(case: Case) -> bool:
    """Whether results on some inputs are likely to be alike, whatever is computed."""
    tensors = [value for value in case.inputs if isinstance(value, torch.Tensor)]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()] or tensors
    return bool(floats) and all(not t.numel() or bool((t == t.flatten()[0]).all()) for t in floats)
