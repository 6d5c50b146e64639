"""What views and other common operators give on fake tensors, without a question about sizes.

PyTorch's fake kernels ask dozens of them for one operator. Where expressions are long and many
facts are known, each takes milliseconds; and a view of what does not lie in order, recorded under
every answer, has the same strides under all of them. Here results are made of the operands' sizes
as they are. What does not fit these rules, errors as well, is left to PyTorch's own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.layouts import is_contiguous, is_in_order
from fxexport.capture.recording.types import SYM, OpArgs, OpKwargs, Size, Value, expression

__all__ = ["UNASKED_RESULTS", "pointwise"]

_Sizes = Sequence[sympy.Expr]

aten = torch.ops.aten


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Value:
    if x.dim() < 2 or weight.dim() != 2 or _unlike(x, weight, bias) or not _any_symbol(x, weight):
        return aten.linear.default(x, weight, bias)
    if bias is not None and _expressions(bias.shape) != _expressions(weight.shape[:1]):
        return aten.linear.default(x, weight, bias)
    torch._check(x.shape[-1] == weight.shape[1])
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _matmul(a: torch.Tensor, b: torch.Tensor) -> Value:
    alike = _expressions(a.shape[:-2]) == _expressions(b.shape[:-2])
    if a.dim() < 3 or not alike or _unlike(a, b) or not _any_symbol(a, b):
        return aten.matmul.default(a, b)
    torch._check(a.shape[-1] == b.shape[-2])
    return a.new_empty((*a.shape[:-1], b.shape[-1]))


def _layer_norm(
    x: torch.Tensor,
    shape: Sequence[Size],
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *rest: Value,
) -> Value:
    known = _expressions(shape)
    given = [
        x.shape[-len(known) :],
        *(value.shape for value in (weight, bias) if value is not None),
    ]
    if any(_expressions(sizes) != known for sizes in given) or not _is_plain(x, weight, bias):
        return aten.layer_norm.default(x, shape, weight, bias, *rest)
    return compat.another_fake(x)


def _roll(x: torch.Tensor, shifts: Sequence[Size], dims: Sequence[int] = ()) -> Value:
    valid = len(shifts) == len(dims) and all(-x.dim() <= dim < x.dim() for dim in dims)
    if not dims or not valid or not _is_plain(x):
        return aten.roll.default(x, shifts, dims)
    return compat.another_fake(x)


def pointwise(func: torch._ops.OpOverload) -> Callable[..., Value]:
    """The fake results of an elementwise operator, some number standing for each size in it."""

    def result(*args: Value, **kwargs: Value) -> Value:
        found = _at_numbers(func, args, kwargs)
        return func(*args, **kwargs) if found is None else found

    return result


def _at_numbers(func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> torch.Tensor | None:
    """An elementwise result in order; None where it is left to PyTorch."""
    leaves, _ = compat.tree_flatten((args, kwargs))
    operands = compat.tensors_among(args, kwargs)
    if any(isinstance(leaf, SYM) for leaf in leaves) or not _any_symbol(*operands):
        return None
    if not all(x.layout is torch.strided and is_in_order(x) for x in operands):
        return None
    sizes = {expression(size): size for x in operands for size in x.shape}
    others = _numbers_beside({int(size) for size in sizes if size.is_Integer})
    numbers = {size: int(size) if size.is_Integer else next(others) for size in sizes}

    def plain(x: Value) -> Value:
        if not isinstance(x, torch.Tensor):
            return x
        return x.new_empty([numbers[expression(size)] for size in x.shape])

    plain_args, plain_kwargs = compat.map_tensors(plain, (args, kwargs))
    try:
        out = func(*plain_args, **plain_kwargs)
    except Exception:
        return None  # two sizes that may be equal, or PyTorch's error
    if not isinstance(out, torch.Tensor) or not out.is_contiguous():
        return None
    back = {number: sizes[size] for size, number in numbers.items()}
    return out.new_empty([back[number] for number in out.shape])


def _numbers_beside(taken: set[int]) -> Iterator[int]:
    return (number for number in itertools.count(3) if number not in taken)


def _is_plain(x: torch.Tensor, *others: torch.Tensor | None) -> bool:
    """Whether a tensor lies in order from where its memory begins; others have its dtype."""
    in_order = (
        x.layout is torch.strided and is_contiguous(x) and expression(x.storage_offset()) == 0
    )
    return in_order and not _unlike(x, *others) and _any_symbol(x)


def _unlike(x: torch.Tensor, *others: torch.Tensor | None) -> bool:
    return any(other is not None and other.dtype != x.dtype for other in others)


def _any_symbol(*tensors: torch.Tensor) -> bool:
    return any(isinstance(size, torch.SymInt) for x in tensors for size in x.shape)


def _expressions(sizes: Sequence[Size]) -> list[sympy.Expr]:
    return list(map(expression, sizes))


# -- views -----------------------------------------------------------------------------------------


def _view(x: torch.Tensor, shape: Sequence[Size]) -> torch.Tensor:
    """What `aten::view` gives on a fake tensor."""
    sizes = strides = None
    if any(isinstance(size, torch.SymInt) for size in (*x.shape, *shape)):
        sizes = _sizes(x.shape, shape)
    if sizes is not None:
        strides = _in_order(sizes) if is_contiguous(x) else _strides(x, sizes)
    if sizes is None or strides is None:
        return torch.ops.aten.view.default(x, shape)  # type: ignore[no-any-return]
    if expression(x.storage_offset()) != 0:
        return x.as_strided(sizes, strides, x.storage_offset())
    return torch.empty_strided(sizes, strides, dtype=x.dtype, device=x.device)


def _sizes(old: Sequence[Size], new: Sequence[Size]) -> Sequence[Size] | None:
    """The sizes of a view with that which is given as -1; None where PyTorch raises."""
    unknown = [d for d, size in enumerate(new) if isinstance(size, int) and size == -1]
    others = [size for d, size in enumerate(new) if d not in unknown]
    elements = _product(old)
    if not unknown:
        if sympy.Ne(elements, _product(new)) == sympy.true:
            return None
        _need(math.prod(old) == math.prod(new))
        return new
    if len(unknown) > 1 or _product(others) == 0:
        return None
    # What stands in both products is the same; where it is 0, PyTorch raises.
    rest, by = (_size(side, (*old, *new)) for side in sympy.fraction(elements / _product(others)))
    if isinstance(rest, int) and isinstance(by, int) and rest % by:
        return None
    _need(math.prod(others) != 0)
    _need(rest % by == 0)
    return [rest // by if d in unknown else size for d, size in enumerate(new)]


def _need(fits: bool | torch.SymBool) -> None:
    torch._check(fits, lambda: "shape is invalid for input of this size")


def _product(sizes: Sequence[Size]) -> sympy.Expr:
    return sympy.prod(map(expression, sizes))


def _size(expr: sympy.Expr, beside: Sequence[Size]) -> Size:
    """An expression as a size, in the environment of others."""
    if expr.is_Integer:
        return int(expr)
    env = next(size.node.shape_env for size in beside if isinstance(size, torch.SymInt))
    assert env is not None
    return torch.SymInt(compat.make_sym_node(expr, env, int))


def _in_order(shape: Sequence[Size]) -> list[Size]:
    """The strides of a tensor that lies in order."""
    steps: list[Size] = []
    step: Size = 1
    for size in reversed(shape):
        steps.insert(0, step)
        step = step * _at_least_one(size)
    return steps


def _at_least_one(size: Size) -> Size:
    return torch.sym_max(size, 1) if isinstance(size, torch.SymInt) else max(size, 1)


def _strides(x: torch.Tensor, shape: Sequence[Size]) -> list[Size] | None:
    """The strides of a view of any other tensor; None where they are left to PyTorch."""
    old, new = list(map(expression, x.shape)), list(map(expression, shape))
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
            inside.insert(0, inside[0] * _at_least_one(shape[d]))
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


UNASKED_RESULTS: dict[torch._ops.OpOverload, Callable[..., Value]] = {
    aten.view.default: _view,
    aten._unsafe_view.default: _view,
    aten.linear.default: _linear,
    aten.matmul.default: _matmul,
    aten.layer_norm.default: _layer_norm,
    aten.roll.default: _roll,
    aten.fill.Scalar: pointwise(aten.fill.Scalar),
    aten.fill.Tensor: pointwise(aten.fill.Tensor),
}
