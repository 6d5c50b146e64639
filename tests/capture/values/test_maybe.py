"""A value that may be absent: what is asked of it, what is taken for granted, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fxexport
from tests.support.capturing import agrees, captured, findings, rows
from tests.support.harness import run_model

X = torch.tensor([1.0, 2.0, 3.0])


def maybe(x: torch.Tensor) -> Any:
    return x * 2 if x.sum() > 0 else None


def test_a_use_that_fails_on_none_is_an_assumption_with_its_line() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = maybe(x)
        return y + 1

    exported = captured(program, X)
    line = program.__code__.co_firstlineno + 2
    assert ("assumption", line) in findings(exported, "assumption")
    (finding,) = exported.report.of_kind("assumption")
    assert "not None" in finding.message and "TypeError" in finding.message


@pytest.mark.parametrize("kind", ["variable", "attribute", "key"])
def test_reading_what_one_way_alone_sets_is_an_assumption(kind: str) -> None:
    class Box:
        pass

    def variable(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            y = x * 2
        return y

    def attribute(x: torch.Tensor) -> torch.Tensor:
        box: Any = Box()
        if x.sum() > 0:
            box.y = x * 2
        return box.y

    def key(x: torch.Tensor) -> torch.Tensor:
        table = {}
        if x.sum() > 0:
            table["y"] = x * 2
        return table["y"]

    program = {"variable": variable, "attribute": attribute, "key": key}[kind]
    error = {"variable": "UnboundLocalError", "attribute": "AttributeError", "key": "KeyError"}
    (finding,) = captured(program, X).report.of_kind("assumption")
    assert error[kind] in finding.message
    assert finding.location is not None


def test_nothing_is_assumed_where_a_condition_says_that_it_is_there() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = maybe(x)
        if y is not None and y.sum() > 4:
            return y + x
        z = y if y is not None else x
        if y is None or z.min() < 0:
            return z - 1
        return y * 3

    agrees(program, rows())
    assert findings(captured(program, X), "assumption") == []


def test_nothing_is_assumed_under_the_same_condition() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        positive = x.sum() > 0
        found = False
        if positive:
            y = x * 2
            found = True
        if positive:
            x = x + y
        if found:
            x = x * y
        return x

    agrees(program, rows())
    assert findings(captured(program, X), "assumption") == []


def test_a_variable_of_a_loop_is_there_after_its_first_trip() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        total = x.new_zeros(())
        for i, value in enumerate(x):
            if i > 0:
                total = total + value * previous  # noqa: F821
            previous = value  # noqa: F841
        return total

    agrees(program, rows())
    assert findings(captured(program, X), "assumption") == []


def test_a_variable_read_after_a_loop_needs_a_trip() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        for value in x:
            last = value
        return last

    agrees(program, rows(2, 1, 5))
    (finding,) = captured(program, X).report.of_kind("assumption")
    assert "'last' is bound" in finding.message


def test_the_flag_of_a_branch_is_no_output_of_it() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x if x.sum() > 0 else None
        return x + 1 if y is None else y * 2

    nodes = [n for n in captured(program, X).model.graph.node if n.op_type == "If"]
    assert len(nodes) == 1


def test_what_may_be_none_is_returned_with_a_flag_beside_it() -> None:
    def program(x: torch.Tensor) -> Any:
        return x, {"y": maybe(x), "pair": (x, x.sum()) if x.sum() > 1 else None}

    agrees(program, rows(2, 1, 5))
    exported = captured(program, X)
    assert {output["name"]: output.get("present") for output in exported.report.outputs} == {
        "output_0": None,
        "output_1_y": "output_1_y.present",
        "output_1_y.present": None,
        "output_1_pair_0": "output_1_pair.present",
        "output_1_pair_1": "output_1_pair.present",
        "output_1_pair.present": None,
    }


def test_names_are_given_to_what_the_model_returns_and_not_to_its_flags() -> None:
    exported = fxexport.export(
        lambda x: (maybe(x), x + 1), (X,), dynamic=True, output_names=["found", "next"]
    )
    assert [output["name"] for output in exported.report.outputs] == [
        "found",
        "output_0.present",
        "next",
    ]
    with pytest.raises(fxexport.UsageError, match="the model has 2 output"):
        fxexport.export(lambda x: (maybe(x), x + 1), (X,), output_names=["found"], verify=False)


def test_an_output_whose_key_may_be_missing_has_a_flag() -> None:
    def program(x: torch.Tensor) -> Any:
        result = {"x": x}
        if x.sum() > 0:
            result["y"] = x + 1
        return result

    agrees(program, rows(2, 1, 5))
    exported = fxexport.export(program, rows(2)[0])
    assert [spec.name for spec in exported.graph.outputs] == ["x_1", "y", "y.present"]


def test_a_try_that_may_catch_the_error_keeps_both_ways() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = maybe(x)
        try:
            return y + 1
        except TypeError:
            return x

    agrees(program, rows(2, 3))


class Masked(torch.nn.Module):
    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float | None = None
    ) -> torch.Tensor:
        if mask is not None:
            x = torch.where(mask, x, torch.zeros_like(x))
        if x.sum() > 0:
            x = x * (scale or 2.0)
        return x


@pytest.mark.parametrize(
    "arguments",
    [
        (X,),
        (X, None),
        (X, torch.tensor([True, False, True])),
        (X, torch.tensor([True, False, True]), 0.5),
        (X, None, 0.5),
    ],
    ids=["left out", "None", "given", "both given", "the second given"],
)
def test_an_optional_input_is_absent_or_present_at_export(arguments: tuple[Any, ...]) -> None:
    negative = (-arguments[0], *arguments[1:])
    sizes = {name: {0: "n"} for name in ("x", "mask")}
    dynamic = sizes if any(a is not X and isinstance(a, torch.Tensor) for a in arguments) else True
    outcome = run_model(Masked, [arguments, negative], dynamic=dynamic)
    assert outcome.status == "agree", outcome.details
    exported = fxexport.export(Masked(), arguments, verify=False)
    names = [spec.name for spec in exported.graph.inputs]
    given = ["x", *(["mask"] if len(arguments) > 1 and arguments[1] is not None else [])]
    assert names[: len(given)] == given
    assert "mask" in given or "mask" not in names
