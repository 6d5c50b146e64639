"""A value that is one of several: which one it is, and what uses it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fxexport.capture.values.choice import Choice, cases_of
from fxexport.errors import UnsupportedError
from fxexport.graph import branch
from tests.support.capturing import agrees, captured, findings, refused, rows
from tests.support.rewriting import nodes_of


class _Session:
    """Knows what it is told of flags."""

    def __init__(self, **known: bool) -> None:
        self.known = lambda flag: known.get(flag)


def _choice(session: Any, *names: str) -> Choice:
    return Choice(session, list(names), [name.upper() for name in names])


def test_the_alternative_whose_flag_is_certain_is_the_one() -> None:
    choice = _choice(_Session(), "a", "b", "c")
    assert choice.like(["x", True, False, 1, 2, 3]) == 2
    assert choice.like([False, False, "c", 1, 2, 3]) == 3


def test_an_alternative_that_cannot_be_is_left_out() -> None:
    left = _choice(_Session(), "a", "b", "c").like(["a", False, "c", 1, 2, 3])
    assert isinstance(left, Choice)
    assert cases_of(left) == [("a", 1), ("c", 3)]


def test_any_other_value_is_its_only_case() -> None:
    assert cases_of("text") == [(True, "text")]


def test_what_is_known_of_the_path_decides() -> None:
    from fxexport.capture.values.choice import decided

    assert decided(_choice(_Session(b=True), "a", "b", "c")) == "B"
    assert decided(_choice(_Session(a=False, c=False), "a", "b", "c")) == "B"
    left = decided(_choice(_Session(a=False), "a", "b", "c"))
    assert isinstance(left, Choice)
    assert left.values == ["B", "C"]


@pytest.mark.parametrize("use", [bool, len, list, hash, int, lambda c: c == "A"])
def test_code_that_is_not_read_cannot_decide_on_a_choice(use: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"which of"):
        use(_choice(_Session(), "a", "b"))


def test_a_use_under_the_same_condition_needs_no_branch_of_its_own() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        f, key = torch.sin, "a"
        if x.sum() > 0:
            f, key = torch.cos, "b"
        if key == "b":
            return f(x) + 1
        return f(x) - 1

    agrees(program, rows(2, 1, 5))
    assert len(nodes_of(captured(program, torch.ones(4)).graph, branch)) == 1


def test_a_question_about_the_rank_leads_back_to_the_branch() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x.sum() if x.sum() > 0 else x
        y = y * 2
        if y.dim() == 1:
            y = y[0]
        return y

    agrees(program, rows(2, 1, 5))


def test_a_path_on_which_an_alternative_cannot_be_used_raises() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        scale = 2.0 if x.sum() > 0 else "two"
        return (x - scale).abs()

    exported = captured(program, torch.ones(4))
    assert findings(exported, "assumption")


def test_alternatives_are_asked_for_their_kind_without_a_branch() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        some = (x, 1) if x.sum() > 0 else "text" if x.sum() < -3 else x.sum()
        if isinstance(some, tuple):
            first, _ = some
            return first * 2
        return x

    agrees(program, rows(2, 1, 5))


def test_what_is_put_into_a_set_must_be_one_value() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        key = "a" if x.sum() > 0 else "b"
        return x * len({key, "a"})

    assert "several" in refused(program, rows(2)).message
