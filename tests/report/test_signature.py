"""Inputs and outputs, as data and as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from fxexport.graph.signature import DimRange, InputSpec
from fxexport.report.signature import describe_input, dimension, dimension_ranges, type_text

BATCH = dimension("batch", 1, 8)


def test_an_input_becomes_plain_data() -> None:
    spec = InputSpec("x", "tensor", torch.float16, (DimRange("batch", 1, 8), 3))
    shown = describe_input(spec)
    assert json.loads(json.dumps(shown)) == {
        "name": "x",
        "kind": "tensor",
        "dtype": "float16",
        "shape": [
            {"name": "batch", "value": None, "min": 1, "max": 8},
            {"name": None, "value": 3, "min": None, "max": None},
        ],
        "values": None,
        "complex": False,
    }


def test_an_int_with_a_range_shows_it() -> None:
    shown = describe_input(InputSpec("n", "int", torch.int64, values=(1, 8)))
    assert shown["values"] == {"min": 1, "max": 8}
    assert dimension_ranges([shown]) == {"n": "1..8"}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"dtype": "int8", "shape": [BATCH, dimension(3), dimension("w")]}, "int8[batch, 3, w]"),
        ({"dtype": "int64", "shape": []}, "int64[]"),
        ({"dtype": "int64", "shape": [dimension(None)]}, "int64[?]"),
        ({"dtype": "int64"}, "int64"),
        ({"kind": "bool", "dtype": "bool", "shape": []}, "bool"),
    ],
)
def test_an_entry_as_text(entry: dict[str, Any], text: str) -> None:
    assert type_text(entry) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0, None, "any size"), (1, None, "1 or more"), (0, 4, "0..4"), (2, 8, "2..8")],
)
def test_the_range_of_a_dimension_as_text(low: int, high: int | None, text: str) -> None:
    entry = {"shape": [dimension("n", low, high), dimension(3)]}
    assert dimension_ranges([entry]) == {"n": text}
