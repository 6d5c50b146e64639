"""The user's call and its flat form."""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch.export import Dim as ExportDim

from fxexport.errors import UsageError
from fxexport.graph.signature import DimRange
from fxexport.inputs import (
    Dim,
    PreparedInputs,
    TensorSpec,
    parse_dynamic_option,
    parse_input_option,
    prepare_inputs,
)

Boxes = collections.namedtuple("Boxes", ["xyxy", "score"])


@dataclasses.dataclass(frozen=True)
class Batch:
    image: torch.Tensor
    scale: float = 1.0


def one(x: torch.Tensor) -> None: ...


def two(x: torch.Tensor, y: torch.Tensor) -> None: ...


def scalars(x: torch.Tensor, n: int = 1, flag: bool = False, mode: str = "a") -> None: ...


def many(x: torch.Tensor, *args: Any, key: Any = None, **kwargs: Any) -> None: ...


def prepare(
    call: Any, inputs: Any, dynamic: Any = False, kwargs: Any = None, names: Any = None
) -> PreparedInputs:
    return prepare_inputs(call, inputs, kwargs, dynamic, names)


def shapes(prepared: PreparedInputs) -> dict[str, tuple[Any, ...]]:
    """Shapes with names for dynamic dimensions."""
    return {
        spec.name: tuple(s.name if isinstance(s, DimRange) else s for s in spec.shape)
        for spec in prepared.specs
    }


# --input and --dynamic


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("x=float32[1,3,224,224]", "x", TensorSpec(torch.float32, (1, 3, 224, 224))),
        ("x=f16[]", "x", TensorSpec(torch.float16, ())),
        ("x=torch.int64[2]", "x", TensorSpec(torch.int64, (2,))),
        ("ids=i64[batch, 16]", "ids", TensorSpec(torch.int64, (Dim("batch"), 16))),
        ("x=bool[b[1..8],3]", "x", TensorSpec(torch.bool, (Dim("b", 1, 8), 3))),
        ("x=float32[b[2..],3]", "x", TensorSpec(torch.float32, (Dim("b", 2), 3))),
        ("n=5", "n", 5),
        ("n=-5", "n", -5),
        ("scale=0.5", "scale", 0.5),
        ("scale=1e-3", "scale", 1e-3),
        ("flag=true", "flag", True),
        ("flag=False", "flag", False),
    ],
)
def test_input_option(text: str, name: str, value: Any) -> None:
    got_name, got = parse_input_option(text)
    assert (got_name, got, type(got)) == (name, value, type(value))


@pytest.mark.parametrize(
    "text",
    ["", "x", "x=", "=5", "x=float33[1]", "x=float32[1", "x=float32[1,]", "x=float32[-1]",
     "x=float32[-a]", "x=float32[b[8..1]]", "x=abc"],
)  # fmt: skip
def test_input_option_that_says_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        parse_input_option(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], False),
        ([""], True),
        (["x:0=batch,2=height"], {"x": {0: Dim("batch"), 2: Dim("height")}}),
        (["x:0=batch[1..8]"], {"x": {0: Dim("batch", 1, 8)}}),
        (["x:0=[1..8]"], {"x": {0: Dim("x_d0", 1, 8)}}),
        (["x:0,1"], {"x": {0: Dim("x_d0"), 1: Dim("x_d1")}}),
        (["x:-1=w"], {"x": {-1: Dim("w")}}),
        (["x:0=b", "x:1=w", "y:0=b"], {"x": {0: Dim("b"), 1: Dim("w")}, "y": {0: Dim("b")}}),
        (["n"], {"n": True}),
    ],
)
def test_dynamic_option(texts: list[str], expected: Any) -> None:
    assert parse_dynamic_option(texts) == expected


