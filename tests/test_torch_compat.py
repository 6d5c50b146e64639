"""Every private part of PyTorch that is used does what it is used for."""

from __future__ import annotations

import pytest
import torch

from fxexport import _torch_compat as compat

A = torch.ops.aten

# decompositions


@pytest.mark.parametrize("operator", [A.hinge_embedding_loss.default, A.cosine_similarity.default])
def test_operator_written_through_others_decomposes_to_the_same_result(operator):
    assert compat.has_own_decomposition(operator)
    a, b = torch.randn(3, 5), torch.ones(3, 5)
    with torch.no_grad():
        torch.testing.assert_close(operator.decompose(a, b), operator(a, b))


@pytest.mark.parametrize("operator", [A.relu.default, A.convolution.default])
def test_operator_with_kernels_of_its_own_has_no_decomposition_of_its_own(operator):
    assert not compat.has_own_decomposition(operator)


def test_larger_table_expresses_an_operator_through_others():
    found = compat.larger_table(A.binary_cross_entropy.default)
    assert found is not None
    probability, target = torch.rand(4), torch.ones(4)
    torch.testing.assert_close(
        found(probability, target), A.binary_cross_entropy.default(probability, target)
    )


def test_larger_table_knows_nothing_of_a_primitive_operator():
    assert compat.larger_table(A.convolution.default) is None
