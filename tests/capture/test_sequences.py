"""Lists as inputs and outputs of a file: flattened, or ONNX sequences by choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.report.signature import dimension
from tests.programs.program import TORCH


def image(*sizes: int) -> torch.Tensor:
    return torch.rand(3, *sizes, generator=torch.Generator().manual_seed(sum(sizes)))


class Describe(nn.Module):
    """A row for each image, whatever its size; and the images that are large."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images: list[torch.Tensor]) -> dict[str, Any]:
        rows = []
        large = []
        for one in images:
            rows.append(self.conv(one[None]).amax((0, 2, 3)))
            if one.shape[1] > 6:
                large.append(one * 2)
        return {"count": len(images), "total": sum(r.sum() for r in rows), "large": large}


of_newer_torch = pytest.mark.skipif(
    TORCH < (2, 13), reason="a convolution of an unknown size is refused there"
)


def model() -> Describe:
    torch.manual_seed(0)
    return Describe().eval()


@of_newer_torch
def test_a_list_of_images_of_any_number_and_size() -> None:
    exported = fxexport.export(
        model(),
        ([image(5, 7), image(8, 4)],),
        sequences=["images"],
        dynamic={"images": [1, 2]},
        check_inputs=[([],), ([image(3, 3)],), ([image(9, 9), image(2, 5), image(7, 1)],)],
    )
    assert exported.report.verification.ok
    assert [(s.name, s.kind, s.items) for s in exported.graph.inputs] == [
        ("images", "sequence", (3, None, None))
    ]
    assert [(s.name, s.kind) for s in exported.graph.outputs] == [
        ("count", "int"),
        ("total", "tensor"),
        ("large", "sequence"),
    ]


@of_newer_torch
def test_sizes_in_which_the_example_differs_may_differ() -> None:
    exported = fxexport.export(
        model(), ([image(5, 7), image(8, 7)],), sequences=["images"], verify=False
    )
    assert exported.graph.inputs[0].items == (3, None, 7)
    assert exported.report.inputs[0]["shape"] == [dimension(size) for size in (3, None, 7)]
    with pytest.raises(UsageError, match=r"item 1: expected sizes \[3, any, 7\]"):
        exported.verify(([image(5, 7), image(5, 8)],))


def pair(x: torch.Tensor) -> list[torch.Tensor]:
    return [x, x * 2]


@pytest.mark.parametrize(("sequences", "kinds"), [((), ["tensor"] * 2), (["output"], ["sequence"])])
def test_a_returned_list_of_fixed_length_is_flat_or_a_sequence(
    sequences: list[str], kinds: list[str]
) -> None:
    exported = fxexport.export(pair, (torch.ones(2),), sequences=sequences, dynamic=True)
    assert exported.report.verification.ok
    assert [spec.kind for spec in exported.graph.outputs] == kinds


@pytest.mark.parametrize(
    ("call", "sequences", "message"),
    [
        (pair, ["nothing"], "there is no such list"),
        (pair, ["x"], "which is no list"),
        (lambda images: images[0], ["images"], "its items differ"),
    ],
)
def test_a_list_that_cannot_be_one_is_wrong_usage(
    call: Any, sequences: list[str], message: str
) -> None:
    given = torch.ones(2) if call is pair else [torch.ones(2), torch.ones(2).long()]
    with pytest.raises(UsageError, match=message):
        fxexport.export(call, (given,), sequences=sequences, verify=False)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "add.py"
    file.write_text(
        "import torch\n\n\ndef model(images):\n    total = torch.zeros(2)\n"
        "    for one in images:\n        total = total + one\n    return total\n\n\n"
        "example_inputs = ([torch.ones(2), torch.ones(2)],)\n"
    )
    target = str(tmp_path / "add.onnx")
    assert main([str(file), "--sequence", "images", "-o", target]) == 0
    assert "list of float32[2]" in capsys.readouterr().out