@pytest.mark.parametrize(
    "texts",
    [["x:"], ["x:a=b"], ["x:0="], ["x=0"], [":0=b"], ["", "x:0=b"], ["x:0=a", "x:0=b"],
     ["x", "x:0=b"], ["x:0=b", "x"], ["x:0=b[3..1]"]],
)  # fmt: skip
def test_dynamic_option_that_says_nothing(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_dynamic_option(texts)


@pytest.mark.parametrize("wrong", [("", 0, None), ("b", -1, None), ("b", 3, 2), ("b", 1.5, None)])
def test_dim_that_is_none(wrong: tuple[Any, Any, Any]) -> None:
    with pytest.raises(UsageError):
        Dim(*wrong)


# The flat form


def test_names_follow_the_parameters_in_their_order() -> None:
    prepared = prepare(two, (), kwargs={"y": torch.zeros(2), "x": torch.zeros(1)})
    assert shapes(prepared) == {"x": (1,), "y": (2,)}


@pytest.mark.parametrize(
    "inputs",
    [torch.zeros(2), [torch.zeros(2)], (torch.zeros(2),), {"x": torch.zeros(2)}, np.zeros(2)],
)
def test_forms_of_one_input(inputs: Any) -> None:
    assert shapes(prepare(one, inputs)) == {"x": (2,)}


def test_star_arguments_are_named() -> None:
    t = torch.zeros
    prepared = prepare(many, (t(1), t(2), t(3)), kwargs={"z": t(4), "key": t(5)})
    assert shapes(prepared) == {
        "x": (1,), "args_0": (2,), "args_1": (3,), "key": (5,), "z": (4,),
    }  # fmt: skip
    args, kwargs = prepared.rebuild([1, 2, 3, 5, 4])
    assert (args, kwargs) == ((1, 2, 3), {"key": 5, "z": 4})


def test_containers_come_apart_and_together() -> None:
    t = torch.zeros
    nested = {"a b": [t(1), (t(2), "text")], "box": Boxes(t(3), None), "batch": Batch(t(4), 2.0)}
    prepared = prepare(one, (nested,))
    assert list(shapes(prepared)) == [
        "x_a_b_0", "x_a_b_1_0", "x_box_xyxy", "x_batch_image",
    ]  # fmt: skip
    assert prepared.constants == [
        ("x_a_b_1_1", "text"), ("x_box_score", None), ("x_batch_scale", 2.0),
    ]  # fmt: skip
    (rebuilt,), _ = prepared.rebuild([1, 2, 3, 4])
    assert rebuilt == {
        "a b": [1, (2, "text")], "box": Boxes(3, None), "batch": Batch(4, 2.0),  # type: ignore[arg-type]
    }  # fmt: skip
    assert isinstance(rebuilt["box"], Boxes)
    assert nested["batch"].image.shape == (4,)  # type: ignore[attr-defined]


def test_mappings_keep_their_type() -> None:
    value = collections.OrderedDict(a=torch.zeros(1))
    (rebuilt,), _ = prepare(one, (value,)).rebuild([7])
    assert rebuilt == collections.OrderedDict(a=7)
    assert type(rebuilt) is collections.OrderedDict


def test_names_that_would_be_equal_are_told_apart() -> None:
    def f(x: Any, x_0: Any) -> None: ...

    prepared = prepare(f, ([torch.zeros(1)], torch.zeros(2)))
    assert shapes(prepared) == {"x_0": (1,), "x_0_1": (2,)}


def test_input_names_of_the_user() -> None:
    names = ["image"]
    prepared = prepare(two, (torch.zeros(2), torch.zeros(2)), {"image": [0]}, names=names)
    assert shapes(prepared) == {"image": ("image_d0",), "y": (2,)}


@pytest.mark.parametrize("names", [["a", "b", "c"], ["y"], "ab", [""]])
def test_wrong_input_names(names: Any) -> None:
    with pytest.raises(UsageError):
        prepare(two, (torch.zeros(2), torch.zeros(2)), names=names)


@pytest.mark.parametrize(
    ("inputs", "kwargs", "match"),
    [
        ((), None, "missing a required argument: 'x'"),
        ((torch.zeros(1),), None, "missing a required argument: 'y'"),
        ((torch.zeros(1),) * 3, None, "too many positional arguments"),
        ((torch.zeros(1),), {"z": torch.zeros(1)}, "'y'|'z'"),
        ({"x": torch.zeros(1)}, {"x": torch.zeros(1)}, "in inputs and in kwargs"),
        ("text", None, "must be a tuple"),
    ],
)
def test_call_that_does_not_fit(inputs: Any, kwargs: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        prepare(two, inputs, kwargs=kwargs)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (torch.zeros(2, dtype=torch.complex32), "complex32"),
        (torch.eye(2).to_sparse(), "sparse"),
        (np.array(["a"]), "NumPy array"),
        (functools.partial(int), None),
    ],
)
def test_values_that_onnx_does_not_know(value: Any, match: str | None) -> None:
    if match is None:
        assert prepare(one, (value,)).constants == [("x", value)]
    else:
        with pytest.raises(UsageError, match=match):
            prepare(one, (value,))


