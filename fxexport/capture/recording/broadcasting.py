"""Sizes that meet element by element where nothing says that they are equal.

PyTorch's fake kernels take two sizes that they cannot compare for equal. For dimensions of inputs
that becomes a relation, on lines that the program certainly reaches. A size that a loop carries,
that a branch leaves or that data decide may be 1 in one run and something else in another: then the
result's size is neither operand's, so it gets a symbol of its own, and nothing is taken for
granted. The same holds inside a branch, since what one path needs is no relation of the inputs.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import OpArgs, OpKwargs, Size, expression

__all__ = ["Broadcasting", "brought_together", "elementwise", "fits_as_it_is", "target_of"]

aten = torch.ops.aten

# Elementwise operators that PyTorch does not tag as such.
_ELEMENTWISE = frozenset(
    f"aten::{name}"
    for name in ("masked_fill", "rsub", "floor_divide", "complex", "polar", "isclose")
)

Together = Callable[[Sequence[torch.Tensor], Sequence[Sequence[int]]], Sequence[torch.Tensor]]

# Operators whose first two operands meet in all dimensions, but whose kernels look at sizes by
# themselves.
_OPERANDS = frozenset({aten.complex.default, aten.polar.default, aten.masked_scatter.default})
_INDEXED = frozenset(
    {
        aten.index.Tensor,
        aten.index_put.default,
        aten.index_put_.default,
        aten._index_put_impl_.default,
    }
)


def brought_together(
    func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs, together: Together
) -> OpArgs:
    """The arguments of an operator that is not elementwise but broadcasts some of them.

    Args:
        func: any operator.
        args: its positional arguments.
        kwargs: those given by name.
        together: broadcasts tensors in the given dimensions of each, where it is not known how
            their sizes meet; else it gives them back.
    """
    if func in _OPERANDS:
        return (*_all_together(args[:2], together), *args[2:])
    if func is aten.broadcast_tensors.default:
        return (_all_together(args[0], together),)
    if func is aten.matmul.default and min(args[0].dim(), args[1].dim()) > 2:
        return tuple(together(args, [range(tensor.dim() - 2) for tensor in args]))
    if func is aten.scaled_dot_product_attention.default:
        # In front of queries (keys) and features; with groups, keys have heads of their own.
        own = 3 if kwargs.get("enable_gqa") else 2
        positions = [k for k, value in enumerate(args[:4]) if isinstance(value, torch.Tensor)]
        dims = [range(max(args[k].dim() - own, 0)) for k in positions]
        met = dict(zip(positions, together([args[k] for k in positions], dims), strict=True))
        return tuple(met.get(k, value) for k, value in enumerate(args))
    if func is aten.einsum.default:
        return (args[0], _letters_together(args[0], args[1], together), *args[2:])
    if func in _INDEXED:
        positions = [k for k, index in enumerate(args[1]) if index is not None]
        indices = [args[1][k] for k in positions]
        # A mask counts as the rows that it selects, whose number is not known yet.
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            return args
        whole = list(args[1])
        for k, index in zip(positions, _all_together(indices, together), strict=True):
            whole[k] = index
        return (args[0], whole, *args[2:])
    return args


def _all_together(tensors: Sequence[torch.Tensor], together: Together) -> Sequence[torch.Tensor]:
    return together(tensors, [range(tensor.dim()) for tensor in tensors])


def _letters_together(
    equation: str, tensors: Sequence[torch.Tensor], together: Together
) -> Sequence[torch.Tensor]:
    """The operands of an einsum: dimensions of one letter meet. With ``...`` they stay."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if "." in equation or any(len(set(term)) < len(term) for term in terms):
        return tensors
    made = list(tensors)
    for letter in sorted(set("".join(terms))):
        positions = [k for k, term in enumerate(terms) if letter in term]
        dims = [[terms[k].index(letter)] for k in positions]
        for k, tensor in zip(positions, together([made[k] for k in positions], dims), strict=True):
            made[k] = tensor
    return made


