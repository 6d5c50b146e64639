"""What a call raises ends a path only where PyTorch raises for real tensors as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import fxexport
from tests.support.capturing import agrees, captured, refused, rows


@torch.library.custom_op("fxexport_tests::fails_when_fake", mutates_args=())
def _fails_when_fake(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@_fails_when_fake.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("sizes do not fit")


def _on_a_path(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return _fails_when_fake(x)
    return x


def _in_a_try(x: torch.Tensor) -> torch.Tensor:
    try:
        if x.sum() > 0:
            x = _fails_when_fake(x)
    except RuntimeError:
        x = x - 1
    return x


def _in_straight_code(x: torch.Tensor) -> torch.Tensor:
    return x[:, 9]


@pytest.mark.parametrize("program", [_on_a_path, _in_a_try, _in_straight_code])
def test_what_fake_tensors_alone_raise_or_every_run_is_refused(
    program: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    with pytest.raises(fxexport.FxExportError):
        fxexport.export(program, (torch.randn(3, 2),), dynamic=True, verify=False)


def test_the_report_has_pytorchs_own_words() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] == 0:
            return x[0]
        return x.sum(0)

    agrees(program, rows(2, 1, 5, features=3))
    said = [finding.message for finding in captured(program, torch.randn(2, 3)).report.findings]
    assert any("IndexError: index 0 is out of bounds" in text for text in said), said


def test_text_with_a_size_in_it_cannot_be_read() -> None:
    def program(x: torch.Tensor) -> tuple[torch.Tensor, int]:
        length = 0
        try:
            if x.sum() > 0:
                x.view(3, 3, 3)
        except RuntimeError as error:
            length = len(str(error))
        return x, length

    error = refused(program, rows(2, features=3))
    assert "the text of an exception" in str(error)
