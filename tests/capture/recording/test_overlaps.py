"""Views of one tensor that have an element in common, for the sizes of the example."""

from __future__ import annotations

import itertools

import pytest
import torch

from fxexport.capture.recording.overlaps import refuse_overlap
from fxexport.errors import UnsupportedError

BASE = torch.zeros(4, 5, 3)
PARTS = (slice(None), slice(1, None), slice(None, 2), slice(None, -1), slice(None, None, 2))
VIEWS = [BASE[rows, columns] for rows, columns in itertools.product(PARTS, PARTS)]
VIEWS += [BASE[1], BASE[-1], BASE[:, 2], BASE[:, :, 1], BASE[:, 3:, 2:], BASE[0, 0]]


def _elements(view: torch.Tensor) -> set[int]:
    numbers = torch.arange(BASE.numel())
    return set(
        numbers.as_strided(view.shape, view.stride(), view.storage_offset()).flatten().tolist()
    )


def _refused(written: torch.Tensor, read: torch.Tensor) -> bool:
    try:
        refuse_overlap(
            torch.ops.aten.add_.Tensor,
            (written, read),
            {},
            lambda view: BASE,
            lambda size: int(size),
        )
    except UnsupportedError:
        return True
    return False


@pytest.mark.parametrize("written", VIEWS, ids=lambda view: str(tuple(view.shape)))
def test_views_that_lie_alike_or_apart_are_taken(written: torch.Tensor) -> None:
    for read in VIEWS:
        alike = written.shape == read.shape and _elements(written) == _elements(read)
        meet = bool(_elements(written) & _elements(read)) and not alike
        assert _refused(written, read) == (meet and written.stride() == read.stride())


def test_sizes_that_the_example_does_not_say_are_not_refused() -> None:
    func = torch.ops.aten.add_.Tensor
    refuse_overlap(func, (BASE[1:], BASE[:-1]), {}, lambda view: BASE, lambda size: None)


def test_a_product_does_not_write_over_its_factor() -> None:
    square = torch.zeros(3, 3)
    with pytest.raises(UnsupportedError, match="still to read"):
        refuse_overlap(
            torch.ops.aten.mm.out, (square, square), {"out": square}, lambda view: square, int
        )