def fits_as_it_is(env: compat.SizeEnv, target: torch.Tensor, source: torch.Tensor) -> bool:
    """Whether PyTorch's own copy knows what becomes of the sizes of what it stores.

    It takes a size that the program makes for that of the target, where it may be 1 as well.
    """
    pairs = zip(source.shape[::-1], target.shape[::-1], strict=False)
    return source.dim() > target.dim() or all(
        not env.is_made(own) or env.certain(sympy.Eq(own, other))
        for own, other in (map(expression, pair) for pair in pairs)
    )


def target_of(func: torch._ops.OpOverload, args: OpArgs) -> tuple[int, tuple[Size, ...]] | None:
    """The operand that alone is expanded, and to which sizes; None where kernels say it themselves.

    What `copy_` stores; and what is added to batched and outer products, whose kernels do not ask
    about these sizes as those that broadcast do.
    """
    if func is aten.copy_.default:
        return 1, tuple(args[0].shape)
    if func is aten.baddbmm.default:
        return 0, (args[1].shape[0], args[1].shape[1], args[2].shape[2])
    if func is aten.addbmm.default:
        return 0, (args[1].shape[1], args[2].shape[2])
    if func is aten.addr.default:
        return 0, (args[1].shape[0], args[2].shape[0])
    return None


def elementwise(func: torch._ops.OpOverload) -> bool:
    """Whether an operator broadcasts all its operands."""
    return torch.Tag.pointwise in func.tags or func._schema.name in _ELEMENTWISE


