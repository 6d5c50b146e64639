"""Vectors of another sign are no error; what are no vectors of the matrix is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.errors import VerificationError
from fxexport.lowering.linear_algebra import singular_values, symmetric
from fxexport.verify.vectors import UNDEFINED_SIGNS, with_file_vectors

pytest.importorskip("onnxruntime")

MATRIX = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))


def first_vector(x: Tensor) -> Tensor:
    return torch.linalg.eigh(x).eigenvectors[:, 0].relu() * 3


def left_vectors(x: Tensor) -> Tensor:
    return torch.linalg.svd(x).U.exp()


def in_a_loop(x: Tensor) -> Tensor:
    total = x
    for _ in range(int(x.shape[0])):
        total = torch.linalg.eigh(total + x).eigenvectors
    return total


def verified(program: Callable[..., Any]) -> Any:
    return fxexport.export(program, (MATRIX,), dynamic=True).report.verification


def turned(factor: Tensor) -> Callable[..., Any]:
    """The lowering of eigh, its vectors times a factor."""

    def lowering(op: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        values, vectors = symmetric.eigh(op, x, *args, **kwargs)
        return values, vectors * op.const(factor.numpy(), x.elem)

    return lowering


@pytest.mark.parametrize(
    "program", [first_vector, left_vectors, in_a_loop], ids=lambda p: p.__name__
)
def test_signs_are_no_error(program: Callable[..., Any]) -> None:
    assert verified(program).ok


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_follows_is_compared_whatever_the_sign(sign: float) -> None:
    with fxexport.register_lowering("aten::_linalg_eigh", turned(torch.tensor(sign))):
        verification = verified(first_vector)
    assert verification.ok
    assert verification.cases[0].outputs
    assert all(d.ok for d in verification.cases[0].outputs)


def test_one_of_the_two_signs_differs_and_is_told() -> None:
    """Whatever the sign of PyTorch's is, it is not both."""
    notes = []
    for sign in (1.0, -1.0):
        with fxexport.register_lowering("aten::_linalg_eigh", turned(torch.tensor(sign))):
            notes.append(UNDEFINED_SIGNS in verified(first_vector).notes)
    assert any(notes)


def test_vectors_of_another_length_are_an_error() -> None:
    with (
        fxexport.register_lowering("aten::_linalg_eigh", turned(torch.tensor(0.5))),
        pytest.raises(VerificationError),
    ):
        verified(first_vector)


def test_vectors_in_another_order_are_an_error() -> None:
    def lowering(op: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        values, vectors = symmetric.eigh(op, x, *args, **kwargs)
        return values, op.Concat(
            op.Slice(vectors, [1], [5], [1]), op.Slice(vectors, [0], [1], [1]), axis=1
        )

    with (
        fxexport.register_lowering("aten::_linalg_eigh", lowering),
        pytest.raises(VerificationError),
    ):
        verified(first_vector)


def test_pairs_of_singular_vectors_turn_together() -> None:
    def lowering(op: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        left, values, right = singular_values.svd(op, x, *args, **kwargs)
        return -left, values, right

    with (
        fxexport.register_lowering("aten::_linalg_svd", lowering),
        pytest.raises(VerificationError),
    ):
        verified(left_vectors)


def test_an_error_behind_the_vectors_is_found() -> None:
    """The file subtracts where the model adds."""
    with (
        fxexport.register_lowering("aten::relu", lambda op, x: op.Relu(x) + 0.01),
        pytest.raises(VerificationError),
    ):
        verified(first_vector)


def test_a_model_without_vectors_is_left_alone() -> None:
    assert with_file_vectors(lambda: MATRIX + 1) is None
