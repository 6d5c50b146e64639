"""Profiles held against inputs: completed, or refused with the text that was wrong."""

from __future__ import annotations

from typing import Any

import pytest

from fxexport.errors import UsageError
from fxexport.profiles import (
    Dim,
    FileInput,
    Profile,
    Relation,
    as_profiles,
    derived_profile,
    resolve,
    why_no_profile,
)
from fxexport.profiles.by_dimension import parse_by_dimension

X = FileInput("x", (Dim("b"), 3, Dim("h"), 64))
Y = FileInput("y", (Dim("b"), 5))
Z = FileInput("z", (4,))
N = FileInput("n", (), "int64")


def resolved(given: Any, *inputs: FileInput, **more: Any) -> Profile:
    (profile,) = resolve(as_profiles(given), inputs, **more)
    return profile


def test_inputs_that_names_determine_are_completed_and_static_ones_dropped() -> None:
    profile = resolved(
        {"x": ((1, 3, 32, 64), (2, 3, 32, 64), (8, 3, 64, 64)), "z": (4, 4, 4)}, X, Y, Z
    )
    assert list(profile.shapes) == ["x", "y"]
    assert profile.shapes["y"] == Profile({"y": ((1, 5), (2, 5), (8, 5))}).shapes["y"]


@pytest.mark.parametrize(
    ("words", "inputs", "quoted"),
    [
        ("--optShapes=w:1x3x32x64", (X,), "no such input (in --optShapes w:1x3x32x64)"),
        ("--optShapes=x:1x3x32", (X,), "3 sizes were given, but x: float32[b, 3, h, 64] has 4"),
        ("--optShapes=x:1x4x32x64", (X,), "axis 1 is 4, but x: float32[b, 3, h, 64] has 3 there"),
        ("--minShapes=x:1x3x8x64 --maxShapes=x:1x3x8x65", (X,), "axis 3 is 64..65"),
        ("--optShapes=x:1x3x-1x64", (X,), "cannot be negative"),
        ("--optShapes=y:1x5", (X, Y), "says nothing about x: float32[b, 3, h, 64], whose size 'h'"),
        ("--optShapes=x:1x3x8x64,y:2x5", (X, Y), "--optShapes x:1x3x8x64; --optShapes y:2x5"),
        ("--optShapes=z:5", (Z,), "axis 0 is 5"),
        ("--optShapes=n:1x2", (N,), "2 sizes were given"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_quoted(
    words: str, inputs: tuple[FileInput, ...], quoted: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        resolved(words, *inputs)
    assert quoted in refusal.value.message
    assert (
        words.split("=")[1].split()[0].split(",")[0] in refusal.value.message or "nothing" in quoted
    )


def test_equal_names_need_equal_sizes_at_each_point() -> None:
    words = "--minShapes=x:1x3x8x64,y:1x5 --optShapes=x:2x3x8x64,y:3x5 --maxShapes=x:4x3x8x64,y:4x5"
    with pytest.raises(UsageError, match="called 'b' like axis 0 of x, so both must have one opt"):
        resolved(words, X, Y)


def test_the_range_of_the_export_is_kept() -> None:
    target = FileInput("x", (Dim("b", 1, 8),))
    with pytest.raises(
        UsageError, match=r"goes from 1 to 9, but the model was exported for 1\.\.8"
    ):
        resolved("--minShapes=x:1 --maxShapes=x:9", target)
    number = FileInput("n", (), "int64", (1, 8))
    with pytest.raises(
        UsageError, match=r"goes from 1 to 9, but the model was exported for 1\.\.8"
    ):
        resolved("--minShapes=n:1 --maxShapes=n:9", number)


@pytest.mark.parametrize(
    ("target", "given", "is_value"),
    [
        (N, (1, 4, 8), True),
        (FileInput("n", (2,), "int32"), ((1, 1), (2, 2), (3, 3)), True),
        (FileInput("n", (1,), "int64"), ((1,), (4,), (8,)), True),
        (FileInput("n", (1,), "int64"), ((1,), (1,), (1,)), False),
        (FileInput("n", (Dim("k"),), "int64"), ((1,), (4,), (8,)), False),
    ],
)
def test_values_are_told_from_shapes(target: FileInput, given: Any, is_value: bool) -> None:
    assert (
        any(profile.values for profile in resolve(as_profiles({"n": given}), [target])) == is_value
    )


@pytest.mark.parametrize(
    ("target", "numbers", "quoted"),
    [
        (FileInput("n", (), "float32"), (1, 2, 3), "values are for integers"),
        (FileInput("n", (2,), "int64"), (1, 2, 3), "1 values were given"),
        (FileInput("n", (Dim("k"),), "int64"), (1, 2, 3), "no fixed length"),
        (FileInput("m", (), "int64"), (1, 2, 3), "names 'n'"),
    ],
)
def test_values_that_do_not_fit(target: FileInput, numbers: Any, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        resolve([Profile(values={"n": numbers})], [target])
    assert quoted in refusal.value.message


# -- relations -------------------------------------------------------------------------------------

BY_32 = Relation("h % 32 == 0", "d0 % 32 == 0", ("h",), "net.py:7: x.view(-1, 32)")


@pytest.mark.parametrize(
    ("low", "best", "high", "point"),
    [(32, 64, 96, ""), (33, 64, 96, "min"), (32, 65, 96, "opt"), (32, 64, 97, "max")],
)
def test_relations_hold_at_min_opt_and_max(low: int, best: int, high: int, point: str) -> None:
    given = {"x": [(1, 3, h, 64) for h in (low, best, high)]}
    if not point:
        resolved(given, X, relations=[BY_32])
        return
    with pytest.raises(UsageError) as refusal:
        resolved(given, X, relations=[BY_32])
    for part in ("h % 32 == 0", f"at {point}: h=", "net.py:7", f"(1, 3, {high}, 64)"):
        assert part in refusal.value.message


def test_several_profiles_are_told_apart() -> None:
    good = {"x": [(1, 3, 32, 64)] * 3}
    bad = {"x": [(1, 3, 33, 64)] * 3}
    with pytest.raises(UsageError, match="profile 1 breaks that"):
        resolve(as_profiles([good, bad]), [X], [BY_32])


@pytest.mark.parametrize(
    ("expression", "sizes", "holds"),
    [
        ("d0 % 32 == 0", (64,), True),
        ("d0 % 32 == 0", (65,), False),
        ("d0 // 2 * 2 == d0 and d0 > 1", (4,), True),
        ("max(1, d0) == min(d1, 9) or not d0 < 2", (1, 9), False),
        ("math.floor(d0 / 2) == d1", (5, 2), True),
        ("d0 == d1 if d0 > 3 else True", (2, 9), True),
        ("8 % d0 == 0", (0,), False),  # cannot be computed
        ("", (7,), True),  # cannot be told
        ("__import__('os').getpid()", (7,), True),
        ("d0 ** d0 ** d0", (9,), True),
        ("(1).__class__", (9,), True),
        ("not python", (9,), True),
    ],
)
def test_relations_are_read_again(expression: str, sizes: tuple[int, ...], holds: bool) -> None:
    from fxexport.profiles.relations import relation_holds

    names = tuple(f"n{k}" for k in range(len(sizes)))
    relation = Relation("text", expression, names)
    assert relation_holds(relation, dict(zip(names, sizes, strict=True))) == holds


# -- opt, and profiles that nobody gave ------------------------------------------------------------


def test_opt_is_like_the_example_where_that_is_in_range() -> None:
    given = {"x": ((1, 3, 32, 64), (8, 3, 512, 64))}
    assert resolved(given, X, examples={"b": 2, "h": 224}).shapes["x"].opt == (2, 3, 224, 64)
    assert resolved(given, X, examples={"b": 99, "h": 1}).shapes["x"].opt == (8, 3, 32, 64)
    assert resolved(given, X).shapes["x"].opt == (4, 3, 272, 64)
    assert resolved(given, X, relations=[BY_32]).shapes["x"].opt == (4, 3, 256, 64)


def test_a_profile_follows_from_ranges() -> None:
    x = FileInput("x", (Dim("b", 1, 8, 2), 3, Dim("h", 32, 512)))
    assert derived_profile([x, Z], [BY_32]) == Profile(
        {"x": ((1, 3, 32), (2, 3, 256), (8, 3, 512))}
    )
    assert derived_profile([Z]) is None
    assert why_no_profile([x, Z]) == ""


def test_a_dimension_without_bound_has_no_profile() -> None:
    x = FileInput("x", (Dim("b", 1, 8), Dim("h", 32)))
    assert derived_profile([x]) is None
    assert why_no_profile([x]) == (
        'no profile: h has no largest size; give one, for example --dynamic "x:1=h[1..8]"'
    )


@pytest.mark.parametrize(
    ("make", "quoted"),
    [
        (lambda: Dim("b", 1, 8, 9), "b[1..9..8]"),
        (lambda: Dim("b", 4, 8, 2), "b[4..2..8]"),
        (lambda: Dim("b", 1, 8, 2.5), "2.5"),  # type: ignore[arg-type]
        (lambda: Dim("b", 1, 8, 2).meet(Dim("b", 1, 8, 3)), "two opt sizes"),
    ],
)
def test_opt_of_a_dimension_is_in_its_range(make: Any, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make()
    assert quoted in refusal.value.message


def test_mentions_of_a_dimension_share_its_opt() -> None:
    assert Dim("b", 1, 8, 2).meet(Dim("b", 2)) == Dim("b", 2, 8, 2)


def test_dimensions_and_int_inputs_by_name() -> None:
    inputs = [FileInput("x", (Dim("b", 1, 8), 3)), N, FileInput("k", (), "int64", (-2, 2))]
    profile, opts = parse_by_dimension("b[1..3..4],n[5..9]", inputs)
    assert resolve([profile], inputs, examples=opts) == [
        Profile({"x": ((1, 3), (3, 3), (4, 3))}, {"n": (5, 7, 9), "k": (-2, 0, 2)})
    ]
