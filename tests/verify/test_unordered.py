"""`topk(sorted=False)` may give any order: PyTorch is asked for the one that the file has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")

import fxexport

ROWS = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))


class BestQueries(nn.Module):
    """The last step of a query-based detector: the best scores over queries and classes."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classes = nn.Linear(8, 6)
        self.shift = shift

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        scores = self.classes(rows).softmax(-1)[:, :-1].flatten()
        best, places = scores.topk(7, sorted=False)
        labels = places % 5
        if best[0] > 0.5:
            labels = labels + 10
        return best + self.shift, labels, rows[places // 5]


def unordered(x: torch.Tensor) -> torch.Tensor:
    return torch.topk(x, 7, -1, True, False).indices


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize("count", [10, 40])
def test_all_that_follows_an_unordered_selection_is_compared(target: str, count: int) -> None:
    rows = ROWS[:count]
    made = fxexport.export(BestQueries(), (rows,), target=target)
    case = made.report.verification.cases[0]
    assert case.ok and [output.name for output in case.outputs] == [
        "output_0", "output_1", "output_2",
    ]  # fmt: skip
    (found,) = [f for f in made.report.findings if "sorted=False" in f.message]
    assert found.kind == "assumption"
    assert found.location is not None and "topk(7, sorted=False)" in found.location.code


def test_sorted_may_be_given_by_position() -> None:
    x = ROWS.flatten()
    assert not torch.equal(unordered(x), x.topk(7).indices), "the test needs another order"
    made = fxexport.export(unordered, (x,))
    assert made.report.verification.ok
    assert any("sorted=False" in found.message for found in made.report.findings)


def test_a_selection_in_order_takes_nothing_for_granted() -> None:
    made = fxexport.export(lambda x: x.topk(7).values, (ROWS[0],))
    assert not [found for found in made.report.findings if found.kind == "assumption"]


def test_a_wrong_result_of_an_unordered_selection_is_still_found() -> None:
    """The file was made of the model before it changed."""
    model = BestQueries()
    made = fxexport.export(model, (ROWS,), verify=False)
    model.shift = 1.0
    assert not made.verify().ok
