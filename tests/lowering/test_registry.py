"""Adding operators, missing operators, and what is kept whole."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import fx

import fxexport
from fxexport.errors import MissingLoweringError, UnsupportedError
from fxexport.graph.ops import branch
from fxexport.lowering import (
    decomposition_for,
    is_lowerable,
    keep_composite,
    lower,
    register_lowering,
)
from fxexport.source.location import SourceLocation
from tests.support.lowering import (
    b,
    call,
    check,
    finish,
    i64,
    placeholders,
    run_model,
    single,
    t,
    to_model,
)

A = torch.ops.aten


@torch.library.custom_op("fxexport_test::nobodys", mutates_args=())
def nobodys(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@nobodys.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def test_missing_operator_is_named_with_its_line_and_the_remedy() -> None:
    case = single(torch.ops.fxexport_test.nobodys.default, t(3, 3))
    with pytest.raises(MissingLoweringError) as caught:
        lower(case.graph, opset=20)
    assert caught.value.operator == "fxexport_test::nobodys"
    assert caught.value.location is not None
    assert "register_lowering" in caught.value.hint


def lines(first: int, *names: str) -> list[tuple[str, SourceLocation]]:
    return [(name, SourceLocation("model.py", first + k, "f")) for k, name in enumerate(names)]


def test_all_missing_operators_are_named_in_one_run() -> None:
    graph = fx.Graph()
    spec = t(3, 3)
    nodes, fakes = placeholders(graph, [spec], [spec.make(0, {})])
    chain = nodes[0]
    # The second hangs on the first, the fourth is in a branch, the third repeats the second.
    operators = [A.lgamma.default, A.digamma.default, A.digamma.default]
    for op, line in zip(operators, (1, 2, 2), strict=True):
        chain = call(graph, op, chain)
        chain.meta["source"] = (SourceLocation("model.py", line, "f"),)
    root = torch.nn.Module()
    for name, op in (("then", A.erfinv.default), ("other", A.relu.default)):
        inner = fx.Graph()
        value = inner.placeholder("x")
        value.meta["val"] = fakes[0]
        result = call(inner, op, value)
        result.meta["source"] = (SourceLocation("model.py", 3, "f"),)
        inner.output((result,))
        setattr(root, name, fx.GraphModule(torch.nn.Module(), inner))
    test = call(graph, A.gt.Scalar, call(graph, A.sum.default, nodes[0]), 0)
    bodies = graph.get_attr("then"), graph.get_attr("other")
    both = graph.call_function(branch, (test, *bodies, (chain,)))
    both.meta["val"] = (fakes[0],)
    # An argument that has no form, once for itself and once behind a missing operator.
    refused = call(graph, A.as_strided.default, nodes[0], [2], [1])
    refused.meta["source"] = (SourceLocation("model.py", 4, "f"),)
    behind = call(graph, A.as_strided.default, chain, [2], [1])
    behind.meta["source"] = (SourceLocation("model.py", 5, "f"),)
    item = graph.call_function(operator.getitem, (both, 0))
    item.meta["val"] = fakes[0]
    captured = finish(graph, [spec], nodes, [item, refused, behind], root=root)
    with pytest.raises(MissingLoweringError) as caught:
        lower(captured, opset=20)
    errors = [caught.value, *caught.value.others]
    missing = [e for e in errors if isinstance(e, MissingLoweringError)]
    assert [(e.operator, e.location) for e in missing] == lines(
        1, "aten::lgamma", "aten::digamma", "aten::erfinv"
    )
    assert all(e.operator in e.hint for e in missing)
    (rest,) = errors[3:]
    assert isinstance(rest, UnsupportedError)
    assert rest.location == SourceLocation("model.py", 4, "f")


def test_missing_operators_of_an_export_are_named_with_the_users_lines() -> None:
    names = ["fxmissing::first", "fxmissing::second", "fxmissing::third"]
    with torch.library._scoped_library("fxmissing", "DEF") as library:
        for name in names:
            library.define(f"{name[11:]}(Tensor x) -> Tensor")
            torch.library.register_fake(name, torch.empty_like, lib=library)
        missing = torch.ops.fxmissing

        def program(x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = missing.first(x)
            if y.sum() > 0:
                return torch.as_tensor(missing.second(y))
            for row in x:
                y = y + missing.third(row)
            return y

        with pytest.raises(MissingLoweringError) as caught:
            fxexport.export(program, (torch.ones(2, 2),), dynamic=True)
    errors: list[Any] = [caught.value, *caught.value.others]
    assert [e.operator for e in errors] == names
    first = program.__code__.co_firstlineno
    assert [e.location.line - first for e in errors] == [1, 3, 5]


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
    assert decomposition_for(A.diag_embed.default) is not None
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

    from tests.support.lowering import DYNAMIC, Case, call, finish, getitem, placeholders

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


def test_a_result_that_a_lowering_does_not_make_must_not_be_used() -> None:
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def program(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(attention(q, q, q))

    fxexport.export(lambda q: program(q)[0], (torch.rand(2, 2, 3, 8),), verify=False)
    with pytest.raises(UnsupportedError, match=r"result 1 of .* has no ONNX form"):
        fxexport.export(program, (torch.rand(2, 2, 3, 8),), dynamic=True)