def test_a_tensor_in_an_object_is_an_input() -> None:
    class Holder:
        def __init__(self) -> None:
            self.inside = torch.zeros(2)

    assert shapes(prepare(one, (Holder(),))) == {"x_inside": (2,)}


def test_tensor_without_data_is_a_shape() -> None:
    prepared = prepare(two, (torch.empty(2, 3, device="meta"), TensorSpec(torch.int32, ("n", 4))))
    assert prepared.examples == [None, None]
    assert shapes(prepared) == {"x": (2, 3), "y": ("n", 4)}
    assert prepared.hints[0] == (2, 3)


def test_made_up_sizes_differ_and_keep_to_the_range() -> None:
    spec = TensorSpec(torch.float32, ("b", 3, "h", "w"))
    other = TensorSpec(torch.float32, ("t", "b[1..3]", "u[1..1]", 4))
    (b, _, h, w), (t, b2, u, _) = prepare(two, (spec, other)).hints
    assert b == b2
    assert 1 < b <= 3
    assert u == 1
    assert len({b, h, w, t, 3, 4}) >= 5
    assert h % 32 == w % 32 == 0


# Scalars


def test_scalars_are_constants_when_nothing_is_dynamic() -> None:
    prepared = prepare(scalars, (torch.zeros(2), 3, True, "b"))
    assert list(shapes(prepared)) == ["x"]
    assert prepared.constants == [("n", 3), ("flag", True), ("mode", "b")]


def test_numbers_are_inputs_when_everything_is_dynamic() -> None:
    prepared = prepare(scalars, (torch.zeros(2), 3, True, "b"), True)
    assert [(spec.name, spec.kind, spec.dtype) for spec in prepared.specs] == [
        ("x", "tensor", torch.float32),
        ("n", "int", torch.int64),
        ("flag", "bool", torch.bool),
    ]
    assert prepared.constants == [("mode", "b")]
    assert prepared.auto
    assert prepared.pinnable == {"x_d0"}


@pytest.mark.parametrize("wanted", [True, {}, ExportDim.DYNAMIC])
@pytest.mark.parametrize(("name", "kind"), [("n", "int"), ("flag", "bool")])
def test_named_scalars_are_inputs(wanted: Any, name: str, kind: str) -> None:
    prepared = prepare(scalars, (torch.zeros(2), 3, True), {name: wanted})
    assert [(spec.name, spec.kind) for spec in prepared.specs[1:]] == [(name, kind)]


# The forms of dynamic

A, B = ExportDim("a", min=2, max=9), ExportDim("b")


@pytest.mark.parametrize(
    ("dynamic", "expected"),
    [
        (False, (2, 3)),
        (None, (2, 3)),
        (True, ("x_d0", "x_d1")),
        ({"x": {0: "batch"}}, ("batch", 3)),
        ({"x": {-1: "w"}}, (2, "w")),
        ({"x": [0, 1]}, ("x_d0", "x_d1")),
        ({"x": [1]}, (2, "x_d1")),
        ({"x": {0: Dim("n", 1, 8)}}, ("n", 3)),
        ({"x": {0: A}}, ("a", 3)),
        ({"x": {0: A, 1: None}}, ("a", 3)),
        ({"x": (A, None)}, ("a", 3)),
        ({"x": [None, ExportDim.DYNAMIC]}, (2, "x_d1")),
        ({"x": (ExportDim.AUTO, ExportDim.STATIC)}, ("x_d0", 3)),
        ({"x": (A, 3)}, ("a", 3)),
        (({0: A, 1: B},), ("a", "b")),
        (((A, B),), ("a", "b")),
        ((None,), (2, 3)),
        ({"x": True}, ("x_d0", "x_d1")),
        ({"x": ExportDim.DYNAMIC}, ("x_d0", "x_d1")),
        ({"x": {}}, (2, 3)),
        ({}, (2, 3)),
    ],
)
def test_forms_of_dynamic(dynamic: Any, expected: tuple[Any, ...]) -> None:
    assert shapes(prepare(one, (torch.zeros(2, 3),), dynamic)) == {"x": expected}


