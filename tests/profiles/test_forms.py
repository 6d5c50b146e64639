"""Profiles in every form of the library; what is printed is read again as what it was."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fxexport.errors import UsageError
from fxexport.profiles import (
    FORMS,
    Bounds,
    Dim,
    FileInput,
    Profile,
    as_profiles,
    as_text,
    parse_profiles,
    resolve,
)
from fxexport.profiles.tool_options import parse_shapes_options, sections


class Config:
    """Stands in for OpenMMLab's Config: it hands on to a dict, and is no Mapping."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


ONE = Profile({"x": ((1, 8), (4, 8), (16, 8))})
SHAPES = {"min_shape": [1, 8], "opt_shape": [4, 8], "max_shape": [16, 8]}


@pytest.mark.parametrize(
    "given",
    [
        ONE,
        [ONE],
        {"x": ((1, 8), (4, 8), (16, 8))},
        {"x": [[1, 8], [4, 8], [16, 8]]},
        {"x": (torch.Size([1, 8]), torch.Size([4, 8]), torch.Size([16, 8]))},
        {"x": (np.array([1, 8]), [np.int64(4), 8], torch.tensor([16, 8]))},
        {"x": {"min": (1, 8), "opt": (4, 8), "max": (16, 8)}},
        {"x": SHAPES},
        {"x": SimpleNamespace(min=(1, 8), opt=(4, 8), max=(16, 8))},  # Polygraphy's ShapeTuple
        {"x": Bounds((1, 8), (4, 8), (16, 8))},
        {"min": {"x": (1, 8)}, "opt": {"x": (4, 8)}, "max": {"x": (16, 8)}},
        {"shapes": {"x": ((1, 8), (4, 8), (16, 8))}},
        {"input_shapes": {"x": SHAPES}},
        {"model_inputs": [{"input_shapes": {"x": SHAPES}}]},
        Config({"backend_config": {"model_inputs": [{"input_shapes": {"x": SHAPES}}]}}),
        {"backend_config": {"type": "tensorrt", "model_inputs": [{"input_shapes": {"x": SHAPES}}]}},
        {
            "trt_profile_min_shapes": "x:1x8",
            "trt_profile_opt_shapes": "x:4x8",
            "trt_profile_max_shapes": "x:16x8",
        },
        {"profiles": [{"shapes": {"x": {"min": [1, 8], "opt": [4, 8], "max": [16, 8]}}}]},
        "--minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:16x8",
        "trt_profile_min_shapes=x:1x8;trt_profile_opt_shapes=x:4x8;trt_profile_max_shapes=x:16x8",
        "trt_profile_min_shapes|x:1x8\ntrt_profile_opt_shapes|x:4x8\ntrt_profile_max_shapes|x:16x8",
        "backend_config = dict(common_config=dict(max_workspace_size=1 << 30), model_inputs=[dict("
        "input_shapes=dict(x=dict(min_shape=[1, 8], opt_shape=[4, 8], max_shape=[16, 8])))])",
    ],
    ids=lambda given: type(given).__name__,
)
def test_forms_of_one_profile(given: Any) -> None:
    assert as_profiles(given) == [ONE]


def test_no_profiles() -> None:
    assert as_profiles(None) == as_profiles([]) == as_profiles({}) == []


def test_a_list_is_several_profiles() -> None:
    assert as_profiles([ONE, {"x": (1, 4, 8)}]) == [ONE, Profile({"x": ((1,), (4,), (8,))})]


def test_left_out_opt_is_between() -> None:
    (profile,) = as_profiles({"x": ((1, 8), (16, 8))})
    assert profile.shapes["x"].opt == (8, 8)
    assert not profile.shapes["x"].opt_given


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        (5, "5"),
        ("nonsense", "'nonsense'"),
        ("{'x': __import__('os')}", "__import__"),
        ({"x": "1x8"}, "'1x8'"),
        ({"x": (1, 2, 3, 4)}, "(1, 2, 3, 4)"),
        ({"x": ((4,), (2,), (8,))}, "4 <= 2 <= 8"),
        ({"x": ((1, 2), (2,), (8,))}, "equally many"),
        ({"x": ((1.5,), (2,), (8,))}, "1.5"),
        ({"x": ((True,), (2,), (8,))}, "True"),
        ({"x": {"min": (1,), "opt": (2,), "most": (3,)}}, "'most'"),
        ({"x": {"min": (1,)}}, "expected min, opt and max"),
        ({"model_inputs": [{"shapes": {}}]}, "input_shapes"),
        ({"backend_config": {"type": "tensorrt"}}, "model_inputs"),
        ({"model_inputs": []}, "model_inputs is empty"),
        ({"backend_config": {"model_inputs": []}}, "model_inputs is empty"),
        ({"trt_profile_mim_shapes": "x:1x8"}, "'trt_profile_mim_shapes'"),
        ({3: ((1, 8), (2, 8))}, "got 3"),
        ({"x": ((1,), (2**63,))}, str(2**63)),
    ],
    ids=str,
)
def test_nonsense_is_quoted(given: Any, quoted: str) -> None:
    with pytest.raises(UsageError) as refusal:
        as_profiles(given)
    assert quoted in refusal.value.message


