"""Holds what is taken for granted of sizes against those of the example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy

from fxexport import _torch_compat as compat
from fxexport.capture.session.refusals import PinNeeded
from fxexport.source.frames import locations_of_summary

__all__ = ["at_example", "denied_by_example", "hold_to_example", "relations_among"]


def relations_among(
    env: compat.SizeEnv,
    example_sizes: Mapping[sympy.Symbol, int],
    facts: Iterable[compat.SizeFact],
) -> list[compat.SizeFact]:
    """Those of ShapeEnv's asserts by which kernels take sizes of several inputs for equal.

    What follows from a condition of the program is none of them, nor is what compares the
    ends of slices (a minimum): that may say no more than what always holds.
    """
    return [
        fact
        for fact in facts
        if isinstance(fact.expr, sympy.Eq)
        and len(fact.expr.free_symbols) > 1
        and fact.expr.free_symbols <= example_sizes.keys()
        and all(side.is_polynomial() for side in fact.expr.args)
        and fact.expr not in env.path_facts
    ]


def denied_by_example(
    env: compat.SizeEnv, example_sizes: Mapping[sympy.Symbol, int], fact: sympy.Basic
) -> bool:
    """Whether a fact does not hold for the example, on a path that the example may take."""
    return at_example(env, example_sizes, fact) is sympy.false


def at_example(
    env: compat.SizeEnv, example_sizes: Mapping[sympy.Symbol, int], expr: sympy.Basic
) -> sympy.Basic | None:
    """What an expression is for the example; None where it does not come, or data decides."""
    sizes = {symbol: sympy.Integer(size) for symbol, size in example_sizes.items()}
    if any(compat.at_sizes(known, sizes) is sympy.false for known in env.path_facts):
        return None
    return compat.at_sizes(expr, sizes) if expr.free_symbols <= sizes.keys() else None


def hold_to_example(
    env: compat.SizeEnv,
    example_sizes: Mapping[sympy.Symbol, int],
    facts: Iterable[compat.SizeFact],
    reached: bool,
) -> None:
    """Keeps a dimension as the example has it where other sizes are taken for granted.

    A size of 1 is broadcast, and a dynamic one is taken to be no 1: what kernels then need of
    it may deny the example itself.

    Args:
        env: the size environment.
        example_sizes: symbol of an input dimension -> its size in the example.
        facts: ShapeEnv's asserts.
        reached: whether the example certainly reaches them. Where it may not, sizes other than
            1 prove nothing: the code may be inside an `if x.shape != y.shape`.

    Raises:
        PinNeeded: one contradicts the example, on a line that the example may reach.
    """
    sizes = {symbol: sympy.Integer(size) for symbol, size in example_sizes.items()}
    if any(compat.at_sizes(fact, sizes) is sympy.false for fact in env.path_facts):
        return
    for fact in facts:
        symbols = fact.expr.free_symbols
        if not symbols <= sizes.keys():
            continue
        if compat.at_sizes(fact.expr, sizes) is not sympy.false:
            continue
        small = {symbol for symbol in symbols if sizes[symbol] < 2}
        if not small and not reached:
            continue
        location = next(iter(locations_of_summary(compat.stack_of_assert(fact))), None)
        reason = (
            "a dimension that was asked to be dynamic is 1 in the example, and is broadcast "
            "here; a dynamic one is taken to be another size than 1"
            if small
            else "what PyTorch takes for granted here of a dimension that was asked to be "
            "dynamic does not hold for the example"
        )
        raise PinNeeded(small or set(symbols), location, reason)
