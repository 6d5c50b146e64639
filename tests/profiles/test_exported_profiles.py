"""Profiles in an export: what they make dynamic, prove, and refuse; what the file keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import fxexport
from fxexport import Dim, Profile
from fxexport.file_keys import PROFILES
from fxexport.graph.signature import DimRange


def export(model: Callable[..., Any], *inputs: Any, **options: Any) -> fxexport.Exported:
    return fxexport.export(model, inputs, **{"verify": False, **options})


def shapes(exported: fxexport.Exported) -> dict[str, tuple[Any, ...]]:
    """Input shapes: sizes, and (min, max) for dynamic dimensions."""
    return {
        spec.name: tuple((d.min, d.max) if isinstance(d, DimRange) else d for d in spec.shape)
        for spec in exported.graph.inputs
    }


def messages(exported: fxexport.Exported, kind: Any) -> list[str]:
    return [finding.message for finding in exported.report.of_kind(kind)]


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x + y


# -- what becomes dynamic --------------------------------------------------------------------------

X = torch.ones(2, 3, 64)
WORDS = "--minShapes=x:1x3x32 --optShapes=x:2x3x64 --maxShapes=x:8x3x64"


@pytest.mark.parametrize(
    ("dynamic", "profiles", "shape"),
    [
        (False, WORDS, ((1, 8), 3, (32, 64))),
        (True, WORDS, ((1, 8), 3, (32, 64))),
        ({"x": {0: "b"}}, WORDS, ((1, 8), 3, (32, 64))),
        ({"x": {0: Dim("b", 1, 16)}}, WORDS, ((1, 16), 3, (32, 64))),
        ({"x": {1: "c"}}, WORDS, ((1, 8), (0, None), (32, 64))),
        (False, [WORDS, {"x": [(9, 3, 64)] * 3}], ((1, 9), 3, (32, 64))),  # the union
        (False, {"x": [(2, 3, 64)] * 3}, (2, 3, 64)),
    ],
    ids=str,
)
def test_what_varies_is_dynamic(dynamic: Any, profiles: Any, shape: Any) -> None:
    exported = export(double, X, dynamic=dynamic, profiles=profiles)
    assert shapes(exported) == {"x": shape}


@pytest.mark.parametrize(
    ("profiles", "dynamic", "quoted"),
    [
        ("--optShapes=y:1x3x64", False, "names 'y', and there is no such input (in --optShapes y:"),
        ("--optShapes=x:1x3", False, "2 sizes were given"),
        ("--optShapes=x:2x4x64", False, "axis 1 is 4"),
        ("--minShapes=x:4x3x64 --maxShapes=x:8x3x64", False, "declared as 4..8, and the example"),
        (WORDS, {"x": {0: Dim("b", 1, 4)}}, "goes from 1 to 8, but the model was"),
        (WORDS, {"x": {0: Dim("b", 2)}}, "goes from 1 to 8, but the model was exported for 2..8"),
        ("nonsense", False, "'nonsense'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_quoted(profiles: Any, dynamic: Any, quoted: str) -> None:
    with pytest.raises(fxexport.UsageError) as refusal:
        export(double, X, profiles=profiles, dynamic=dynamic)
    assert quoted in refusal.value.message


def test_inputs_that_the_profile_leaves_out() -> None:
    given = {"x": ((1, 4), (2, 4), (8, 4))}
    y = torch.ones(2, 4)
    exported = export(add, y, y, dynamic={"x": {0: "b"}, "y": {0: "b"}}, profiles=given)
    assert exported.profiles == [Profile(dict.fromkeys(("x", "y"), given["x"]))]
    with pytest.raises(fxexport.UsageError, match=r"says nothing about y: float32\[n, 4\]"):
        export(lambda x, y: x.sum() + y, y, y, dynamic={"y": {0: "n"}}, profiles=given)


def test_profiles_are_for_the_names_of_the_file() -> None:
    exported = export(double, X, profiles={"images": WORDS_SHAPES}, input_names=["images"])
    assert list(exported.profiles[0].shapes) == ["images"]
    exported = export(double, X, profiles={"x": WORDS_SHAPES}, input_names=["images"])
    assert list(exported.profiles[0].shapes) == ["images"]


WORDS_SHAPES = ((1, 3, 32), (2, 3, 64), (8, 3, 64))


# -- what ranges prove -----------------------------------------------------------------------------


def folded(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 16:
        x = x * 2
    if x.shape[0] * 2 + 1 > 20:
        x = x * 3
    assert x.shape[0] <= 8
    while x.shape[0] - 8 > 0:
        x = x[1:]
    for _ in range(x.shape[0] - 8):
        x = x * 5
    return x + 1 if x.shape[0] >= 1 and x.shape[1] == 4 else x


def test_branches_are_pruned_with_the_proof() -> None:
    exported = export(folded, torch.ones(3, 4), dynamic={"x": {0: Dim("b", 1, 8)}})
    assert messages(exported, "folded") == [
        "b is in 1..8, so b > 16 is never true (pruned)",
        "b is in 1..8, so 2 * b + 1 is in 3..17 and 2 * b + 1 > 20 is never true (pruned)",
        "b is in 1..8, so b <= 8 is always true (pruned)",
        "b is in 1..8, so b - 8 is in -7..0 and b - 8 > 0 is never true (pruned)",
        "this loop makes no iteration: b is in 1..8, so max(0, b - 8) is 0 and max(0, b - 8) < 1 "
        "is always true (pruned)",
        "b is in 1..8, so b >= 1 is always true (pruned)",
    ]
    assert not exported.report.of_kind("branch", "loop")
    assert all(finding.location for finding in exported.report.of_kind("folded"))


def test_computed_sizes_are_told_in_those_of_the_inputs() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        for _ in range(4):
            x = torch.nn.functional.max_pool2d(x, 2)
        if x.shape[2] > 16:
            x = x * 2
        kept = x[x > 0]
        return kept.sum() + 1 if kept.shape[0] >= 0 else kept.sum()

    x = torch.ones(1, 1, 64, 64)
    exported = export(program, x, dynamic={"x": {2: Dim("h", 64, 128)}})
    first, second = messages(exported, "folded")
    assert first == "h is in 64..128, so h // 16 is in 4..8 and h // 16 > 16 is never true (pruned)"
    assert second.endswith("so this condition is always true (pruned)")


def test_a_profile_proves_what_a_range_proves() -> None:
    one = export(folded, torch.ones(3, 4), profiles={"x": ((1, 4), (4, 4), (8, 4))})
    assert "x_d0 is in 1..8, so x_d0 > 16 is never true (pruned)" in messages(one, "folded")
    with pytest.raises(fxexport.UsageError, match="breaks that at max: x_d0=20"):  # the assert
        export(folded, torch.ones(3, 4), profiles=[{"x": ((1, 4), (4, 4), (20, 4))}])


def test_several_profiles_prove_what_holds_in_all() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 2 if x.shape[0] > 4 else x
        return y + 1 if x.shape[0] > 32 else y

    profiles = [{"x": ((1,), (2,), (4,))}, {"x": ((8,), (8,), (16,))}]
    exported = export(program, torch.ones(2), profiles=profiles)
    assert len(exported.report.of_kind("branch")) == 1
    assert messages(exported, "folded") == ["x_d0 is in 1..16, so x_d0 > 32 is never true (pruned)"]


def test_what_is_known_in_a_branch_is_the_reason_there() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 9:
            x = x * 2 if x.shape[0] > 5 else x * 3
        elif x.shape[0] > 4:
            return x
        return x + 1 if x.shape[0] > 12 and x.shape[0] < 3 else x - 1

    exported = export(program, torch.ones(3), dynamic={"x": {0: Dim("b", 1)}})
    found = messages(exported, "folded")
    assert "given that b > 9, b > 5 is always true (pruned)" in found
    assert "given that b > 12, b < 3 is never true (pruned)" in found


def test_a_range_bounds_the_trips_of_a_loop() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        total = x.sum()
        for k in range(x.shape[0]):
            total = total * 2 + k
        return total

    exported = export(program, torch.ones(3), dynamic={"x": {0: Dim("b", 1, 8)}})
    assert messages(exported, "loop") == ["kept as a loop of at most 8 iterations: b is in 1..8"]
    exported = export(program, torch.ones(3), dynamic={"x": [0]})
    assert messages(exported, "loop") == ["kept as a loop"]


def test_values_of_an_int_are_a_range_too() -> None:
    def program(x: torch.Tensor, n: int) -> torch.Tensor:
        if n > 8:
            x = x * 2
        for _ in range(n):
            x = x + 1
        return x

    values = Profile(values={"n": (1, 4, 8)})
    exported = export(program, torch.ones(3), 2, profiles=values, verify=True)
    assert messages(exported, "folded") == ["n is in 1..8, so n > 8 is never true (pruned)"]
    assert exported.profiles == [values]
    assert exported.report.verification is not None and exported.report.verification.ok
    with pytest.raises(fxexport.UsageError, match=r"must be in 1\.\.8, got 9"):
        exported.verify((torch.ones(3), 9))
    with pytest.raises(fxexport.UsageError, match=r"the example has 9, which is not in 1\.\.8"):
        export(program, torch.ones(3), 9, profiles="--minShapes=n:1 --maxShapes=n:8")


# -- relations ------------------------------------------------------------------------------------


def by_32(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] % 32 != 0:
        raise ValueError("a multiple of 32 is needed")
    return x.view(x.shape[0], -1, 32).sum(-1)


def test_a_profile_that_breaks_a_relation_is_refused() -> None:
    with pytest.raises(fxexport.UsageError) as refusal:
        export(by_32, torch.ones(1, 64), profiles="--minShapes=x:1x32 --maxShapes=x:1x100")
    assert refusal.value.message == (
        "the model needs x_d1 % 32 == 0, and the profile breaks that at max: x_d1=100 "
        "(in --minShapes x:1x32, --maxShapes x:1x100)"
    )
    assert refusal.value.location is not None
    assert "% 32 != 0" in refusal.value.location.code


def test_inputs_that_must_be_equal_in_words_without_names() -> None:
    y = torch.ones(2, 4)
    good = "--minShapes=x:1x4,y:1x4 --maxShapes=x:8x4,y:8x4"
    exported = export(add, y, y, profiles=good)
    assert [c.text for c in exported.graph.constraints] == ["x_d0 == y_d0"]
    with pytest.raises(
        fxexport.UsageError, match="needs x_d0 == y_d0, and the profile breaks that"
    ):
        export(add, y, y, profiles=good.replace("y:8x4", "y:9x4"))


def test_a_declared_range_may_hold_more_than_the_multiples() -> None:
    exported = export(by_32, torch.ones(1, 64), dynamic={"x": {1: Dim("w", 32, 512)}})
    assert messages(exported, "relation") == ["w % 32 == 0"]
    assert exported.profiles[0].shapes["x"].opt == (1, 64)
    with pytest.raises(fxexport.UnsupportedError, match="needs w % 32 == 0"):
        export(by_32, torch.ones(1, 64), dynamic={"x": {1: Dim("w", 32, 500)}})


def test_opt_satisfies_the_relations() -> None:
    dim = Dim("w", 96, 512)
    spec = fxexport.TensorSpec(torch.float32, (1, dim))
    (profile,) = export(by_32, spec).profiles
    assert profile.shapes["x"].opt[1] % 32 == 0


# -- what the file keeps ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ({0: Dim("b", 1, 8)}, ((1, 3, 64), (2, 3, 64), (8, 3, 64))),
        ({0: Dim("b", 1, 8, 4)}, ((1, 3, 64), (4, 3, 64), (8, 3, 64))),
        ({0: torch.export.Dim("b", min=1, max=8)}, ((1, 3, 64), (2, 3, 64), (8, 3, 64))),
        ({0: Dim("b", 1)}, None),
        ({0: Dim("b", 1, 8), 1: "c"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_profile_is_derived_where_all_dimensions_have_ranges(dims: Any, expected: Any) -> None:
    exported = export(double, X, dynamic={"x": dims})
    assert exported.profiles == ([Profile({"x": expected})] if expected else [])
    unbounded = bool(dims) and not expected
    assert ("has no largest size" in exported.report.no_profile) == unbounded


def read(folder: Path) -> dict[str, Any]:
    model = onnx.load(str(folder / "net.onnx"), load_external_data=False)
    (entry,) = (prop.value for prop in model.metadata_props if prop.key == PROFILES)
    beside = folder / "net.profiles.json"
    if beside.exists():
        assert beside.read_text() == entry
    data: dict[str, Any] = json.loads(entry)
    return data


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("external", [True, False])
def test_profiles_travel_with_the_file(tmp_path: Path, verify: bool, external: bool) -> None:
    linear = torch.nn.Linear(32, 32)
    exported = fxexport.export(
        linear,
        (torch.ones(2, 32),),
        tmp_path / "net.onnx",
        profiles={"input": ((1, 32), (2, 32), (4, 32))},
        verify=verify,
        external_data=external,
    )
    names = {"net.onnx", "net.profiles.json"} | ({"net.onnx.data"} if external else set())
    assert {path.name for path in tmp_path.iterdir()} == names
    assert read(tmp_path)["profiles"] == [profile.to_dict() for profile in exported.profiles]


def test_profiles_of_an_older_file_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "other.profiles.json").write_text("{}")  # not ours
    for profiles in (WORDS, None):
        fxexport.export(double, (X,), tmp_path / "net.onnx", profiles=profiles, verify=False)
        fxexport.export(double, (X,), tmp_path / "other.onnx", dynamic=True, verify=False)
        assert (tmp_path / "net.profiles.json").exists() == (profiles is not None)
    assert (tmp_path / "other.profiles.json").read_text() == "{}"


def test_a_failed_export_leaves_the_older_profiles(tmp_path: Path) -> None:
    fxexport.export(double, (X,), tmp_path / "net.onnx", profiles=WORDS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(fxexport.UsageError):
        fxexport.export(
            by_32, (torch.ones(1, 64),), tmp_path / "net.onnx", profiles={"x": ((1, 31), (1, 64))}
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_verification_runs_at_min_opt_and_max_of_every_profile() -> None:
    profiles = [{"x": ((1, 3, 32), (2, 3, 64), (4, 3, 64))}, {"x": [(9, 3, 64)] * 3}]
    exported = export(double, X, profiles=profiles, verify=True)
    assert exported.report.verification is not None
    labels = [case.label for case in exported.report.verification.cases]
    for wanted in (
        "profile 0 min: x_d0=1, x_d2=32",
        "profile 0 opt: x_d0=2, x_d2=64",
        "profile 0 max: x_d0=4, x_d2=64",
        "profile 1 min: x_d0=9, x_d2=64",
        "profile 1 max: x_d0=9, x_d2=64",
    ):
        assert wanted in labels
    assert any(label.startswith("profile 0 between: ") for label in labels)
    assert exported.report.verification.ok


def test_sizes_at_which_the_model_raises_are_noted() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(5)[: x.shape[0]] if x.sum() > -1e9 else x

    exported = export(program, torch.ones(2), profiles={"x": ((1,), (2,), (8,))}, verify=True)
    assert exported.report.verification is not None
    notes = exported.report.verification.notes
    assert any(n.startswith("profile max: x_d0=8: nothing was compared: PyTorch") for n in notes)


def test_an_assert_that_no_size_in_the_range_passes_is_refused_with_the_proof() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        assert x.shape[0] > 16, "too small"
        return x * 2

    with pytest.raises(fxexport.ModelError) as refusal:
        export(program, torch.ones(2), dynamic={"x": {0: Dim("b", 1, 8)}})
    assert refusal.value.hint == "b is in 1..8, so b > 16 is never true"


class Cache(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = torch.zeros(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows = torch.cat([self.rows, x])
        return self.rows.sum(0)


def test_state_that_is_an_input_has_a_profile_too() -> None:
    x = torch.ones(2, 4)
    shapes = {"x": ((1, 4), (2, 4), (8, 4)), "state.rows": ((0, 4), (1, 4), (64, 4))}
    exported = export(Cache(), x, profiles=shapes, state="io", verify=True)
    assert exported.profiles == [Profile(shapes)]
    verification = exported.report.verification
    assert verification is not None and verification.ok
    labels = [case.label for case in verification.cases]
    assert "profile max: x_d0=8, state.rows_d0=64" in labels
    for missing, quoted in (("state.rows", "says nothing about state.rows"), ("", "'state.other'")):
        given = {name: b for name, b in shapes.items() if name != missing}
        more = {} if missing else {"state.other": (1, 2, 3)}
        with pytest.raises(fxexport.UsageError, match=quoted):
            export(Cache(), x, profiles={**given, **more}, state="io")


# -- ranges of one size ----------------------------------------------------------------------------

THREE = (torch.ones(2, 3),)


def mixed(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x @ torch.ones(3, 4)
    return -x @ torch.ones(3, 4)


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize(
    "profiles", [None, [{"x": ((1, 3), (2, 3), (8, 3))}]], ids=["derived", "given"]
)
def test_a_line_may_need_the_only_size_of_a_range(target: str, profiles: Any) -> None:
    dynamic = {"x": {0: "b[1..8]", 1: Dim("n", 3, 3)}}
    made = export(mixed, *THREE, target=target, profiles=profiles, dynamic=dynamic, verify=True)
    assert shapes(made) == {"x": ((1, 8), 3)}
    (profile,) = made.report.profiles
    bounds = profile["shapes"]["x"]
    assert [bounds[point][1] for point in ("min", "opt", "max")] == [3, 3, 3]
    assert made.report.verification.ok


def test_a_profile_beyond_the_only_size_of_a_range_is_refused() -> None:
    with pytest.raises(fxexport.UsageError, match=r"axis 1 is 3\.\.4, but .* has 3 there, fixed"):
        export(
            mixed, *THREE, dynamic={"x": {0: "b[1..8]", 1: "n[3..3]"}},
            profiles=[{"x": ((1, 3), (4, 4), (8, 4))}],
        )  # fmt: skip
