"""What the file takes for granted about sizes is found, said, and never more than needed."""

# The programs under test are written as users write them.
# ruff: noqa: RUF015

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from fxexport import Dim
from tests.support.capturing import agrees, captured, rows


def dims(exported: fxexport.Exported, name: str) -> tuple[Any, ...]:
    (value,) = (v for v in exported.model.graph.input if v.name == name)
    shape = value.type.tensor_type.shape.dim
    return tuple(d.dim_param if d.HasField("dim_param") else d.dim_value for d in shape)


def texts(exported: fxexport.Exported, *kinds: Any) -> list[str]:
    return [finding.message for finding in exported.report.of_kind(*kinds)]


FREE: dict[str, Callable[[torch.Tensor], Any]] = {
    "pointwise": lambda x: x.relu() + 1,
    "a reduction": lambda x: x.mean(0),
    "contiguity": lambda x: x.t().contiguous().view(-1),
    "flatten": lambda x: x.flatten(),
    "view of a computed size": lambda x: x.view(x.shape[1], x.shape[0]),
    "softmax": lambda x: x.softmax(-1),
    "cat": lambda x: torch.cat([x, x]),
    "matmul with itself": lambda x: x @ x.t(),
    "expand": lambda x: x[None].expand(3, -1, -1),
    "an attention": lambda x: torch.nn.functional.scaled_dot_product_attention(
        x[None, None], x[None, None], x[None, None]
    ),
    "layer norm": lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:]),
    "a branch on a size": lambda x: x * 2 if x.shape[0] > 3 else x,
    "pooling of channels that come last": lambda x: torch.nn.functional.adaptive_avg_pool2d(
        torch.stack([x[:, None], x[:, None] * 2], -1).permute(0, 3, 1, 2), 1
    ),
    "argsort": lambda x: x.argsort(1),
    "unsqueeze and squeeze": lambda x: x.unsqueeze(0).squeeze(0),
}


@pytest.mark.parametrize("name", FREE)
def test_what_holds_for_all_sizes_pins_nothing(name: str) -> None:
    exported = captured(FREE[name], torch.randn(2, 3))
    assert all(isinstance(size, str) for size in dims(exported, "x"))
    assert texts(exported, "pinned", "relation", "assumption") == []
    agrees(FREE[name], [(torch.randn(a, b),) for a, b in ((2, 3), (1, 1), (5, 2), (4, 4))])


PINNED: dict[str, tuple[Callable[[torch.Tensor], Any], tuple[bool, bool]]] = {
    # the second part says which dimensions stay dynamic
    "a weight": (lambda x: x @ torch.ones(3, 5), (True, False)),
    "a bias of three": (lambda x: x * torch.tensor([1.0, 2.0, 3.0]), (True, False)),
    "a fixed view": (lambda x: x.view(-1, 3) + torch.ones(3), (True, False)),
    "unbind": (lambda x: sum(x.unbind(1)), (True, False)),
    "unpacking": (lambda x: [a + b for a, b in [x]][0], (False, True)),
}


@pytest.mark.parametrize("name", PINNED)
def test_what_the_model_needs_is_pinned_or_said(name: str) -> None:
    program, free = PINNED[name]
    exported = captured(program, torch.randn(2, 3))
    dynamic = tuple(isinstance(size, str) for size in dims(exported, "x"))
    said = exported.report.of_kind("pinned", "relation", "assumption")
    assert dynamic[0] or not free[0]
    if dynamic != free:
        assert said, "a dimension is dynamic that the model holds"
    assert said
    for finding in said:
        assert finding.location is not None and finding.location.file == __file__


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x + y


def concatenate(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, y], 0)


@pytest.mark.parametrize("program", [concatenate])
def test_dimensions_that_must_agree_are_one_or_a_relation(program: Any) -> None:
    exported = captured(program, torch.ones(2, 3), torch.ones(4, 3))
    x, y = dims(exported, "x"), dims(exported, "y")
    assert isinstance(x[0], str) and isinstance(y[0], str) and x[0] != y[0]
    same = x[1] == y[1] and isinstance(x[1], str)
    assert same or any("==" in text for text in texts(exported, "relation", "assumption"))


