"""Objects that hold tensors as arguments and results of a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

import fxexport
from fxexport.containers import joined_path

pytest.importorskip("onnxruntime")


class Memory:
    """A cache as decoders have it: it grows by attributes, lists and counts."""

    def __init__(self, rows: torch.Tensor, label: str = "sum") -> None:
        self.layers = [SimpleNamespace(rows=rows), SimpleNamespace(rows=rows + 1)]
        self.label = label
        self.seen = 3
        self._note = "nothing"

    def add(self, row: torch.Tensor) -> None:
        for layer in self.layers:
            layer.rows = torch.cat([layer.rows, row[None]])
        self.seen += 1


def remember(x: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
    if x.sum() > 0:
        memory.add(x)
    else:
        memory.add(-x)
    total = x * 0
    for row in memory.layers[0].rows:
        total = total + row * memory.seen
    return total, memory


def forget(x: torch.Tensor, memory: Memory) -> torch.Tensor:
    memory.add(x)
    return memory.layers[1].rows.sum()


def exported(model: Any, *args: Any, **options: Any) -> fxexport.Exported:
    found = fxexport.export(model, args, **options)
    verification = found.report.verification
    assert verification is not None
    assert verification.ok
    return found


def names(found: fxexport.Exported) -> tuple[list[str], list[str]]:
    return (
        [spec.name for spec in found.graph.inputs],
        [spec.name for spec in found.graph.outputs],
    )


def test_the_tensors_of_an_object_are_inputs_and_those_of_one_that_is_returned_outputs() -> None:
    memory = Memory(torch.rand(2, 3))
    found = exported(remember, torch.ones(3), memory, dynamic={"memory_layers_0_rows": {0: "n"}})
    inputs, outputs = names(found)
    assert inputs == ["x", "memory_layers_0_rows", "memory_layers_1_rows"]
    assert outputs[:3] == ["output_0", "output_1_layers_0_rows", "output_1_layers_1_rows"]
    assert memory.layers[0].rows.shape == (2, 3), "the user's object is as it was"
    assert (memory.seen, memory.label) == (3, "sum")
    assert ("memory_seen is 3 in the file") in [f.message for f in found.report.findings]


def test_a_number_of_an_object_is_an_input_where_it_is_asked_for() -> None:
    memory = Memory(torch.rand(2, 3))
    dynamic = {"memory_seen": True, "memory_layers_0_rows": {0: "n"}}
    found = exported(remember, torch.ones(3), memory, dynamic=dynamic)
    assert "memory_seen" in names(found)[0]
    other = Memory(torch.rand(5, 3))
    other.layers[1].rows = torch.rand(2, 3)
    other.seen = 7
    assert found.verify((torch.ones(3), other)).ok


def test_other_objects_of_the_class_are_compared_and_others_are_refused() -> None:
    dynamic = {"memory_layers_0_rows": {0: "n"}, "memory_layers_1_rows": {0: "n"}}
    found = exported(forget, torch.ones(3), Memory(torch.rand(2, 3)), dynamic=dynamic)
    assert found.verify((torch.ones(3), Memory(torch.rand(6, 3)))).ok
    with pytest.raises(fxexport.UsageError, match="memory: expected a Memory"):
        found.verify((torch.ones(3), torch.ones(3)))


@pytest.mark.parametrize(("model", "told"), [(forget, True), (remember, False)])
def test_what_a_call_changes_in_an_argument_is_told_unless_it_is_returned(
    model: Any, told: bool
) -> None:
    report = fxexport.export(model, (torch.ones(3), Memory(torch.rand(2, 3))), verify=False).report
    notes = [note.message for note in report.of_kind("note")]
    assert any("SimpleNamespace.rows is set in forward" in note for note in notes) is told


def test_what_is_returned_in_another_container_is_not_told() -> None:
    def keep(x: torch.Tensor, kept: dict[str, Any]) -> dict[str, Any]:
        kept["pair"] = (x * 2, x + 1)
        return {"sum": x.sum(), **kept}

    report = fxexport.export(keep, (torch.ones(3), {}), verify=False).report
    assert report.of_kind("note") == []


def test_so_is_a_dict_that_a_call_changes() -> None:
    def keep(x: torch.Tensor, kept: dict[str, torch.Tensor]) -> torch.Tensor:
        kept["x"] = x * 2
        return x + 1

    report = fxexport.export(keep, (torch.ones(3), {}), verify=False).report
    notes = [note.message for note in report.of_kind("note")]
    assert "a dict is changed in forward: the file gives what is returned alone" in notes


def test_an_object_without_tensors_is_a_new_one_in_each_call() -> None:
    def count(x: torch.Tensor, log: SimpleNamespace) -> torch.Tensor:
        log.calls.append(1)
        return x * len(log.calls)

    log = SimpleNamespace(calls=[])
    exported(count, torch.ones(3), log)
    assert log.calls == []


def test_axes_of_an_object_are_those_of_all_its_tensors() -> None:
    found = exported(forget, torch.ones(3), Memory(torch.rand(2, 3)), dynamic={"memory": {0: "n"}})
    assert [str(spec.shape[0]) for spec in found.graph.inputs[1:]] == [
        str(found.graph.inputs[1].shape[0])
    ] * 2


class Pair:
    def __init__(self, left: torch.Tensor, right: torch.Tensor, scale: float) -> None:
        self.left, self.right, self.scale = left, right, scale


def swapped(x: torch.Tensor, pair: Pair) -> Pair:
    if x.sum() > 0:
        return Pair(pair.right * pair.scale, pair.left + x, pair.scale)
    return Pair(pair.left, pair.right, pair.scale)


def test_a_registered_class_has_the_names_and_parts_that_were_said() -> None:
    handle = fxexport.register_container(
        Pair,
        lambda pair: {".left": pair.left, ".right": pair.right},
        lambda like, parts: Pair(parts[".left"], parts[".right"], like.scale),
    )
    with handle:
        found = exported(swapped, torch.ones(3), Pair(torch.rand(3), torch.rand(3), 2.0))
        assert names(found) == (["x", "pair.left", "pair.right"], ["left", "right"])
    found = exported(swapped, torch.ones(3), Pair(torch.rand(3), torch.rand(3), 2.0))
    assert names(found)[0] == ["x", "pair_left", "pair_right"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, len, len), "expects a class, got 3"),
        ((Pair, 3, len), "expects a function as parts, got 3"),
        ((Pair, len, None), "expects a function as rebuild, got None"),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        fxexport.register_container(*arguments)


def test_a_class_of_pytorchs_trees_is_taken_apart_as_they_do() -> None:
    class Tree:
        def __init__(self, a: torch.Tensor, b: torch.Tensor) -> None:
            self.a, self.b = a, b

    pytree.register_pytree_node(
        Tree,
        lambda tree: ([tree.a, tree.b], None),
        lambda items, _: Tree(*items),
        flatten_with_keys_fn=lambda tree: (
            [(pytree.GetAttrKey("first"), tree.a), (pytree.GetAttrKey("second"), tree.b)],
            None,
        ),
    )

    def turned(x: torch.Tensor, tree: Tree) -> Tree:
        return Tree(tree.b + x, tree.a)

    try:
        found = exported(turned, torch.ones(3), Tree(torch.rand(3), torch.rand(3)))
    finally:
        pytree._deregister_pytree_node(Tree)
    assert names(found) == (["x", "tree_first", "tree_second"], ["first", "second"])


@pytest.mark.parametrize(
    ("path", "part", "expected"),
    [("a", "b", "a_b"), ("a", ".b", "a.b"), ("", ".b", "b"), ("a", "", "a"), ("", "b", "b")],
)
def test_a_part_that_begins_with_a_dot_is_joined_by_it(path: str, part: str, expected: str) -> None:
    assert joined_path(path, part) == expected
