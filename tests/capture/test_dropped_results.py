"""What a model returns and the file does not give is told, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import fxexport
from fxexport.codes.ids import Code


@dataclass
class Answer:
    best: torch.Tensor
    label: str


class Found:
    def __init__(self, boxes: torch.Tensor) -> None:
        self.boxes, self.mode = boxes, "fast"


@pytest.mark.parametrize(
    ("model", "notes"),
    [
        (lambda x: x, []),
        (lambda x: {"a": x, "b": [x, {"c": x}]}, []),
        (lambda x: (x, []), []),
        (lambda x: (x, None), ["output_1 is None: it is not in the file"]),
        (lambda x: (x, "cat"), ["output_1 is the text 'cat': it is not in the file"]),
        (lambda x: (x, "c" * 40), [f"output_1 is the text '{'c' * 30}...': it is not in the file"]),
        (
            lambda x: (None, x, None, "cat"),
            [
                "output_0 and output_2 are None: they are not in the file",
                "output_3 is the text 'cat': it is not in the file",
            ],
        ),
        (
            lambda x: (*[None] * 9, x),
            ["output_0, output_1, output_2, output_3 and 5 more are None: they are not in the "
             "file"],
        ),
        (lambda x: {"y": x, "loss": None}, ["loss is None: it is not in the file"]),
        (lambda x: {"y": (x, x.dtype)}, ["y_1 is a dtype: it is not in the file"]),
        (lambda x: Answer(x, "cat"), ["label is the text 'cat': it is not in the file"]),
        (lambda x: Found(x), []),
    ],
)  # fmt: skip
def test_parts_of_the_result_that_are_left_out_are_told(
    model: Callable[[torch.Tensor], Any], notes: list[str]
) -> None:
    exported = fxexport.export(model, (torch.ones(2),), verify=False)
    found = [one for one in exported.report.findings if one.code is Code.RESULT_LEFT_OUT]
    assert [one.message for one in found] == notes
    assert all(one.kind == "note" for one in found)


def test_what_may_be_none_is_an_output() -> None:
    def model(x: torch.Tensor) -> Any:
        return x, (x if x.sum() > 0 else None)

    exported = fxexport.export(model, (torch.ones(2),), verify=False)
    assert not [one for one in exported.report.findings if one.code is Code.RESULT_LEFT_OUT]
