"""What a kernel asks about sizes is answered both ways, and ends where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.both_ways import BothWays, Undecided
from tests.support.sizes import new_size


class Asking:
    """A size environment whose questions go to `BothWays`."""

    def __init__(self) -> None:
        self.env = compat.SizeEnv(lambda question: self.ways.answer(question, self.general))
        self.needs: list[sympy.Basic] = []
        self.ways = BothWays(self.env, self.needs.append)
        self.general = False
        self.runs = 0

    def size(self) -> Any:
        return new_size(self.env)

    def result(self, kernel: Callable[[], Any]) -> Any:
        def counted() -> Any:
            self.runs += 1
            return kernel()

        return self.ways.result(counted)


@pytest.fixture
def asking() -> Asking:
    return Asking()


def test_a_kernel_that_asks_nothing_runs_once(asking: Asking) -> None:
    assert asking.result(lambda: 3) == 3
    assert asking.runs == 1


def test_a_question_that_does_not_matter_is_forgotten(asking: Asking) -> None:
    n = asking.size()
    found = asking.result(lambda: n * 2 if n == 0 else n + n)
    assert found.node.expr == 2 * n.node.expr
    assert not asking.needs and not asking.env.asserts()


def test_what_does_not_matter_is_asked_anew(asking: Asking) -> None:
    """Other facts may hold the next time, under which it does."""
    n = asking.size()
    known = []
    kernel = lambda: len(known) if n > 7 else 0  # noqa: E731
    assert asking.result(kernel) == 0
    known.append(n)
    with pytest.raises(Undecided):
        asking.result(kernel)


def test_where_one_answer_raises_the_other_is_needed(asking: Asking) -> None:
    n = asking.size()

    def kernel() -> int:
        if n % 4 != 0:
            raise RuntimeError("not a multiple of 4")
        return 1

    assert asking.result(kernel) == 1
    (need,) = asking.needs
    assert compat.at_sizes(need, {n.node.expr: sympy.Integer(8)}) == sympy.true
    assert compat.at_sizes(need, {n.node.expr: sympy.Integer(6)}) == sympy.false


def test_an_error_under_every_answer_is_the_kernels(asking: Asking) -> None:
    n = asking.size()

    def kernel() -> int:
        raise ValueError("small" if n < 7 else "large")

    with pytest.raises(ValueError, match=r"small|large"):
        asking.result(kernel)


def test_results_that_differ_are_a_branch(asking: Asking) -> None:
    n = asking.size()
    with pytest.raises(Undecided) as found:
        asking.result(lambda: 1 if n == 3 else 2)
    assert found.value.question == sympy.Eq(n.node.expr, 3)
    assert found.value.differs
    assert not asking.env.asserts()


def test_the_general_result_stands_where_the_special_one_is_a_case_of_it(asking: Asking) -> None:
    n = asking.size()
    assert asking.result(lambda: 1 if n == 1 else n).node.expr == n.node.expr
    assert not asking.needs


def test_answers_that_matter_together_are_a_branch(asking: Asking) -> None:
    n, k = asking.size(), asking.size()

    def kernel() -> int:
        first, second = bool(n == 1), bool(k == 1)
        return 1 if first and second else 2

    with pytest.raises(Undecided):
        asking.result(kernel)


def test_questions_that_arise_under_an_answer_are_asked_as_well(asking: Asking) -> None:
    n, k = asking.size(), asking.size()

    def kernel() -> int:
        if n > 7 and k != 2:
            raise RuntimeError("k must be 2 here")
        return 1

    assert asking.result(kernel) == 1
    (need,) = asking.needs
    for sizes, holds in (((8, 2), True), ((8, 3), False), ((7, 3), True)):
        values = dict(zip((n.node.expr, k.node.expr), map(sympy.Integer, sizes), strict=True))
        assert bool(compat.at_sizes(need, values)) is holds


def test_runs_grow_with_the_questions_and_not_with_their_answers(asking: Asking) -> None:
    sizes = [asking.size() for _ in range(9)]
    asking.result(lambda: sum(bool(size > 7) * 0 for size in sizes))
    assert asking.runs <= 2 * len(sizes) + 3


def test_a_tensor_made_in_a_run_stands(asking: Asking) -> None:
    n = asking.size()
    with compat.FakeTensorMode(shape_env=asking.env):
        found = asking.result(lambda: torch.empty((n, 2 + 0 * bool(n > 7))))
    assert tuple(found.shape) == (n, 2)


def test_a_kernel_that_raises_with_a_number_in_its_text_raises_all_the_same(asking: Asking) -> None:
    n = asking.size()

    def kernel() -> int:
        if n % 2 != 0:
            raise RuntimeError(f"not even: {asking.ways.number(ValueError('a number'))}")
        return 3

    assert asking.result(kernel) == 3
    assert [need.xreplace({n.node.expr: sympy.Integer(4)}) for need in asking.needs] == [sympy.true]


def test_a_kernel_that_goes_on_with_a_number_is_refused(asking: Asking) -> None:
    n = asking.size()

    def kernel() -> int:
        bool(n > 3)
        return int(asking.ways.number(ValueError("a number")))

    with pytest.raises(ValueError, match="a number"):
        asking.result(kernel)


def test_what_raises_may_need_several_answers(asking: Asking) -> None:
    sizes = [asking.size() for _ in range(4)]

    def kernel() -> int:
        a, b = sizes[0] == sizes[1], sizes[2] == sizes[3]
        pairs = [bool(a), bool(b)]
        if not all(pairs):
            raise RuntimeError("they must be equal")
        return 3

    assert asking.result(kernel) == 3
    expected = {sympy.Eq(*(size.node.expr for size in pair)) for pair in (sizes[:2], sizes[2:])}
    assert set(asking.needs) == expected