def test_a_divisibility_is_a_relation_that_can_be_checked() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x.view(-1, 4).sum(0)  # needs a multiple of four

    exported = captured(program, torch.randn(8))
    found = exported.graph.constraints
    fits = [all(c.holds({"x_d0": size}) for c in found) for size in (4, 8, 6)]
    assert fits == [True, True, False]
    for finding in exported.report.of_kind("relation"):
        assert finding.location is not None
        assert "needs a multiple of four" in finding.location.code
    assert exported.report.of_kind("relation")


def test_a_raise_for_some_sizes_is_an_assumption() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] % 2 != 0:
            raise ValueError("an even size is needed")
        return x * 2

    exported = captured(program, torch.randn(4))
    said = exported.report.of_kind("assumption", "relation")
    assert said and said[0].location is not None
    assert exported.graph.constraints
    holds = exported.graph.constraints[0].holds
    assert [holds({"x_d0": n}) for n in (2, 3, 8)] == [True, False, True]


def test_an_assert_on_a_size_is_an_assumption() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        assert x.shape[0] >= 3, "too short"
        return x[:3] * 2

    exported = captured(program, torch.randn(4))
    assert exported.report.of_kind("assumption", "relation")


def a_split_in_a_branch(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    w = x * 2
    if w.numel() > 8:
        w = w + 1
    elif t > -0.8:
        w.split(2, 1)[0].clamp_(min=1.25)
    return w


def a_split_of_what_a_branch_tests(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    w = x * 2
    if w.shape[1] > 8 and t > 0:
        w.split(2, 1)[0].clamp_(min=1.25)
    return w


@pytest.mark.parametrize("program", [a_split_in_a_branch, a_split_of_what_a_branch_tests])
def test_sizes_made_up_for_a_branch_decide_nothing(program: Any) -> None:
    values = [(torch.ones(n, 4) - 0.8, torch.tensor(t)) for n in (3, 1, 2) for t in (1.0, -1.0)]
    agrees(program, values)


def a_sum(x: torch.Tensor, y: torch.Tensor) -> Any:
    z = x + y
    return z, torch.zeros(z.shape[0])


def a_sum_in_a_branch(x: torch.Tensor, y: torch.Tensor) -> Any:
    z = y
    if y.sum() > 0:
        z = x + y
    return z, torch.zeros(z.shape[0])


def a_sum_in_a_loop(x: torch.Tensor, y: torch.Tensor) -> Any:
    z = y
    for _ in range(y.shape[0]):
        z = x + z
    return z, torch.zeros(z.shape[0])


def a_weight(x: torch.Tensor, y: torch.Tensor) -> Any:
    return x + torch.ones(3, 4), y


@pytest.mark.parametrize("program", [a_sum, a_sum_in_a_loop, a_weight])
def test_what_the_example_broadcasts_stays_one(program: Any) -> None:
    example = (torch.ones(1, 4), torch.ones(5, 4))
    exported = captured(program, *example)
    assert [dims(exported, name)[0] for name in ("x", "y")] == [1, "y_d0"]
    agrees(program, [example, (torch.ones(1, 4), torch.ones(2, 4))])


def test_what_one_way_broadcasts_may_have_any_size() -> None:
    sizes = ((1, 5), (1, 2), (5, 1), (3, 3), (1, 1), (0, 1), (1, 0))
    inputs = [(torch.ones(a, 4), torch.ones(b, 4)) for a, b in sizes]
    agrees(a_sum_in_a_branch, [*inputs, (torch.ones(2, 4), -torch.ones(3, 4))])


def test_what_the_example_broadcasts_cannot_be_asked_to_be_dynamic() -> None:
    example = (torch.ones(1, 4), torch.ones(5, 4))
    with pytest.raises(fxexport.UnsupportedError, match="broadcast here") as refusal:
        captured(a_sum, *example, dynamic={"x": [0], "y": [0]})
    assert refusal.value.location is not None


def sizes_that_a_branch_compares(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if x.shape[1:] != y.shape[1:]:
        x = torch.nn.functional.interpolate(x[None, None], size=y.shape)[0, 0]
    return x + y


def test_a_branch_that_the_example_does_not_take_pins_nothing() -> None:
    exported = captured(sizes_that_a_branch_compares, torch.ones(2, 3), torch.ones(2, 5))
    assert not exported.report.of_kind("pinned")
    pairs = [((2, 3), (2, 5)), ((2, 5), (2, 5)), ((4, 2), (4, 7))]
    agrees(sizes_that_a_branch_compares, [(torch.randn(*a), torch.randn(*b)) for a, b in pairs])


# -- declared ranges ---------------------------------------------------------------------------


def compare(limit: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > limit:
            return x * 2
        return x - 1

    return program


@pytest.mark.parametrize(
    ("limit", "dim", "kept"),
    [
        (16, Dim("b", 1, 8), False),
        (16, Dim("b", 1, 16), False),
        (16, Dim("b", 1, 17), True),
        (16, Dim("b", 17), False),
        (16, Dim("b", 16), True),
        (0, Dim("b", 1), False),
        (0, Dim("b"), True),
        (-1, Dim("b"), False),
    ],
)
def test_a_range_decides_what_it_can(limit: int, dim: Dim, kept: bool) -> None:
    size = max(2, dim.min)
    exported = captured(compare(limit), torch.ones(size), dynamic={"x": {0: dim}})
    assert bool(exported.report.of_kind("branch")) == kept
    assert bool(exported.report.of_kind("folded")) == (not kept)


def test_what_a_branch_says_about_a_size_holds_inside_it_only() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 4:
            if x.shape[0] > 2:  # certain here
                x = x * 2
        elif x.shape[0] > 2:  # open here
            x = x * 3
        return x + 1 if x.shape[0] > 2 else x

    exported = captured(program, torch.ones(3))
    assert len(exported.report.of_kind("folded")) == 1
    agrees(program, rows(3, 0, 1, 5))


def test_a_computed_size_has_the_range_of_its_parts() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] * 2 + 1 > 20:
            return x * 2
        return x

    exported = captured(program, torch.ones(3), dynamic={"x": {0: Dim("b", 1, 8)}})
    assert exported.report.of_kind("folded") and not exported.report.of_kind("branch")


def test_a_static_size_decides_without_a_branch() -> None:
    exported = captured(compare(1), torch.ones(3), dynamic=False)
    assert not exported.report.of_kind("branch")
    assert dims(exported, "x") == (3,)


@pytest.mark.parametrize("dynamic", [True, False])
def test_an_assert_that_never_holds_is_the_models_error(dynamic: bool) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        assert x.dim() == 3, "three dimensions are needed"
        return x

    with pytest.raises(fxexport.ModelError, match="three dimensions are needed") as refusal:
        captured(program, torch.ones(2), dynamic=dynamic)
    assert refusal.value.location is not None
    assert refusal.value.location.code.startswith("assert")


def test_a_number_of_pieces_in_a_branch_follows_the_size() -> None:
    def pieces(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            x = torch.cat([piece.softmax(0) for piece in x.split(3)])
        return x

    agrees(pieces, rows(5, 0, 1, 3, 6, 7, features=4), dynamic={"x": {0: "n"}})


DIVIDING: dict[str, Callable[[torch.Tensor], Any]] = {
    "the end of a slice": lambda x: x[: 8 // x.shape[0]] * 2,
    "ends that meet": lambda x: x[: 6 // x.shape[0]] + x[: 6 // x.shape[0]] * 2,
    "a remainder": lambda x: x[: 100 % x.shape[0]] + 1,
    "one less": lambda x: x.repeat(12 // (x.shape[0] - 1), 1),
}


@pytest.mark.parametrize("name", DIVIDING)
def test_a_size_that_is_divided_by_may_not_be_0(name: str) -> None:
    exported = captured(DIVIDING[name], torch.randn(4, 3))
    for constraint in exported.graph.constraints:
        assert not constraint.holds(dict.fromkeys(constraint.names, 1))  # 12 // 0
    agrees(DIVIDING[name], [(torch.randn(n, 3),) for n in (4, 2, 3, 7)])


def test_a_product_of_sizes_that_may_not_be_0_is_a_range_of_each() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], -1, 4)

    exported = fxexport.export(
        forward, torch.ones(2, 3, 8), dynamic={"x": {0: "rows", 1: "columns"}}, verify=False
    )
    assert [dim["min"] for dim in exported.report.inputs[0]["shape"][:2]] == [1, 1]
    texts = [found.message for found in exported.report.of_kind("relation")]
    assert sorted(texts) == ["columns >= 1", "rows >= 1"]


def test_operators_that_need_values_are_refused_by_name() -> None:
    with pytest.raises(
        fxexport.UnsupportedError, match=r"PyTorch cannot say what aten\._to_sparse"
    ):
        captured(lambda x: x.to_sparse().to_dense(), torch.randn(4, 3))
