"""The walks that passes share."""

from __future__ import annotations

from typing import Any

import torch
from fxexport.passes.rewriting.visiting import (
    each_branch,
    each_loop,
    each_path,
    each_result,
    on_both_paths,
    some_tensor,
)
from torch import fx

from fxexport.graph.editing import call, new_body, parts
from fxexport.graph.ops import branch
from tests.support.rewriting import captured


def branches(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        if x.max() > 1:
            return x * 2, x.clone()
        return x * 3, x + 1
    for _ in range(x.shape[0]):
        x = x + x[0]
    return x * 5, x


def test_branches_come_innermost_first_each_in_its_graph() -> None:
    graph = captured(branches, torch.ones(3))
    seen: list[tuple[fx.GraphModule, fx.Node]] = []
    each_branch(graph, lambda module, node: seen.append((module, node)))
    assert [module is graph.module for module, _ in seen] == [False, True]
    assert all(node.graph is module.graph for module, node in seen)
    only: list[fx.Node] = []
    each_branch(graph, lambda _, node: only.append(node), root_only=True)
    assert only == [seen[-1][1]]


def test_paths_and_results_of_each() -> None:
    graph = captured(branches, torch.ones(3))
    sides: list[int] = []
    results: list[tuple[fx.Node, int]] = []
    loops: list[fx.Node] = []
    each_path(graph, lambda module, node, side: sides.append(side))
    each_result(graph, lambda module, node, k: results.append((node, k)))
    each_loop(graph, lambda module, node: loops.append(node))
    assert sides == [0, 1] * 2
    nodes = list(dict.fromkeys(node for node, _ in results))
    assert results == [(node, k) for node in nodes for k in range(len(node.meta["val"]))]
    assert len(nodes) == 2
    assert len(loops) == 1


def test_what_a_change_adds_is_left_out() -> None:
    graph = captured(branches, torch.ones(3))
    seen = 0

    def add(module: fx.GraphModule, node: fx.Node) -> None:
        nonlocal seen
        seen += 1
        names = [new_body(module, node, body, "again") for body, _ in parts(module, node)]
        call(node, branch, node.args[0], *names, node.args[3], val=node.meta["val"])

    each_branch(graph, add)
    assert seen == 2


def test_a_result_on_both_paths() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x * 3

    graph = captured(program, torch.ones(3))
    (node,) = [n for n in graph.module.graph.nodes if n.target is branch]
    bodies = [body for body, _ in parts(graph.module, node)]
    then, other = on_both_paths(graph.module, node, 0)
    assert [then.graph, other.graph] == [body.graph for body in bodies]


def test_some_tensor_is_none_where_there_is_none() -> None:
    empty = fx.GraphModule(torch.nn.Module(), fx.Graph())
    assert some_tensor([empty]) is None
    assert some_tensor(captured(branches, torch.ones(3)).graphs()) is not None
