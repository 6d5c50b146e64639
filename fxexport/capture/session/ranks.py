"""Whether a size is 1, where that changes the rank of a result."""

from __future__ import annotations

from typing import Any, Protocol

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, Value, expression
from fxexport.capture.session.refusals import CaseNeeded, PinNeeded
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["settle_one"]


class _Capture(Protocol):
    """A session, as far as it is needed here."""

    env: compat.SizeEnv
    example_sizes: dict[sympy.Symbol, int]
    asked: set[sympy.Symbol]

    def known(self, condition: Value) -> bool | None:
        """True or False where a condition is certain, None where it is not."""

    def take_for_granted(
        self, condition: bool | torch.SymBool, text: str, error: str = "", *, said: str = ""
    ) -> None:
        """Takes a condition as a fact; the file raises where it does not hold."""


def settle_one(session: _Capture, size: Size) -> None:
    """Decides whether a dimension is 1 where `squeeze` takes it away if it is.

    A size that the user asked to be dynamic is kept both ways. One that nobody asked for is held at
    1, or held to be something else: the file raises where it is not.

    Raises:
        PinNeeded: it was 1 in the example: then it must stay 1.
        CaseNeeded: both ways must be captured.
        UnsupportedError: it may be 1, and what it is is known only when the model runs.
    """
    is_one: Any = size == 1
    if session.known(is_one) is not None:
        return
    expr = expression(size)
    symbols = expr.free_symbols
    if _one_in_ranges(session.env, expr):
        session.env.assume(is_one, "this dimension is 1 in the declared ranges")
        return
    inputs = symbols <= session.example_sizes.keys()
    if inputs and symbols & session.asked:
        raise CaseNeeded(is_one.node.expr, user_location())
    if _at_most_one(session.env, expr):  # of x[:1], where x is not empty
        session.take_for_granted(is_one, "this dimension is 1, so squeezing takes it away")
        return
    if not inputs:
        raise UnsupportedError(
            "squeezing takes a dimension away if its size is 1, and its size is known only when "
            "the model runs",
            code=Code.OPEN_RANK,
            location=user_location(),
            hint="name a dimension that is always 1 (squeeze(1)), or use reshape or flatten",
        )
    example = {symbol: sympy.Integer(value) for symbol, value in session.example_sizes.items()}
    if compat.at_sizes(expr, example) == 1:
        raise PinNeeded(symbols, user_location())
    session.take_for_granted(size != 1, "this dimension is not 1, so squeezing keeps it")


def _at_most_one(env: compat.SizeEnv, expr: sympy.Basic) -> bool:
    return env.is_one_at_most(expr) or bool(env.bound_sympy(expr).upper <= 1)


def _one_in_ranges(env: compat.SizeEnv, expr: sympy.Basic) -> bool:
    """Whether the size of ``x[-1:]``, or the like, is 1 since x is declared not to be empty.

    Intervals cannot tell: it is tried at some sizes, as `is_one_at_most` does.
    """
    symbols = sorted(expr.free_symbols, key=str)
    if not env.is_one_at_most(expr):
        return False
    least = [max(0, int(env.var_to_range[symbol].lower)) for symbol in symbols]
    return all(
        compat.at_sizes(
            expr, {s: sympy.Integer(max(size, low)) for s, low in zip(symbols, least, strict=True)}
        )
        == 1
        for size in (0, 1, 2, 5, 1000)
    )