class Broadcasting:
    """Says which sizes of an elementwise operator's result have a symbol of their own."""

    def __init__(
        self,
        env: compat.SizeEnv,
        fresh: Callable[[], torch.SymInt],
        knows: Callable[[sympy.Symbol], bool],
        inputs: Set[sympy.Symbol],
        check: Callable[[sympy.Basic], None],
    ) -> None:
        """`inputs`: the symbols of the inputs' dimensions, whose relations are reported.

        `check` is told what the operator needs, which it compares itself when it runs.
        """
        self._check = check
        self._env = env
        self._fresh = fresh
        self._knows = knows
        self._inputs = inputs
        # How many branches and loops are open, and how many of them the program may go past:
        # what is needed there is no relation.
        self.inside = self.perhaps = 0
        # what met, as expressions -> the size of the result
        self._met: dict[frozenset[sympy.Expr], torch.SymInt] = {}
        # symbol of such a size -> all that met in it
        self._parts: dict[sympy.Expr, frozenset[sympy.Expr]] = {}

    @contextlib.contextmanager
    def body(self, perhaps: bool = True) -> Iterator[None]:
        """Around the recording of a body; `perhaps` if the program may not reach it."""
        self.inside += 1
        self.perhaps += perhaps
        try:
            yield
        finally:
            self.inside -= 1
            self.perhaps -= perhaps

    def sizes(self, func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs) -> dict[int, Size]:
        """The result's sizes where operands differ, by dimension counted from the last (-1).

        Empty for an operator that is not elementwise, and where PyTorch's own answer holds.
        """
        if not elementwise(func):
            return {}
        return self.joined([tensor.shape for tensor in compat.tensors_among(args, dict(kwargs))])

    def stretches(self, own: Sequence[Size], others: Iterable[Sequence[Size]]) -> bool:
        """Whether what is written into a tensor in place may be 1 where the tensor is not.

        PyTorch takes the two for equal there. On lines that the program certainly reaches, sizes
        of inputs are: that is a relation.
        """
        for other in others:
            for a, b in zip(map(expression, other[::-1]), map(expression, own[::-1]), strict=False):
                if self.is_relation([a, b]):
                    continue
                equal = a == b or self._holds(sympy.Eq(a, b))
                if not equal and a != 1 and not self._holds(sympy.Ne(a, 1)):
                    return True
        return False

    def joined(self, shapes: Sequence[Sequence[Size]]) -> dict[int, Size]:
        """The same for tensors of these shapes."""
        if len(shapes) < 2:
            return {}
        found: dict[int, Size] = {}
        for dim in range(-max(map(len, shapes)), 0):
            met = [shape[dim] for shape in shapes if len(shape) >= -dim]
            if any(isinstance(size, torch.SymInt) for size in met):
                size = self._size(met)
                if size is not None:
                    found[dim] = size
        return found

    def _size(self, met: Sequence[Size]) -> Size | None:
        """The size in which sizes meet; None where PyTorch's own answer holds."""
        sizes: dict[sympy.Expr, Size] = {}
        for size in met:
            expr = size.node.expr if isinstance(size, torch.SymInt) else sympy.Integer(size)
            if expr != 1 and not self._holds(sympy.Eq(expr, 1)):
                sizes[expr] = size
        if len(sizes) < 2:
            return None
        short = [expr for expr in sizes if self._env.is_one_at_most(expr)]
        if short:
            return self._beside_short(sizes, short)
        if self.is_relation(list(sizes)):
            return None
        if all(self._holds(sympy.Eq(a, b)) for a, b in itertools.pairwise(sizes)):
            return None
        # A size that is never 1 is the result's: the others are as large, or 1.
        for expr, size in sizes.items():
            if self._holds(sympy.Ne(expr, 1)):
                self._check(_meet(sizes))
                return size
        return self._joint(frozenset(sizes))

    def _beside_short(self, sizes: Mapping[sympy.Expr, Size], short: Sequence[sympy.Expr]) -> Size:
        """The size in which the 0 or 1 rows of ``x[:1]`` meet others."""
        others = [expr for expr in sizes if expr not in short]
        if len(others) == 1:
            other = others[0]
            # 1 row is broadcast; 0 rows meet 0 rows, but beside 1 row they would be the result.
            if all(self._env.meets_none_alone(expr, other) for expr in short):
                self._check(_meet(sizes))
                return sizes[other]
        return self._joint(frozenset(sizes))

    def is_relation(self, sizes: Sequence[sympy.Expr]) -> bool:
        """Whether sizes that meet here are a relation of inputs: the program certainly comes here.

        A dimension that must be a constant is pinned, which no body does.
        """
        fixed = self.inside and any(expr.is_number for expr in sizes)
        return not fixed and not self.perhaps and self._of_inputs(sizes)

    def _of_inputs(self, sizes: Iterable[sympy.Expr]) -> bool:
        return all(expr.free_symbols <= self._inputs for expr in sizes)

    def _holds(self, fact: sympy.Basic) -> bool:
        """Whether a fact about sizes is certain."""
        if fact in (sympy.true, sympy.false):
            return bool(fact)
        return self._env.certain(fact)

    def _joint(self, exprs: frozenset[sympy.Expr]) -> torch.SymInt:
        """One symbol for the same sizes, as long as it is known where the program is."""
        parts = frozenset(
            part for expr in exprs for part in self._parts.get(expr, frozenset((expr,)))
        )
        known = self._met.get(parts)
        if known is not None and self._knows(known.node.expr):
            return known
        self._check(_meet(exprs))
        env = self._env
        size = self._fresh()
        symbol = size.node.expr
        env.mark_size(symbol)
        bounds = [env.bound_sympy(expr) for expr in exprs]
        # Of some expressions nothing says that they are no less than 0, as every size is.
        lowest = [compat.finite(each.lower) for each in bounds]
        env.set_range(
            symbol,
            min(0 if bound is None else max(0, int(bound)) for bound in lowest),
            _largest([compat.finite(each.upper) for each in bounds]),
        )
        self._met[parts] = size
        self._parts[symbol] = parts
        return size


def _largest(bounds: Sequence[sympy.Expr | None]) -> int | None:
    known = [int(bound) for bound in bounds if bound is not None]
    return max(known) if len(known) == len(bounds) else None


def _meet(exprs: Iterable[sympy.Expr]) -> sympy.Basic:
    """That sizes can meet: any two are equal, or one of them is 1."""
    pairs = itertools.combinations(sorted(exprs, key=str), 2)
    return sympy.And(*(sympy.Or(sympy.Eq(a, b), sympy.Eq(a, 1), sympy.Eq(b, 1)) for a, b in pairs))
