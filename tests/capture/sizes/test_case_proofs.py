"""Relations between sizes are proved by cases, and never wrongly."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import sympy
from torch.utils._sympy.functions import CeilToInt, FloorDiv, IntTrueDiv, Max, Min, PythonMod

from fxexport import _torch_compat as compat
from fxexport.capture.sizes.case_proofs import Interval, decided

n, m = (sympy.Symbol(name, integer=True, nonnegative=True) for name in "nm")
ANY: dict[sympy.Symbol, Interval] = {n: (0, None), m: (0, None)}


def multiple(size: sympy.Expr, of: int) -> sympy.Expr:
    """The size padded to a multiple."""
    return size + PythonMod(-size, of)


PROVED: dict[str, tuple[Any, list[Any]]] = {
    "padded to a multiple": (sympy.Eq(PythonMod(multiple(n, 4), 4), 0), []),
    "windows of two sides": (
        sympy.Eq(
            multiple(n, 7) * multiple(m, 7),
            49 * FloorDiv(multiple(n, 7), 7) * FloorDiv(multiple(m, 7), 7),
        ),
        [],
    ),
    "the last window of ceil_mode": (2 * FloorDiv(n, 2) - 2 < n, []),
    "halves of an odd size": (FloorDiv(n + 1, 2) - FloorDiv(n, 2) <= 1, []),
    "one row at most": (sympy.Le(Min(1, n), 1), []),
    "the last row": (sympy.Ne(n - Max(0, n - 1), 2), []),
    "rounded up": (4 * CeilToInt(IntTrueDiv(n, 4)) >= n, []),
    "an odd size made even": (
        sympy.Eq(PythonMod(n + 1, 2), 0),
        [sympy.Eq(PythonMod(n, 2), 1)],
    ),
    "multiples of a sum": (sympy.Eq(PythonMod(2 * n + 58, n + 29), 0), []),
    "multiples of a rounded sum": (
        sympy.Eq(PythonMod(2 * FloorDiv(n, 2) + 2, FloorDiv(n, 2) + 1), 0),
        [],
    ),
    "multiples of a product": (sympy.Eq(PythonMod(3 * m * multiple(n, 4), 12 * m), 0), []),
    "a size that is known to be large": (FloorDiv(n, 2) >= 2, [n >= 4]),
    "both at once": (sympy.And(Min(1, n) <= 1, Max(0, n - 1) <= n), []),
}


@pytest.mark.parametrize("name", PROVED)
def test_what_holds_in_all_cases_is_proved(name: str) -> None:
    relation, facts = PROVED[name]
    assert decided(relation, ANY, facts) is True
    assert decided(sympy.Not(relation), ANY, facts) is False


@pytest.mark.parametrize(
    "relation",
    [sympy.Eq(n, 3), n >= 1, sympy.Eq(n, m), FloorDiv(n, 2) >= 2, sympy.Eq(PythonMod(n, 4), 0)],
)
def test_what_depends_on_the_size_is_open(relation: Any) -> None:
    assert decided(relation, ANY) is None


@pytest.mark.parametrize(
    ("interval", "answer"), [((0, 7), True), ((8, None), False), ((0, 8), None), ((5, 5), True)]
)
def test_intervals_decide(interval: Interval, answer: bool | None) -> None:
    assert decided(FloorDiv(n, 2) < 4, {n: interval}) is answer


def test_facts_of_other_sizes_say_nothing() -> None:
    assert decided(n >= 4, ANY, [m >= 4]) is None


def test_a_division_by_another_size_is_open() -> None:
    assert decided(sympy.Eq(FloorDiv(n, m), 2), ANY) is None


def _random_number(draw: random.Random, depth: int) -> Any:
    if depth == 0:
        return draw.choice([n, m, n, m, sympy.Integer(draw.randrange(5))])
    a, b = (_random_number(draw, depth - 1) for _ in range(2))
    k = sympy.Integer(draw.randrange(1, 5))
    return draw.choice(
        [
            lambda: a + b,
            lambda: a - b,
            lambda: a * k,
            lambda: FloorDiv(a, k),
            lambda: PythonMod(a, k),
            lambda: Max(a, b),
            lambda: Min(a, k),
        ]
    )()


@pytest.mark.parametrize("seed", range(8))
def test_random_relations_are_decided_as_their_values_say(seed: int) -> None:
    draw = random.Random(seed)
    decisions = 0
    for _ in range(40):
        a, b = (_random_number(draw, 2) for _ in range(2))
        relation = draw.choice([sympy.Eq, sympy.Ne, sympy.Le, sympy.Gt])(a, b)
        if relation in (sympy.true, sympy.false):
            continue
        answer = decided(relation, ANY)
        decisions += answer is not None
        for sizes in itertools.product((0, 1, 2, 3, 4, 11, 24), repeat=2):
            values = dict(zip((n, m), map(sympy.Integer, sizes), strict=True))
            here = compat.at_sizes(relation, values)
            # A maximum of a minimum is no number to sympy.
            known = here in (sympy.true, sympy.false)
            assert answer is None or not known or bool(here) is answer, (relation, sizes)
    assert decisions > 2