def test_an_input_has_a_shape_or_values_not_both() -> None:
    with pytest.raises(UsageError, match="'n' is given a shape and values"):
        Profile({"n": (1, 2, 3)}, {"n": (1, 2, 3)})


def test_inputs_outside_of_a_profile() -> None:
    assert ONE.misfit({"x": (1, 8)}) == ONE.misfit({"x": (16, 8), "y": (99,)}) == ""
    assert "17x8" in ONE.misfit({"x": (17, 8)})
    assert "1x8 to 16x8" in ONE.misfit({"x": (1, 8, 1)})
    values = Profile(values={"n": (1, 4, 8)})
    assert values.misfit({}, {"n": (8,)}) == ""
    assert "'n' has value 9" in values.misfit({}, {"n": (9,)})


# -- printing ------------------------------------------------------------------------------------

TWO = [
    Profile({"x": ((1, 3, 8), (2, 3, 8), (4, 3, 16)), "y/0": ((1,), (2,), (4,))}),
    Profile({"x": ((4, 3, 8), (4, 3, 8), (4, 3, 8)), "y/0": ((4,), (4,), (4,))}),
]
VALUES = [
    Profile(
        {"x": ((1, 3, 8), (2, 3, 8), (4, 3, 16))}, {"n": (1, 4, 8), "s": ((1, -1), (2, 0), (3, 3))}
    )
]
INPUTS = [
    FileInput("x", (Dim("b"), 3, Dim("w"))),
    FileInput("n", (), "int64"),
    FileInput("s", (2,), "int64"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("profiles", [[ONE], TWO], ids=["one", "two"])
def test_what_is_printed_is_read_again(form: str, profiles: list[Profile]) -> None:
    assert parse_profiles(as_text(profiles, form)) == profiles


@pytest.mark.parametrize("form", FORMS)
def test_values_are_told_from_shapes_by_the_inputs(form: str) -> None:
    assert resolve(parse_profiles(as_text(VALUES, form)), INPUTS) == VALUES


# For each name, the forms whose own readers cannot name it.
NAMES = {
    "a.b": (),
    "a/0": (),
    "a=b": (),
    "a|b": (),
    "a;b": (),
    "a b": (),
    "trailing ": (),
    "a[0]": (),
    "-x": (),
    "$HOME": (),
    "\u00fcn\u00ef": (),
    "a:b": ("ort",),
    "x:1x3": ("ort",),
    "a,b": ("ort", "trtexec"),
    "it's": ("trtexec",),
    'say "hi"': ("trtexec",),
    "'q'": ("trtexec",),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_names_that_words_would_take_apart(form: str, name: str) -> None:
    inputs = [FileInput(name, (Dim("b"), 3)), *INPUTS[1:]]
    values = {"n": (1, 4, 8), "s": ((1, -1), (2, 0), (3, 3))}
    profiles = [Profile({name: ((1, 3), (2, 3), (high, 3))}, values) for high in (4, 5)]
    if form in NAMES[name]:
        with pytest.raises(UsageError, match="cannot name the input"):
            as_text(profiles, form)
        return
    text = as_text(profiles, form)
    assert resolve(parse_profiles(text), inputs) == profiles
    if form in ("trtexec", "polygraphy"):  # ... and word by word on a command line
        options, rest = sections(shlex.split(text))
        assert (resolve(parse_shapes_options(options), inputs), rest) == (profiles, [])


def test_what_is_printed() -> None:
    assert as_text([ONE], "trtexec") == "--minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:16x8"
    assert as_text([ONE], "polygraphy") == (
        "--trt-min-shapes 'x:[1,8]' --trt-opt-shapes 'x:[4,8]' --trt-max-shapes 'x:[16,8]'"
    )
    assert as_text([ONE], "ort") == (
        "trt_profile_min_shapes=x:1x8\ntrt_profile_opt_shapes=x:4x8\ntrt_profile_max_shapes=x:16x8"
    )
    assert as_text(TWO, "trtexec").startswith("--profile=0 --minShapes=")


def test_an_empty_profile_is_refused() -> None:
    with pytest.raises(UsageError, match="the profile is empty"):
        resolve([Profile()], INPUTS)


def test_a_profile_of_fixed_sizes_only_says_nothing() -> None:
    assert resolve([Profile({"x": (4, 4, 4)})], [FileInput("x", (4,))]) == []


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="'yaml'"):
        as_text([ONE], "yaml")
