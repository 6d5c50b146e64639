"""Text that is made of numbers: what it is made of, and what it equals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from fxexport.capture.values.symbolic_text import (
    OpenText,
    joined_text,
    numbers_for,
    refuse_deciding,
    text_of,
)
from fxexport.errors import UnsupportedError


def number() -> Any:
    return ShapeEnv().create_unbacked_symint()


def of(*parts: Any) -> OpenText:
    made = joined_text([p if isinstance(p, str) else text_of("n", [p]) for p in parts])
    assert isinstance(made, OpenText)
    return made


def test_pieces_of_text_keep_what_they_are_made_of() -> None:
    n, m = number(), number()
    text = of("a", "b", n, "x", m, "")
    assert text.parts == ("ab", n, "x", m)


def test_text_of_constant_pieces_is_a_plain_string() -> None:
    assert type(joined_text(["a", "b"])) is str


def test_what_a_piece_is_made_of_is_unknown_for_the_whole() -> None:
    assert joined_text(["a", text_of("a tensor")]).parts == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("n12", [12]), ("n0", [0]), ("n-3", [-3]), ("n03", None), ("m1", None), ("n", None),
     ("n1x", None), ("n+1", None)],
)  # fmt: skip
def test_the_number_that_makes_a_wanted_text(wanted: str, found: list[int] | None) -> None:
    n = number()
    result = numbers_for(of("n", n), wanted)
    assert (result and [value for _, value in result]) == found


def test_several_numbers_are_told_apart_by_what_is_between_them() -> None:
    found = numbers_for(of(number(), "x", number()), "3x-14")
    assert found is not None
    assert [value for _, value in found] == [3, -14]


def test_numbers_that_run_together_decide_nothing() -> None:
    with pytest.raises(UnsupportedError):
        numbers_for(of(number(), number()), "12")
    with pytest.raises(UnsupportedError):
        numbers_for(of(number(), "1"), "21")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(lambda t: t.startswith("ro"), True), (lambda t: t.startswith("x"), False),
     (lambda t: t.endswith("end"), True), (lambda t: t.endswith("no"), False)],
)  # fmt: skip
def test_a_constant_beginning_and_end_are_known(asked: Any, answer: bool) -> None:
    assert asked(of("row", number(), "_end")) is answer


@pytest.mark.parametrize(
    "asked",
    [lambda t: t.startswith("row1"), lambda t: t < "b", lambda t: "1" in t, lambda t: t[0],
     lambda t: len(t), lambda t: t.isdigit(), lambda t: t.split("_"), lambda t: list(t),
     lambda t: t.find("1")],
)  # fmt: skip
def test_the_words_for_a_number_decide_nothing(asked: Any) -> None:
    with pytest.raises(UnsupportedError):
        asked(of("row", number()))


@pytest.mark.parametrize("method", ["startswith", "find", "count", "replace"])
def test_known_text_decides_nothing_on_the_words_for_a_number(method: str) -> None:
    with pytest.raises(UnsupportedError):
        refuse_deciding(method, ("a", ("b", of(number()))))


def test_known_text_may_join_the_words_for_a_number() -> None:
    refuse_deciding("join", (of(number()),))


def test_a_bool_in_text_is_true_or_false() -> None:
    flag: Any = number() > 3
    assert isinstance(flag, torch.SymBool)
    found = numbers_for(text_of("?", ["is ", flag]), "is True")
    assert found is not None
    assert [value for _, value in found] == [True]
