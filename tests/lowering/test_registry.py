"""Adding operators, missing operators, and what is kept whole."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch

from fxexport.errors import MissingLoweringError, UnsupportedError
from fxexport.lowering import (
    decomposition_for,
    is_lowerable,
    keep_composite,
    lower,
    register_lowering,
)
from tests.lowering.build import b, check, i64, run_model, single, t, to_model

A = torch.ops.aten


def test_missing_operator_is_named_with_its_line_and_the_remedy() -> None:
    case = single(A._linalg_eigh.default, t(3, 3))
    with pytest.raises(MissingLoweringError) as caught:
        lower(case.graph, opset=20)
    assert caught.value.operator == "aten::_linalg_eigh"
    assert caught.value.location is not None
    assert "register_lowering" in caught.value.hint


def test_registered_lowering_is_used_until_it_is_removed() -> None:
    case = single(A.lgamma.default, t(7))
    with register_lowering("aten::lgamma", lambda op, x: op.Mul(x, 2.0)):
        assert is_lowerable(A.lgamma.default)
        (got,) = run_model(to_model(case.graph), case.inputs[0])
        np.testing.assert_allclose(got, case.inputs[0][0].numpy() * 2)
    assert not is_lowerable(A.lgamma.default)


def test_registered_lowering_precedes_ours_and_gives_back_the_one_before() -> None:
    first = register_lowering(A.relu.default, lambda op, x: op.Neg(x))
    second = register_lowering(A.relu.default, lambda op, x: op.Abs(x))
    case = single(A.relu.default, t(7))
    (got,) = run_model(to_model(case.graph), case.inputs[0])
    np.testing.assert_allclose(got, case.inputs[0][0].abs().numpy())
    second.remove()
    (got,) = run_model(to_model(case.graph), case.inputs[0])
    np.testing.assert_allclose(got, -case.inputs[0][0].numpy())
    first.remove()
    check(case)


@pytest.mark.parametrize(("operator", "function"), [("relu", abs), ("aten::relu", 3)])
def test_registering_something_else_is_an_error(operator: str, function: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        register_lowering(operator, function)  # type: ignore[arg-type]


@pytest.mark.parametrize("opset", [9, 17, 99])
def test_opset_out_of_range_is_refused(opset: int) -> None:
    case = single(A.relu.default, t(7))
    with pytest.raises(UnsupportedError, match="opset"):
        lower(case.graph, opset=opset)


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23])
def test_opset_is_the_one_asked_for(opset: int) -> None:
    case = single(A.gelu.default, t(7))
    model = to_model(case.graph, opset)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)]
    check(case, opset)


def test_operators_without_a_form_are_decomposed() -> None:
    assert decomposition_for(A.relu.default) is None
    assert decomposition_for(A.copysign.Tensor) is not None
    assert decomposition_for(A._linalg_eigh.default) is None


def test_coarse_operators_are_kept_and_views_are_not() -> None:
    assert keep_composite(A.linear.default)
    assert keep_composite(A.lstm.input)
    assert not keep_composite(A.reshape.default)
    assert not keep_composite(A.dropout.default)
    assert not keep_composite(A.contiguous.default)


@pytest.mark.parametrize(
    ("op", "args"),
    [
        (A.as_strided.default, (t(7), [2], [1])),
        (A.view_as_complex.default, (t(7, 2),)),
        (A.squeeze.default, (t(7, 1),)),
    ],
)
def test_what_onnx_cannot_hold_is_refused_or_right(op: object, args: tuple[object, ...]) -> None:
    case = single(op, *args)
    try:
        check(case)
    except UnsupportedError as error:
        assert error.location is not None


def test_nodes_and_values_are_named_after_the_graph() -> None:
    model = to_model(single(A.softplus.default, t(7)).graph)
    assert all(node.name.startswith("softplus_default") for node in model.graph.node)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "d7"
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "d7"
    assert model.producer_name == "fxexport"


def test_unused_nodes_are_not_written() -> None:
    model = to_model(single(A.max_pool2d_with_indices.default, t(2, 3, 7, 8), [2, 2], keep=0).graph)
    assert [node.op_type for node in model.graph.node] == ["MaxPool"]


def test_lowering_leaves_the_graph_as_it_was() -> None:
    case = single(A.where.self, b(7), t(7), i64(7))
    before = str(case.graph)
    first = ir.to_proto(lower(case.graph, opset=20)).SerializeToString()
    assert str(case.graph) == before
    assert ir.to_proto(lower(case.graph, opset=20)).SerializeToString() == first


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_unpooling_undoes_pooling(ceil_mode: bool) -> None:
    from torch import fx

    from tests.lowering.build import DYNAMIC, Case, call, finish, getitem, placeholders

    spec = t(2, 3, 7, 8)
    inputs = [(spec.make(0, sizes),) for sizes in ({}, DYNAMIC)]
    graph = fx.Graph()
    nodes, _ = placeholders(graph, [spec], inputs[0])
    pooled = call(
        graph,
        A.max_pool2d_with_indices.default,
        nodes[0],
        [3, 2],
        [2, 2],
        [1, 0],
        [1, 1],
        ceil_mode,
    )
    sizes = [call(graph, A.sym_size.int, nodes[0], k) for k in (2, 3)]
    values, indices = getitem(graph, pooled, 0), getitem(graph, pooled, 1)
    result = call(graph, A.max_unpool2d.default, values, indices, sizes)
    check(Case(finish(graph, [spec], nodes, [result, indices]), inputs))