@pytest.mark.parametrize(
    ("dynamic", "wanted"),
    [
        ({"x": {0: A}}, DimRange("a", 2, 9)),
        ({"x": {0: B}}, DimRange("b", 0, None)),
        ({"x": {0: "n[1..8]"}}, DimRange("n", 1, 8)),
        ({"x": {0: Dim("n", 1, 8), 1: Dim("n", 2)}}, DimRange("n", 2, 8)),
        ({"x": {0: ExportDim.DYNAMIC(min=2, max=4)}}, DimRange("x_d0", 2, 4)),
    ],
)
def test_ranges(dynamic: Any, wanted: DimRange) -> None:
    assert prepare(one, (torch.zeros(3, 3),), dynamic).specs[0].shape[0] == wanted


@pytest.mark.parametrize(
    "dynamic",
    [
        {"x": {"k": ({0: "n"}, None)}},
        {"x": {"k": [{0: "n"}, None]}},
        {"x": {"k": {0: {0: "n"}}}},
        {"x_k_0": {0: "n"}},
        ({"k": ({0: "n"}, {})},),
    ],
)
def test_nested_inputs_by_structure_or_flat_name(dynamic: Any) -> None:
    prepared = prepare(one, ({"k": (torch.zeros(2), torch.zeros(3))},), dynamic)
    assert shapes(prepared) == {"x_k_0": ("n",), "x_k_1": (3,)}


def test_star_arguments_by_their_name() -> None:
    prepared = prepare(many, (torch.zeros(1), torch.zeros(2)), {"args": ({0: "n"},)})
    assert shapes(prepared) == {"x": (1,), "args_0": ("n",)}


@pytest.mark.parametrize(
    "dynamic",
    [
        {"x": {0: Dim("n", 3, 3)}},
        {"x": {0: "n[3..3]"}},
        {"x": {0: "n[3..3..3]"}},
        {"x": {0: Dim("n", 1, 3), 1: Dim("n", 3)}},
        {"x": {0: ExportDim.DYNAMIC(min=3, max=3)}},
    ],
)
def test_a_range_of_one_size_is_static(dynamic: Any) -> None:
    assert prepare(one, (torch.zeros(3, 3),), dynamic).specs[0].shape == (3, 3)


def test_a_spec_with_a_range_of_one_size_is_static() -> None:
    prepared = prepare(one, (TensorSpec(torch.float32, ("b", "n[3..3]", "e[0..0]")),))
    assert shapes(prepared) == {"x": ("b", 3, 0)}
    assert prepared.hints[0][1:] == (3, 0)


def test_a_range_of_one_size_that_the_example_has_not() -> None:
    with pytest.raises(UsageError, match=r"axis 1 of x \(n\) is declared as 4\.\.4.* has size 3"):
        prepare(one, (torch.zeros(3, 3),), {"x": {1: "n[4..4]"}})


def test_what_is_only_tried_is_told_from_what_is_declared() -> None:
    dynamic = {"x": {0: "batch", 1: ExportDim.AUTO}}
    assert prepare(one, (torch.zeros(2, 3),), dynamic).pinnable == {"x_d1"}
    spec = TensorSpec(torch.float32, ("batch", 3))
    assert prepare(one, (spec,), True).pinnable == {"x_d1"}


