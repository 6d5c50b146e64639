"""One pixel's class at the edge of two is rounding; a wrong pixel anywhere else is an error."""

from __future__ import annotations

import pytest
import torch

from fxexport.report.model import OutputDifference
from fxexport.verify.stability import is_unstable

NAMES = OutputDifference("classes", False, 1.0, 1.0, "")


def _classes(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    return [(inputs[0] > 0.5).long()]


@pytest.mark.parametrize(
    ("edge", "off", "excused"),
    [
        (0.5 + 3e-6, 0, True),  # some trials cross the threshold there
        (0.7, 0, False),  # none does
        (0.5 + 3e-6, 3, False),  # more than the edge differs
    ],
)
def test_one_element_among_thousands(edge: float, off: int, excused: bool) -> None:
    x = torch.full((4000,), 0.9)
    x[0] = edge
    want = _classes([x])
    got = want[0].clone()
    got[0] = 1 - got[0]
    got[100 : 100 + off] = 0
    assert is_unstable(_classes, [x], want, [got], [NAMES], torch.float32) is excused


def test_many_wrong_elements_are_no_rounding_however_often_it_is_tried() -> None:
    calls = []

    def counted(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        calls.append(1)
        return _classes(inputs)

    x = torch.full((100,), 0.9)
    want = _classes([x])
    assert not is_unstable(counted, [x], want, [1 - want[0]], [NAMES], torch.float32)
    assert len(calls) == 4


def _normalised(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """What rounding leaves of zeros, blown up to 1."""
    x = inputs[0] + torch.linspace(0.1, 0.7, 64) * 3.3
    x = x - x.mean() - (torch.linspace(0.1, 0.7, 64) * 3.3 - 1.32)
    return [torch.nn.functional.layer_norm(x, (64,), eps=1e-20)]


def test_zeros_cannot_be_moved_so_what_is_computed_of_them_is() -> None:
    x = torch.zeros(64)
    want = _normalised([x])
    got = [want[0].flip(0)]
    assert is_unstable(_normalised, [x], want, got, [NAMES], torch.float32)


def test_a_wrong_answer_on_zeros_is_no_rounding() -> None:
    def signs(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.sign(inputs[0] * 2.0)]

    x = torch.zeros(64)
    want = signs([x])
    assert not is_unstable(signs, [x], want, [torch.ones(64)], [NAMES], torch.float32)
