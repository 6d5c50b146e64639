"""The bits of a tensor taken for numbers of another dtype: ``x.view(dtype)``."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.errors import UnsupportedError
from tests.support.complex_values import check


def numbers(rows: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(rows)
    return (torch.randn(rows, 4, generator=generator) * 100).to(dtype)


@pytest.mark.parametrize(
    ("dtype", "other"),
    [
        (torch.uint8, torch.int8),
        (torch.int8, torch.uint8),
        (torch.int32, torch.uint32),
        (torch.bool, torch.uint8),
        (torch.float32, torch.float32),
    ],
    ids=str,
)
def test_integers_of_one_width(dtype: torch.dtype, other: torch.dtype) -> None:
    check(lambda x: x.view(other)[1:], *[(numbers(n, dtype),) for n in (3, 5, 1)])


@pytest.mark.parametrize(
    ("dtype", "other"),
    [
        (torch.float32, torch.int32),
        (torch.int32, torch.float32),
        (torch.float64, torch.int64),
        (torch.float16, torch.int16),
    ],
    ids=str,
)
def test_floats_from_opset_26_on(dtype: torch.dtype, other: torch.dtype) -> None:
    def bits(x: Tensor) -> Tensor:
        return x.view(other)[1:]

    exported = fxexport.export(bits, (numbers(3, dtype),), dynamic=True, opset=26)
    assert exported.verify((numbers(5, dtype),)).ok
    with pytest.raises(UnsupportedError, match="have no form in opset 21"):
        fxexport.export(bits, (numbers(3, dtype),), dynamic=True)


def test_bits_are_written_through_the_view() -> None:
    def signs_off(x: Tensor) -> Tensor:
        y = x * 2
        bits = y.view(torch.int32)
        bits &= 0x7FFFFFFF
        return y

    exported = fxexport.export(signs_off, (numbers(3, torch.float32),), dynamic=True, opset=26)
    assert exported.verify((numbers(6, torch.float32),)).ok


def test_another_number_of_elements_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="another number of elements"):
        fxexport.export(lambda x: x.view(torch.int16), (numbers(3, torch.int32),), dynamic=True)
