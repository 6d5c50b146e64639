"""trtexec's, Polygraphy's and ONNX Runtime's words are read; what is wrong is quoted."""

from __future__ import annotations

import pytest

from fxexport.errors import UsageError
from fxexport.profiles import Profile
from fxexport.profiles.tool_options import (
    ShapesOption,
    parse_ort_options,
    parse_shapes_options,
    parse_tool_options,
    sections,
)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("a:1x3x224x224,b:1x5", {"a": (1, 3, 224, 224), "b": (1, 5)}),
        ("Input:0:1x5", {"Input:0": (1, 5)}),  # the name ends at the last colon
        ("'a,b':1x5", {"a,b": (1, 5)}),
        ("a:[1,3,224,224] b:[1, 5]", {"a": (1, 3, 224, 224), "b": (1, 5)}),
        ("a:[1,3],b:[2]", {"a": (1, 3), "b": (2,)}),
        ("n:4", {"n": (4,)}),
        ("n:-4", {"n": (-4,)}),
        (" a:1x2 , b:3 ", {"a": (1, 2), "b": (3,)}),
        ("x.y/z:0x2", {"x.y/z": (0, 2)}),
    ],
)
def test_shapes(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    (profile,) = parse_shapes_options([ShapesOption("--optShapes", text)])
    assert profile.at("opt") == profile.at("min") == shapes


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "got nothing"),
        ("a", "'a'"),
        ("a:", "'a:'"),
        (":1x3", "':1x3'"),
        ("a:1x3x", "'a:1x3x'"),
        ("a:1xfoo", "'a:1xfoo'"),
        ("a:1x2,b=3", "'b=3'"),
        ("a:[1,2", "'a:[1,2'"),
        ("a:1.5", "'a:1.5'"),
        ("a:1,a:2", "twice"),
    ],
)
def test_nonsense_is_quoted(text: str, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_shapes_options([ShapesOption("--optShapes", text)])
    assert quoted in refusal.value.message


TRTEXEC = "--minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:16x8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRTEXEC, [{"x": ((1, 8), (4, 8), (16, 8))}]),
        ("--minShapes x:1x8 --maxShapes x:16x8", [{"x": ((1, 8), (8, 8), (16, 8))}]),
        ("--optShapes=x:4x8", [{"x": ((4, 8), (4, 8), (4, 8))}]),
        (
            "--profile=0 --minShapes=x:1 --optShapes=x:2 --maxShapes=x:3 "
            "--profile=1 --optShapes=x:9",
            [{"x": ((1,), (2,), (3,))}, {"x": ((9,), (9,), (9,))}],
        ),
        (
            "--trt-min-shapes x:[1,8] y:[1] --trt-opt-shapes x:[4,8] y:[2] "
            "--trt-max-shapes x:[16,8] y:[3]",
            [{"x": ((1, 8), (4, 8), (16, 8)), "y": ((1,), (2,), (3,))}],
        ),
        (
            "--trt-min-shapes x:[1] --trt-opt-shapes x:[1] --trt-max-shapes x:[1] "
            "--trt-min-shapes x:[2] --trt-opt-shapes x:[3] --trt-max-shapes x:[4]",
            [{"x": ((1,), (1,), (1,))}, {"x": ((2,), (3,), (4,))}],
        ),
    ],
)
def test_options_of_a_command(text: str, expected: list[dict[str, object]]) -> None:
    assert parse_tool_options(text) == [Profile(shapes) for shapes in expected]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("--minShapes=x:1", "--minShapes x:1: 'x' has no max shape"),
        ("--maxShapes=x:1", "--maxShapes x:1: 'x' has no min shape"),
        ("--minShapes=x:1 --maxShapes=y:1", "'x' has no max shape"),
        ("--minShapes=x:4 --optShapes=x:2 --maxShapes=x:8", "--minShapes x:4, --optShapes x:2"),
        ("--minShapes=x:1x2 --maxShapes=x:8", "--maxShapes x:8"),
        ("--minShapes=x:8 --maxShapes=x:1", "--maxShapes x:1"),
        ("--minShapes=x:1 --minShapes=x:2 --maxShapes=x:3", "the min shape of 'x' is given twice"),
        ("--profile=one --minShapes=x:1", "'one'"),
        ("--minShapes", "--minShapes needs a value"),
        ("--minShapes --maxShapes=x:1", "--minShapes needs a value"),
        ("--fp16 --minShapes=x:1 --maxShapes=x:1", "'--fp16'"),
        ("--minShapes='x:1", "cannot be read"),
    ],
)
def test_options_that_are_wrong_are_quoted(text: str, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_tool_options(text)
    assert quoted in refusal.value.message


def test_options_are_taken_out_of_a_command_line() -> None:
    found, rest = sections(
        [
            "m.py",
            "--minShapes",
            "x:1",
            "-q",
            "--trt-max-shapes",
            "x:[1]",
            "y:[2]",
            "z.py",
            "--",
            "a",
        ]
    )
    assert found == [
        ShapesOption("--minShapes", "x:1"),
        ShapesOption("--trt-max-shapes", "x:[1] y:[2]"),
    ]
    assert rest == ["m.py", "-q", "z.py", "--", "a"]


def test_what_stands_behind_two_dashes_is_left_alone() -> None:
    assert sections(["--", "--minShapes=x:1"]) == ([], ["--", "--minShapes=x:1"])


def test_no_options_are_no_profiles() -> None:
    assert parse_shapes_options([]) == []


def test_options_of_onnx_runtime() -> None:
    options = {
        "trt_fp16_enable": "1",
        "trt_profile_min_shapes": "x:1x8,y:1,x:2x8",
        "trt_profile_opt_shapes": "x:4x8,y:2,x:2x8",
        "trt_profile_max_shapes": "x:8x8,y:3,x:9x8",
    }
    assert parse_ort_options(options) == [
        Profile({"x": ((1, 8), (4, 8), (8, 8)), "y": ((1,), (2,), (3,))}),
        Profile({"x": ((2, 8), (2, 8), (9, 8))}),
    ]
    with pytest.raises(UsageError, match="trt_profile_min_shapes x:1x8"):
        parse_ort_options({"trt_profile_min_shapes": "x:1x8"})


def test_a_section_without_shapes_is_refused() -> None:
    with pytest.raises(UsageError, match="--profile=1 gives no shapes"):
        sections(["--minShapes=x:1", "--maxShapes=x:2", "--profile=1", "model.py"])


def test_several_inputs_in_one_word_of_polygraphy() -> None:
    options, rest = sections(
        ["--trt-min-shapes", "x:[1,3] y:[1]", "--trt-max-shapes=x:[4,3] y:[2]"]
    )
    assert parse_shapes_options(options) == [
        Profile({"x": ((1, 3), (2, 3), (4, 3)), "y": ((1,), (1,), (2,))})
    ]
    assert rest == []