@pytest.mark.parametrize(
    ("dynamic", "match"),
    [
        ({"z": {0: "n"}}, r"'z'.*\n.*x \(float32\[2, 3\]\)"),
        ({"x": {2: "n"}}, "axis 2.*axes are 0 to 1"),
        ({"x": {-3: "n"}}, "axis -3"),
        ({"x": {"0": "n"}}, "axis '0'"),
        ({"x": {0: 3.5}}, "3.5"),
        ({"x": {0: "a=b"}}, "not a dimension"),
        ({"x": (A,)}, "1 entries; x has 2 dimensions"),
        ({"x": {0: 5}}, "has size 5"),
        ({"x": {0: "n", 1: "n"}}, "sizes 2 and 3"),
        ({"x": {0: Dim("n", 4)}}, "declared as 4"),
        ({"x": {0: Dim("n", 1, 2), 1: Dim("n", 3)}}, "without a common size"),
        ({"x": {0: 2 * B}}, "computed dimension"),
        ("x", "must be True, False or a dict"),
        ((None, None), "2 entries for 1 arguments"),
    ],
)
def test_dynamic_that_cannot_be(dynamic: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        prepare(one, (torch.zeros(2, 3),), dynamic)


def test_text_has_no_dynamic_form() -> None:
    with pytest.raises(UsageError, match="no dynamic form"):
        prepare(scalars, (torch.zeros(2), 1, False, "b"), {"mode": True})


# Later calls


def test_other_calls_are_flattened_alike() -> None:
    prepared = prepare(two, (torch.zeros(2), [torch.zeros(3)]), {"x": [0]})
    x, y = torch.ones(5), torch.ones(3)
    for args, kwargs in (((x, [y]), {}), ((x,), {"y": [y]}), ({"x": x, "y": [y]}, None)):
        flat = prepared.flatten(args, kwargs)
        assert [value is other for value, other in zip(flat, (x, y), strict=True)] == [True] * 2


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((torch.zeros(4),), "missing"),
        ((torch.zeros(4), torch.zeros(3), 1), "too many"),
        ((torch.zeros(4, dtype=torch.int64), torch.zeros(3)), "expected dtype float32, got int64"),
        ((torch.zeros(4, 1), torch.zeros(3)), "expected 1 dimensions, got 2"),
        ((torch.zeros(4), torch.zeros(4)), "expected size 3 on axis 0, got 4"),
        ((torch.zeros(9), torch.zeros(3)), r"must be in 1\.\.8, got 9"),
        ((2.0, torch.zeros(3)), "expected a tensor"),
        (([torch.zeros(4)], torch.zeros(3)), "expected a tensor"),
    ],
)
def test_calls_that_differ_are_refused(args: tuple[Any, ...], match: str) -> None:
    prepared = prepare(two, (torch.zeros(2), torch.zeros(3)), {"x": {0: Dim("n", 1, 8)}})
    with pytest.raises(UsageError, match=match):
        prepared.flatten(args)


def test_shared_names_must_agree_in_later_calls() -> None:
    prepared = prepare(two, (torch.zeros(2), torch.zeros(2)), {"x": {0: "n"}, "y": {0: "n"}})
    prepared.flatten((torch.zeros(5), torch.zeros(5)))
    with pytest.raises(UsageError, match="'n', which has size 5 elsewhere"):
        prepared.flatten((torch.zeros(5), torch.zeros(6)))


@pytest.mark.parametrize(
    ("args", "ok"),
    [
        ((torch.zeros(2), 3, True, "b"), True),
        ((torch.zeros(2), 3, True), True),
        ((torch.zeros(2), 4, True, "b"), False),
        ((torch.zeros(2), True, True, "b"), False),
        ((torch.zeros(2), 3, True, "c"), False),
    ],
)
def test_constants_may_be_left_out_but_not_changed(args: tuple[Any, ...], ok: bool) -> None:
    prepared = prepare(scalars, (torch.zeros(2), 3, True, "b"))
    if ok:
        assert len(prepared.flatten(args)) == 1
    else:
        with pytest.raises(UsageError, match="when the model was exported"):
            prepared.flatten(args)


def test_rebuild_puts_constants_back_and_flatten_undoes_it() -> None:
    prepared = prepare(scalars, (torch.zeros(2), 3, True), {"n": True})
    x = torch.ones(2)
    args, kwargs = prepared.rebuild([x, 7])
    assert args[1:] == (7, True)
    assert prepared.flatten(args, kwargs) == [x, 7]


def test_modules_and_scripted_methods_have_parameter_names() -> None:
    class Net(torch.nn.Module):
        def forward(self, image: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
            return image * scale

    assert list(shapes(prepare(Net().forward, (torch.zeros(1),)))) == ["image"]
    assert list(shapes(prepare(torch.relu, (torch.zeros(1),)))) == ["input_0"]
