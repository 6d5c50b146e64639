"""Functions that give a tensor's pieces or rows: split, chunk, tensor_split, unbind and kin.

PyTorch asks for the number of pieces, which says more of a dynamic size than the program needs.
Here each piece is a slice with computed ends. Where their number depends on the size as well, they
are a run of views in a list of dynamic length, each made where it is read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fxexport.capture.functions.native_calls import NativeCalls
from fxexport.capture.functions.piece_arguments import (
    COPIES,
    PIECES,
    Part,
    given_pieces,
    name_of,
    number_of,
    numbers_in,
)
from fxexport.capture.operators.dynamic_iterables import Dynamic
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.staged_functions import collected
from fxexport.capture.operators.variables import whole_all
from fxexport.capture.recording.types import Function, Size
from fxexport.capture.session.list_runs import Spread, is_open, length_of
from fxexport.capture.session.session import PinNeeded, expression, is_symbolic
from fxexport.capture.staging.patterns import TensorOf
from fxexport.capture.values.maybe import uncertain_in
from fxexport.codes.ids import Code
from fxexport.graph.sequences import SequenceVal
from fxexport.source.frames import user_location

__all__ = ["PieceFunctions"]

# Up to so many pieces, the sizes that give fewer are few enough to be named.
_MOST_NAMED = 16

_OPERATORS = (torch._ops.OpOverloadPacket, torch._ops.OpOverload)


@dataclass(frozen=True)
class _Pieces:
    """A run of pieces; see `Views`."""

    source: torch.Tensor
    length: Size
    item: Callable[[Size], torch.Tensor]
    has_more: Callable[[int], Any] | None
    operators: Operators

    def has(self, k: int) -> Any:
        """Whether there are more than `k`."""
        return self.length > k if self.has_more is None else self.has_more(k)

    def are(self, count: int) -> Any:
        """Whether there are just so many."""
        if self.has_more is None:
            return self.length == count
        enough = self.has_more(count - 1) if count else True
        return enough & torch.sym_not(self.has_more(count))

    def columns(self) -> list[SequenceVal]:
        """The pieces as a sequence of the graph."""
        made = self.operators.call(collected)(Dynamic(self.length, self.item, "pieces"))
        (run,) = made
        columns: list[SequenceVal] = run.columns
        return columns


class PieceFunctions:
    """What such functions become in rewritten code."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._session = operators.session
        self._native = NativeCalls(operators)
        one: dict[str, Callable[[torch.Tensor, int, Any], Any]] = {
            "split": self._split,
            "unsafe_split": self._split,
            "chunk": self._chunk,
            "unsafe_chunk": self._chunk,
            "tensor_split": self._tensor_split,
            "unbind": lambda x, dim, _: self._rows(x, dim),
        }
        for name in ("hsplit", "vsplit", "dsplit"):
            one[name] = self._even_split
        for name in ("split_with_sizes", "unsafe_split_with_sizes"):
            one[name] = self._with_sizes
        one |= {name: one[name.removesuffix("_copy")] for name in COPIES}
        self._by_name = one

    def replacement_for(self, function: Any) -> Function | None:
        """The function to call instead; None for one that gives no pieces."""
        found = name_of(function)
        if found is None:
            return None
        owner = getattr(function, "__self__", None)
        bound = (owner,) if isinstance(owner, torch.Tensor) else ()
        return functools.partial(self._call, *found, *bound)

    def in_plain_code(self, function: Function, *args: object, **kwargs: object) -> Any:
        """One of the functions where code calls it that is not rewritten.

        Returns:
            The pieces; None where PyTorch's own function does the same.

        Raises:
            PinNeeded: their number depends on sizes of inputs.
            UnsupportedError: their number depends on other sizes.
        """
        name = PIECES[function]
        given = given_pieces(name, args, kwargs)
        found = None if given is None else self._found(name, *given)
        if found is None:
            return None
        found = list(found)
        if is_open(found):
            symbols = expression(length_of(found)).free_symbols
            if symbols <= self._session.example_sizes.keys():
                raise PinNeeded(symbols, user_location())
            raise self._session.unread(
                f"how many pieces {name} gives is known only when the model runs",
                "call it in code that fxexport can read",
                code=Code.OPEN_LIST,
            )
        return found if isinstance(function, _OPERATORS) else tuple(found)

    def _call(self, name: str, function: Function, *args: object, **kwargs: object) -> Any:
        whole_all(self._session, (*args, *kwargs.values()))
        if uncertain_in((args, kwargs)) is not None:
            call = functools.partial(self._call, name, function)
            return self._operators.with_certain(call, args, kwargs)
        given = given_pieces(name, args, kwargs)
        found = None if given is None else self._found(name, *given)
        if found is None:
            return self._native.with_flags(function, *args, **kwargs)
        # Operators give lists where functions give tuples.
        listed = isinstance(function, _OPERATORS)
        return self._operators.fresh(list(found)) if listed else tuple(found)

    def _found(self, name: str, x: torch.Tensor, parts: Part, dim: int) -> Any:
        """The pieces; None where PyTorch's own function does the same."""
        dim = dim % x.dim()
        if is_open(parts):
            if name in COPIES:
                x = x.clone()
            return self._in_sizes(x, dim, parts, "tensor_split" in name)
        # PyTorch cannot write through the views of unbind where any size is symbolic.
        sizes = x.shape if name.startswith("unbind") else (x.shape[dim], *numbers_in(parts))
        if not isinstance(parts, torch.Tensor) and not any(map(is_symbolic, sizes)):
            return None
        if name in COPIES:
            x = x.clone()
        return self._by_name[name](x, dim, parts)

    def _need(self, condition: bool | torch.SymBool, text: str) -> None:
        self._operators.lists.take_for_granted(condition, text, "RuntimeError")

    # -- a number of pieces that PyTorch knows ---------------------------------------------------

    def _cut(self, x: torch.Tensor, dim: int, ends: Iterable[Size]) -> Iterator[torch.Tensor]:
        """Pieces that begin where the one before ends; the last ends with the tensor."""
        start: Size = 0
        for end in ends:
            yield _slice(x, dim, start, end)
            start = end
        yield _slice(x, dim, start, None)

    def _with_sizes(self, x: torch.Tensor, dim: int, sizes: Sequence[Part]) -> Any:
        sizes = [number_of(size) for size in sizes]
        if not sizes or not any(map(is_symbolic, sizes)):
            return None
        for size in sizes:
            self._need(size >= 0, "the size of a piece is not negative")
        total = sum(sizes[1:], sizes[0])
        self._need(total == x.shape[dim], "the sizes of the pieces add up to that of the tensor")
        ends = [sum(sizes[1:k], sizes[0]) for k in range(1, len(sizes))]
        return self._cut(x, dim, ends)

    def _in_sizes(self, x: torch.Tensor, dim: int, parts: Any, are_ends: bool) -> Any:
        """Pieces whose sizes, or ends, are in a list of a length that is not known."""
        numbers = self._operators.number_lists.tensor(parts, torch.int64)
        if are_ends:
            return self._at(x, dim, numbers)
        ends = torch.cat([numbers.new_zeros(1), numbers.cumsum(0)])
        enough = (numbers >= 0).all() & (ends[-1] == x.shape[dim])
        self._need(enough.item(), "the sizes of the pieces add up to that of the tensor")

        def bounds(k: Size) -> tuple[Size, Size]:
            return number_of(ends.select(0, k)), number_of(ends.select(0, k + 1))

        return self._run(x, dim, length_of(parts), bounds)

    def _tensor_split(self, x: torch.Tensor, dim: int, parts: Part) -> Any:
        if isinstance(parts, torch.Tensor):
            if parts.dim() == 1:
                if is_symbolic(parts.shape[0]):
                    return self._at(x, dim, parts)
                parts = [parts[k] for k in range(parts.shape[0])]
            else:
                parts = number_of(parts)
        if isinstance(parts, (list, tuple)):
            return self._cut(x, dim, [number_of(end) for end in parts])
        n = x.shape[dim]
        parts = number_of(parts)
        if isinstance(parts, int):
            if parts < 1:
                return None
            ends = [k * (n // parts) + torch.sym_min(k, n % parts) for k in range(1, parts)]
            return self._cut(x, dim, ends)
        self._need(parts > 0, "tensor_split makes at least one piece")

        def end(k: Size) -> Size:
            return k * (n // parts) + torch.sym_min(k, n % parts)

        return self._run(x, dim, parts, lambda k: (end(k), end(k + 1)))

    def _at(self, x: torch.Tensor, dim: int, places: torch.Tensor) -> Any:
        """Pieces that end at places in a tensor, and the one behind the last."""
        last = torch.full((1,), x.shape[dim], dtype=torch.int64)
        ends = torch.cat([torch.zeros_like(last), places, last])

        def bounds(k: Size) -> tuple[Size, Size]:
            return number_of(ends.select(0, k)), number_of(ends.select(0, k + 1))

        return self._run(x, dim, places.shape[0] + 1, bounds)

    def _even_split(self, x: torch.Tensor, dim: int, parts: Part) -> Any:
        if not isinstance(parts, (list, tuple)):
            parts = number_of(parts)
            if isinstance(parts, int) and parts < 1:
                return None
            self._need(parts > 0, "a tensor is cut into at least one piece")
            self._need(x.shape[dim] % parts == 0, f"the size can be divided by {_shown(parts)}")
        return self._tensor_split(x, dim, parts)

    # -- a number that depends on the size -------------------------------------------------------

    def _split(self, x: torch.Tensor, dim: int, size: Part) -> Any:
        if isinstance(size, (list, tuple)):
            return self._with_sizes(x, dim, size)
        if isinstance(size, torch.Tensor) or (isinstance(size, int) and size < 0):
            return None
        n = x.shape[dim]
        self._need(size >= 0, "the size of a piece is not negative")
        if not (isinstance(size, int) and size) and not self._session.same(size, n):
            self._need((n == 0) | (size > 0), "a piece has a size above 0, or the tensor has none")
        step = torch.sym_max(size, 1)
        # No rows are one piece without rows.
        count = torch.sym_max(1, (n + step - 1) // step)
        has = (lambda k: not k or n > k * step) if isinstance(step, int) else None
        return self._run(x, dim, count, lambda k: (k * step, (k + 1) * step), has)

    def _chunk(self, x: torch.Tensor, dim: int, parts: Part) -> Any:
        n = x.shape[dim]
        parts = number_of(parts)
        if isinstance(parts, int) and parts < 1:
            return None
        self._need(parts > 0, "chunk makes at least one piece")
        step = (n + parts - 1) // parts
        named = isinstance(parts, int) and parts <= _MOST_NAMED
        if named and all(self._session.known(n != size) for size in _with_fewer(parts, parts)):
            return self._cut(x, dim, [k * step for k in range(1, parts)])
        wide = torch.sym_max(step, 1)
        # No rows are as many pieces as were asked for, all without rows.
        count = (n + wide - 1) // wide + parts * torch.sym_max(0, 1 - n)

        def has(k: int) -> Any:
            if k >= parts:
                return False
            others = (n != size for size in _with_fewer(parts, k + 1))
            return functools.reduce(lambda a, b: a & b, others, True)

        bounds = lambda k: (k * step, (k + 1) * step)  # noqa: E731
        return self._run(x, dim, count, bounds, has if named else None)

    def _rows(self, x: torch.Tensor, dim: int) -> Any:
        length = x.shape[dim]
        if not is_symbolic(length):
            return [x.select(dim, k) for k in range(length)]
        rows = TensorOf(x.dtype, tuple(size for k, size in enumerate(x.shape) if k != dim))
        return self._listed(x, rows, length, lambda k: x.select(dim, k))

    def _run(
        self,
        x: torch.Tensor,
        dim: int,
        count: Size,
        bounds: Callable[[Size], tuple[Size, Size]],
        has: Callable[[int], Any] | None = None,
    ) -> Any:
        """Pieces whose number is known only when the model runs.

        Args:
            x: the tensor.
            dim: the dimension that is cut.
            count: the number of pieces.
            bounds: where each begins and ends.
            has: whether there are more than so many, in terms that a user can read.
        """

        def item(k: Size) -> torch.Tensor:
            return _slice(x, dim, *bounds(k))

        number = self._value(count)
        if number is not None:
            return [item(k) for k in range(number)]
        piece = TensorOf(x.dtype, tuple(None if k == dim else s for k, s in enumerate(x.shape)))
        return self._listed(x, piece, count, item, has or (lambda k: not k or count > k))

    def _value(self, size: Size) -> int | None:
        """A number that the ranges of sizes leave one value."""
        if not is_symbolic(size):
            return int(size)
        bounds = self._session.env.bound_sympy(expression(size))
        return int(bounds.lower) if bounds.lower == bounds.upper else None

    def _listed(
        self,
        x: torch.Tensor,
        item: TensorOf,
        count: Size,
        at: Callable[[Size], torch.Tensor],
        has: Callable[[int], Any] | None = None,
    ) -> list[Spread]:
        x = self._session.tensors.lift(x)
        return [Spread(item, _Pieces(x, count, at, has, self._operators), count)]


def _shown(number: Part) -> str:
    return "the number of pieces" if is_symbolic(number) else str(number)


def _with_fewer(parts: int, wanted: int) -> list[int]:
    """The sizes, but for 0, of which chunk gives fewer pieces than are wanted."""
    return [n for n in range(1, parts * parts) if -(-n // -(-n // parts)) < wanted]


def _slice(x: torch.Tensor, dim: int, start: Size, end: Size | None) -> torch.Tensor:
    return x[(*[slice(None)] * dim, slice(start, end))]
