"""A bound that a model needs of one size is in the range of its dimension, and said once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fxexport.passes import narrow_ranges
from fxexport.passes.rewriting.intervals import interval_of

import fxexport
from fxexport.graph import Constraint, DimRange
from fxexport.profiles import Relation
from fxexport.report.signature import dimension_ranges
from tests.support.rewriting import captured


@pytest.mark.parametrize(
    ("expression", "interval"),
    [
        ("d0 <= 512", (0, 512)),
        ("d0 > 3", (4, None)),
        ("1 <= d0 // 4", (4, None)),
        ("(d0 - 3) // 2 + 1 >= 2", (5, None)),
        ("3 - d0 >= 1", (0, 2)),
        ("-2 * d0 < -5", (3, None)),
        ("math.ceil(float(d0) / 3) > 2", (7, None)),
        ("max(d0, 4) <= 9", (0, 9)),
        ("min(d0, 4) <= 9", (0, None)),
        ("d0 >= 0", (0, None)),
        ("d0 % 2 == 0", None),
        ("d0 % 5 >= 2", None),
        ("d0 - d0 // 2 >= 2", None),
        ("d0 * d0 <= 9", None),
        ("d0 < 0", None),
        ("3 < d0 < 5", None),
        ("d0 != 4", None),
    ],
)
def test_a_relation_of_one_size_may_be_a_range(expression: str, interval: Any) -> None:
    found = interval_of(expression)
    assert found == interval
    if found is not None:
        low, high = found
        relation = Relation("", expression, ("n",))
        for size in range(600):
            inside = low <= size and (high is None or size <= high)
            assert relation.holds({"n": size}) is inside


def constraint(expression: str) -> Constraint:
    return Constraint(expression, lambda _: True, None, ("x_d0",), expression)


def test_the_narrowest_bound_of_each_side_stays() -> None:
    graph = captured(lambda x: x * 2, torch.ones(4))
    texts = ("d0 >= 2", "1 <= d0 // 3", "d0 <= 512", "d0 < 100", "d0 % 2 == 0")
    graph.constraints = [constraint(text) for text in texts]
    narrow_ranges.run(graph)
    assert graph.inputs[0].shape == (DimRange("x_d0", 3, 99),)
    assert [one.text for one in graph.constraints] == ["1 <= d0 // 3", "d0 < 100", "d0 % 2 == 0"]


def embedded(x: torch.Tensor) -> torch.Tensor:
    return x + torch.ones(512).narrow(0, 0, x.shape[0])


def test_the_report_and_the_file_say_the_range() -> None:
    exported = fxexport.export(embedded, (torch.ones(4),), dynamic={"x": {0: "seq"}})
    assert dimension_ranges(exported.report.inputs) == {"seq": "0..512"}
    (relation,) = exported.report.of_kind("relation")
    assert relation.message == "seq <= 512"
    assert relation.location is not None and relation.location.code.startswith("return x + ")
    (kept,) = (p.value for p in exported.model.metadata_props if p.key == "pkg.fxexport.profiles")
    assert '{"name":"seq","min":0,"max":512}' in "".join(kept.split())
