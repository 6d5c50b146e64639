"""Text made of what is not known yet is words for people, and decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fxexport
from fxexport.graph import guard
from tests.support.capturing import captured, refused
from tests.support.rewriting import nodes_of


def of_a_size(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] % 2 != 0:
        raise ValueError(f"expected pairs, got {x.shape[0]:5d} rows")
    return x * 2


def of_a_made_size(x: torch.Tensor) -> torch.Tensor:
    kept = x[x > 0]
    if kept.shape[0] > 5:
        raise ValueError("too many: " + str(kept.shape[0]))
    return kept


def of_a_tensor(x: torch.Tensor) -> torch.Tensor:
    if x.max() > 5:
        raise ValueError(f"too large: {x.max()} in {x!r}")
    return x


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (of_a_size, "ValueError: expected pairs, got x_d0 rows"),
        (of_a_made_size, "ValueError: too many: ..."),
        (
            of_a_tensor,
            "ValueError: too large: a tensor of 0 dimensions in a tensor of 1 dimensions",
        ),
    ],
)
def test_messages_have_words_for_what_is_not_known(program: Any, said: str) -> None:
    exported = captured(program, torch.ones(4))
    texts = [finding.message for finding in exported.report.findings]
    texts += [str(node.args[1]) for node in nodes_of(exported.graph, guard)]
    assert any(said in text for text in texts)
    assert any(text.startswith(said) for text in texts)
    assert not any("\u2060" in text or "u0" in text or "Tensor(" in text for text in texts)


def decides(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if f"{x.max()}" == "tensor(1.)" else x * 3


def test_nothing_is_decided_on_the_text_of_a_tensor() -> None:
    error = refused(decides, [(torch.ones(3),)])
    assert "text" in error.message
    assert isinstance(error, fxexport.FxExportError)
