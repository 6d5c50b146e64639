"""The strides of `view` of a tensor that does not lie in order, without a question about sizes.

PyTorch's own fake kernel asks of each size whether it is 1 and which is larger. A view with
symbolic sizes is then recorded under every answer, though real sizes give one and the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch

from fxexport.capture.recording.layouts import is_contiguous
from fxexport.capture.recording.types import Size, expression

__all__ = ["view"]

_Sizes = Sequence[sympy.Expr]


def view(x: torch.Tensor, shape: Sequence[Size]) -> torch.Tensor:
    """What `aten::view` gives on a fake tensor."""
    strides = None
    if any(isinstance(size, torch.SymInt) for size in (*x.shape, *shape)):
        strides = _strides(x, shape)
    if strides is None:
        return torch.ops.aten.view.default(x, shape)  # type: ignore[no-any-return]
    return torch.empty_strided(shape, strides, dtype=x.dtype, device=x.device)


def _strides(x: torch.Tensor, shape: Sequence[Size]) -> list[Size] | None:
    """The strides of a view; None where they are left to PyTorch."""
    if expression(x.storage_offset()) != 0 or is_contiguous(x):
        return None
    old, new = list(map(expression, x.shape)), list(map(expression, shape))
    if -1 in new:
        return None
    steps: list[Size] = list(x.stride())
    out: list[Size] = []
    for taken, given in _groups(old, new):
        # What is put together or taken apart must lie in one piece.
        if not taken or not given:
            return None
        wrong = sympy.Ne(sympy.prod(old[d] for d in taken), sympy.prod(new[d] for d in given))
        if wrong == sympy.true:
            return None  # PyTorch's error
        for d in taken[:-1]:
            if expression(steps[d]) != expression(steps[d + 1]) * old[d + 1]:
                return None
        inside: list[Size] = [steps[taken[-1]]]
        for d in reversed(given[1:]):
            inside.insert(0, inside[0] * torch.sym_max(shape[d], 1))
        out.extend(inside)
    return out


def _groups(old: _Sizes, new: _Sizes) -> list[tuple[range, range]]:
    """Dimensions of both shapes that are the same elements: `[n, 4]` and `[n // 2, 2, 4]`.

    That as many elements are left for the last group is what `view` needs.
    """
    last = 0
    while last < min(len(old), len(new)) and old[-1 - last] == new[-1 - last]:
        last += 1
    ends = len(old) - last, len(new) - last
    groups: list[tuple[range, range]] = []
    i = j = 0
    while i < ends[0] or j < ends[1]:
        found = next(
            (
                (a, b)
                for a in range(i + 1, ends[0])
                for b in range(j + 1, ends[1])
                if sympy.prod(old[i:a]) == sympy.prod(new[j:b])
            ),
            ends,
        )
        groups.append((range(i, found[0]), range(j, found[1])))
        i, j = found
    groups.extend((range(i + k, i + k + 1), range(j + k, j + k + 1)) for k in range(last))
    return groups
