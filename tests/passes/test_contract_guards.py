"""A graph and its file check the sizes of their inputs, where nothing else does."""

from __future__ import annotations

import itertools
from typing import Any

import onnx_ir
import pytest
import torch
from fxexport.passes import contract_guards, eliminate_dead_code, run_passes

import fxexport
from fxexport.errors import GuardError
from fxexport.graph import Constraint, DimRange, InputSpec, branch, guard
from fxexport.graph.contracts import sizes_fit
from fxexport.graph.editing import call
from fxexport.graph.marks import CONTRACT
from fxexport.graph.scalars import not_
from fxexport.lowering import lower
from tests.lowering.test_guards import LEVELS, run, session
from tests.support.rewriting import captured, nodes_of


def halves(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(x.shape[0], 2, -1).sum(1)


def table(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x + y


def at_most(x: torch.Tensor) -> torch.Tensor:
    return x + torch.ones(16).narrow(0, 0, x.shape[0])


def raising(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] % 3 != 0:
        raise ValueError("threes only")
    return x * 2


def odd_relation(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, y]).reshape(4, -1)


def ones(*sizes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.ones(size) for size in sizes)


CASES: tuple[Any, ...] = (
    (halves, {"x": {0: "b", 1: "n"}}, [((2, 4),), ((3, 8),)], [((2, 5),)],
     r"== 0 \(test_contract_guards"),
    (table, {"x": {0: "b"}, "y": {0: "b"}}, [((2, 3), (2, 3)), ((1, 3), (1, 3))],
     [((2, 3), (1, 3)), ((1, 3), (5, 3))], "both are b"),
    (at_most, {"x": {0: "n"}}, [((2,),), ((16,),)], [((17,),), ((40,),)], "16|the end is inside"),
    (raising, {"x": {0: "n"}}, [((3,),), ((6,),), ((0,),)], [((2,),)], "ValueError: threes only"),
    (odd_relation, {"x": {0: "n"}, "y": {0: "m"}}, [((2, 4), (4, 4)), ((1, 4), (1, 4))],
     [((2, 3), (4, 3))], None),
    (lambda x: x * 2, {"x": {0: fxexport.Dim("n", 2, 6)}}, [((2,),), ((6,),)],
     [((1,),), ((7,),)], "needs 2 <= n <= 6"),
)  # fmt: skip


@pytest.mark.parametrize(("program", "dynamic", "good", "bad", "says"), CASES)
def test_a_file_raises_outside_of_its_sizes(
    program: Any, dynamic: Any, good: Any, bad: Any, says: str | None
) -> None:
    exported = fxexport.export(program, ones(*good[0]), dynamic=dynamic, verify=False)
    files = [session(exported.model, level) for level in LEVELS]
    for sizes in good:
        row = ones(*sizes)
        torch.testing.assert_close(exported.graph.run(*row)[0], program(*row))
        for file in files:
            torch.testing.assert_close(torch.tensor(run(file, row)[0]), program(*row))
    for sizes in bad:
        if says:
            with pytest.raises(GuardError, match=says):
                exported.graph.run(*ones(*sizes))
        for file in files:
            with pytest.raises(Exception, match=says):
                run(file, ones(*sizes))


def test_all_simple_needs_are_one_question() -> None:
    graph = captured(lambda x, y: x + y.sum(), torch.ones(2, 4), torch.ones(3))
    graph.inputs = [
        InputSpec("x", "tensor", torch.float32, (DimRange("a", 2, 8), DimRange("b"))),
        InputSpec("y", "tensor", torch.float32, (DimRange("b"),)),
    ]
    relation = Constraint("a % 2 == 0", lambda sizes: True, None, ("a",), "d0 % 2 == 0")
    graph.constraints = [relation]
    run_passes(graph, (contract_guards, eliminate_dead_code))
    (asked,) = nodes_of(graph, sizes_fit)
    assert asked.args[1] == ((2, 2, 8, None), (1, 0, None, None), (1, 0, None, 1))
    (node,) = nodes_of(graph, guard)
    assert CONTRACT.of(node)
    assert node.args[1] == (
        "needs a % 2 == 0; needs 2 <= a <= 8; needs x.shape[1] == y.shape[0], both are b"
    )
    assert not nodes_of(graph, branch)


def test_dimensions_that_are_one_are_said_at_once() -> None:
    rows = [torch.ones(2, 3)] * 3
    graph = captured(lambda x, y, z: x + y + z, *rows)
    shape = (DimRange("batch"), DimRange("length"))
    graph.inputs = [InputSpec(name, "tensor", torch.float32, shape) for name in "xyz"]
    graph.constraints = []
    run_passes(graph, (contract_guards, eliminate_dead_code))
    (node,) = nodes_of(graph, guard)
    assert node.args[1] == (
        "needs x.shape[0] == y.shape[0] == z.shape[0], all are batch; "
        "needs x.shape[1] == y.shape[1] == z.shape[1], all are length"
    )


def test_what_the_program_raises_stands_before_what_is_needed() -> None:
    exported = fxexport.export(
        raising, (torch.ones(6),), dynamic={"x": {0: fxexport.Dim("n", 3, 30)}}, verify=False
    )
    graph = exported.graph
    for wrong in (2, 4, 33):
        with pytest.raises(
            GuardError, match=r"^ValueError: threes only \(.*\), or a need .*: needs"
        ):
            graph.run(torch.ones(wrong))
    torch.testing.assert_close(graph.run(torch.ones(9)), (torch.ones(9) * 2,))


def test_a_contract_of_many_parts_names_the_one_that_fails() -> None:
    def total(a, b, c, d, e):  # type: ignore[no-untyped-def]
        return a.sum() + b.sum() + c.sum() + d.sum() + e.sum()

    dynamic = {name: {0: fxexport.Dim(f"n_{name}", 2, 8)} for name in "abcde"}
    rows = [torch.ones(3)] * 5
    exported = fxexport.export(total, tuple(rows), dynamic=dynamic, verify=False)
    (node,) = nodes_of(exported.graph, branch)
    assert CONTRACT.of(node)
    assert len(nodes_of(exported.graph, guard, root=False)) == 5
    assert not nodes_of(exported.graph, guard, root=True)
    with pytest.raises(GuardError, match=r"^needs 2 <= n_d <= 8$"):
        exported.graph.run(*rows[:3], torch.ones(9), rows[4])


SIZES = (0, 1, 2, 3, 4, 6, 9)
NEEDS: tuple[Any, ...] = (
    ((1,), [(2, 0, None, None)]),
    ((1,), [(1, 2, 6, None)]),
    ((1,), [(1, 0, 3, None)]),
    ((1,), [(1, 2, None, None)]),
    ((1,), [(2, 2, 6, None)]),
    ((2,), [(2, 0, None, None), (3, 0, 6, None)]),
    ((2,), [(1, 0, None, None), (1, 0, None, 0)]),
    ((2,), [(2, 0, None, None), (1, 3, None, 0)]),
    ((1, 1), [(1, 0, None, None), (1, 0, None, 0)]),
    ((1, 1), [(2, 2, 6, None), (3, 0, None, 0)]),
    ((1, 1), [(2, 2, 6, None), (3, 1, 6, None)]),
    ((2, 2), [(1, 0, None, None), (2, 0, 6, None), (1, 0, None, 0), (1, 0, None, 1)]),
    ((2, 2), [(1, 0, None, None), (2, 0, 6, None), (1, 0, None, 1), (1, 0, None, None)]),
    ((2, 2), [(1, 0, None, None), (1, 0, None, None), (1, 0, None, 1), (1, 0, None, 0)]),
    ((1, 2), [(1, 0, None, None), (1, 0, None, None), (1, 1, None, 0)]),
    ((1, 1), [(1, 1, None, None), (1, 2, None, None)]),
    ((1, 1), [(1, 0, 4, None), (1, 0, 6, None)]),
    ((1, 2), [(1, 1, 6, None), (1, 0, None, None), (1, 2, None, None)]),
)


@pytest.mark.parametrize(("ranks", "needs"), NEEDS)
def test_the_question_has_one_answer_in_the_graph_and_in_the_file(ranks: Any, needs: Any) -> None:
    example = [torch.ones([2] * rank) for rank in ranks]
    program = (lambda x: x * 2) if len(ranks) == 1 else (lambda x, y: (x * 2, y * 2))
    graph = captured(program, *example)
    first = next(node for node in graph.module.graph.nodes if node.op != "placeholder")
    tensors = tuple(graph.module.graph.find_nodes(op="placeholder"))
    asked = call(first, sizes_fit, tensors, tuple(needs), val=True)
    call(first, guard, asked, "needs what it needs", val=None)
    flag = call(first, not_, asked, val=True)  # and once more as a number
    call(first, guard, call(first, not_, flag, val=True), "needs it", val=None)
    graph.module.recompile()
    file = session(onnx_ir.to_proto(lower(graph, opset=21)), LEVELS[-1])
    outcomes = set()
    for sizes in itertools.product(SIZES, repeat=sum(ranks)):
        row = [
            torch.ones(sizes[:rank] if k == 0 else sizes[-rank:]) for k, rank in enumerate(ranks)
        ]
        fits = sizes_fit(row, needs)
        outcomes.add(fits)
        try:
            run(file, tuple(row))
            raised = False
        except Exception as error:
            raised = True
            assert "needs" in str(error)
        assert raised is not fits, sizes
    assert outcomes == {True, False}


def test_static_sizes_need_no_check() -> None:
    exported = fxexport.export(lambda x: x * 2, ones((2, 3)), verify=False)
    assert [node.op_type for node in exported.model.graph.node] == ["Mul"]


@pytest.mark.parametrize(
    ("expression", "sizes", "holds"),
    [
        ("d0 % d1 == 0", (6, 3), True),
        ("d0 % d1 == 0", (6, 4), False),
        ("d0 % d1 == 0", (6, 0), False),
        ("max(d0, d1) - min(d0, d1) < 3 and not d0 == 4", (5, 3), True),
        ("max(d0, d1) - min(d0, d1) < 3 and not d0 == 4", (4, 3), False),
        ("math.floor(float(d0) * 0.5) // 2 == d1 or d1 > 8", (9, 2), True),
        ("math.floor(float(d0) * 0.5) // 2 == d1 or d1 > 8", (9, 3), False),
        ("2 <= d0 <= d1 ** 2", (5, 2), False),
        ("(d0 if d1 > 2 else -d0) > 0", (5, 3), True),
        ("(d0 if d1 > 2 else -d0) > 0", (5, 2), False),
        ("d0 // d1 + d0 / d1 > 3", (5, 2), True),
    ],
)
def test_any_relation_can_be_checked(expression: str, sizes: tuple[int, int], holds: bool) -> None:
    program = fxexport.export(
        lambda x, y: x.sum() + y.sum(), ones((2,), (3,)), dynamic=True, verify=False
    )
    graph = captured(lambda x, y: x.sum() + y.sum(), torch.ones(2), torch.ones(3))
    shapes = [dim for spec in program.graph.inputs for dim in spec.shape]
    names = tuple(dim.name for dim in shapes if isinstance(dim, DimRange))
    graph.constraints = [Constraint("it holds", lambda _: True, None, names, expression)]
    run_passes(graph, (contract_guards, eliminate_dead_code))
    file = session(onnx_ir.to_proto(lower(graph, opset=21)), LEVELS[-1])
    row = ones((sizes[0],), (sizes[1],))
    if holds:
        graph.run(*row)
        run(file, row)
        return
    with pytest.raises(GuardError, match="needs it holds"):
        graph.run(*row)
    with pytest.raises(Exception, match="needs it holds"):
        run(file, row)


def test_the_range_of_an_int_input_is_checked() -> None:
    def repeated(x: torch.Tensor, n: int) -> torch.Tensor:
        return x * n

    row = torch.ones(2)
    exported = fxexport.export(repeated, (row, 3), profiles={"n": (1, 3, 8)}, verify=False)
    file = session(exported.model, LEVELS[-1])
    for n in (1, 8):
        assert run(file, (row, n))[0].tolist() == [n, n]
    for n in (0, 9):
        with pytest.raises(Exception, match="needs 1 <= n <= 8"):
            run(file, (row, n))
