"""Results of kernels are remembered while what they were computed from holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.kernel_memory import KernelMemory
from tests.support.sizes import new_size

aten = torch.ops.aten


class Counting:
    """A memory, and how many kernels have run."""

    def __init__(self) -> None:
        self.env = compat.SizeEnv(lambda question: True)
        self.mode = compat.fake_mode(self.env)
        self.memory = KernelMemory(self.env)
        self.runs = 0

    def size(self) -> Any:
        return new_size(self.env)

    def tensor(self, *sizes: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        with self.mode:
            return torch.empty(sizes, dtype=dtype)

    def result(self, func: Any, *args: Any, kernel: Callable[..., Any] | None = None) -> Any:
        def counted() -> Any:
            self.runs += 1
            with self.mode:
                return (kernel or func)(*args)

        return self.memory.result(func, args, {}, None, counted)


@pytest.fixture
def counting() -> Counting:
    return Counting()


def test_a_kernel_runs_once_for_operands_of_the_same_sizes(counting: Counting) -> None:
    n = counting.size()
    first = counting.result(aten.relu.default, counting.tensor(n, 3))
    second = counting.result(aten.relu.default, counting.tensor(n, 3))
    assert counting.runs == 1
    assert first is not second
    assert (second.shape, second.stride(), second.dtype) == (
        first.shape, first.stride(), first.dtype,
    )  # fmt: skip


@pytest.mark.parametrize("other", ["size", "dtype", "strides", "number"])
def test_other_operands_are_computed_anew(counting: Counting, other: str) -> None:
    n = counting.size()
    counting.result(aten.add.Tensor, counting.tensor(n, 3), 1)
    operands: dict[str, tuple[Any, ...]] = {
        "size": (counting.tensor(counting.size(), 3), 1),
        "dtype": (counting.tensor(n, 3, dtype=torch.float64), 1),
        "strides": (counting.tensor(3, n).transpose(0, 1), 1),
        "number": (counting.tensor(n, 3), True),
    }
    counting.result(aten.add.Tensor, *operands[other])
    assert counting.runs == 2


def test_a_result_is_forgotten_with_the_facts_it_was_computed_under(counting: Counting) -> None:
    x = counting.tensor(counting.size(), 3)
    with counting.env.supposing():
        counting.result(aten.relu.default, x)
    counting.result(aten.relu.default, x)
    assert counting.runs == 2
    with counting.env.supposing():
        counting.result(aten.relu.default, x)
    assert counting.runs == 2


def test_a_size_that_elements_decide_is_another_one_each_time(counting: Counting) -> None:
    n = counting.size()
    first = counting.result(aten.nonzero.default, counting.tensor(n))
    second = counting.result(aten.nonzero.default, counting.tensor(n))
    assert counting.runs == 2
    assert first.shape[0].node.expr != second.shape[0].node.expr


def test_a_number_that_is_read_twice_is_not_that_of_another_tensor(counting: Counting) -> None:
    x, y = counting.tensor(dtype=torch.int64), counting.tensor(dtype=torch.int64)
    first, again, other = (
        counting.result(aten._local_scalar_dense.default, tensor) for tensor in (x, x, y)
    )
    assert first.node.expr == again.node.expr != other.node.expr


def test_what_a_kernel_hands_back_as_it_is_is_not_copied(counting: Counting) -> None:
    x = counting.tensor(counting.size())
    for _ in range(2):
        assert counting.result(aten.relu.default, x, kernel=lambda x: x) is x
