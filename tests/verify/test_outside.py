"""The check of a file also looks outside of its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fxexport.passes import contract_guards

import fxexport
from fxexport.errors import VerificationError
from fxexport.lowering import graph_lowering
from fxexport.report.model import Verification
from fxexport.verify import verify
from fxexport.verify.searching.other_sizes import TriedSizes

pytest.importorskip("onnxruntime")


def checked(program: Any, *inputs: torch.Tensor, **options: Any) -> Verification:
    exported = fxexport.export(program, inputs, **options)
    assert exported.report.verification is not None
    return exported.report.verification


def after_a_branch(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        x = torch.relu(x)
    return x.reshape(4, -1)


def positive(x: torch.Tensor) -> torch.Tensor:
    assert x.sum() > -5, "not that low"
    return x * 2


@pytest.mark.parametrize("program", [after_a_branch, positive])
def test_a_file_that_raises_where_it_should_agrees(program: Any) -> None:
    assert checked(program, torch.ones(8), dynamic={"x": {0: "n"}}).ok


def test_a_file_that_answers_outside_of_its_contract_disagrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def claims_only(graph: Any) -> Any:
        graph.guarded = True
        return graph

    monkeypatch.setattr(contract_guards, "run", claims_only)
    with pytest.raises(VerificationError, match="gives an answer, although it needs n >= 2"):
        checked(lambda x: x * 2, torch.ones(4), dynamic={"x": {0: fxexport.Dim("n", 2, 6)}})


def test_a_guard_that_lets_through_what_pytorch_raises_on_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_lowering, "write_guard", lambda op, condition, message: None)
    with pytest.raises(VerificationError, match=r"answers in spite of its guard.*not that low"):
        checked(positive, torch.ones(8), dynamic={"x": {0: "n"}})


def test_a_guard_that_fails_within_the_contract_is_a_disagreement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = graph_lowering.write_guard
    monkeypatch.setattr(graph_lowering, "write_guard", lambda op, _, text: real(op, False, text))
    with pytest.raises(VerificationError, match=r"refuses what PyTorch takes: .*not that low"):
        checked(positive, torch.ones(8), dynamic={"x": {0: "n"}})


def test_sizes_that_pytorch_raises_on_are_told(tmp_path: Path) -> None:
    exported = fxexport.export(
        lambda x, y: (x * 2, y + 1), (torch.ones(8), torch.ones(3)), dynamic=True, verify=False
    )
    path = tmp_path / "model.onnx"
    exported.save(path)

    def model(values: Any) -> list[Any]:
        x, y = values
        if x.shape[0] != 8:
            raise RuntimeError("eight only")
        return [x * 2, y + 1]

    found = verify(exported.graph, path, model, exported.prepared)
    assert found.ok
    (note,) = found.notes
    assert note.startswith("x_d0: only 8 could be compared, PyTorch raises at others (")


@pytest.mark.parametrize(
    ("compared", "raised", "text"),
    [
        ([8], [9, 16, 8], "n: only 8 could be compared, PyTorch raises at others (9, 16)"),
        ([8, 9], [3], ""),
        ([8], [], ""),
    ],
)
def test_only_dimensions_that_did_not_move_are_told(compared: Any, raised: Any, text: str) -> None:
    tried = TriedSizes([{"n": size} for size in compared], [{"n": size} for size in raised])
    assert tried.never_moved() == (["n"] if text else [])
    assert tried.unmoved_text("n") == text
