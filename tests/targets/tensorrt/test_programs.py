"""Examples, programs and networks build with min, opt and max, and agree in ONNX Runtime there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("tensorrt_rtx")

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "tensorrt_table.py"


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """The script that makes docs/tensorrt-table.md."""
    spec = importlib.util.spec_from_file_location("tensorrt_table", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def outcome(table: ModuleType, name: str, folder: Path) -> tuple[str, str]:
    entry = next((e for e in table.entries() if e.name == name), None)
    if entry is None:
        pytest.skip(f"{name} needs a package that is not installed")
    row = table.outcome_of(entry, str(folder), True)
    return row.outcome, row.said


@pytest.mark.parametrize(
    "name",
    [
        "examples/detection_head",
        "examples/greedy_decoder",
        "examples/mixture_of_experts",
        "examples/nms",
        "examples/segnet",
        "branches.deep_nesting",
        "branches.torch_equal",
        "containers.dataclass_value",
        "early_exits.return_from_nested_loops",
        "examples/cached_decoder",
        "examples/image_pyramid",
        "loops_that_grow.grow_from_empty",
        "loops_that_grow.shrink_while",
        "mutation_basic.suppressed_rows",
        "shapes.crop_to_even",
        "refusals.unique_loop",
        "shapes.nonzero_loop",
    ],
)
def test_it_builds(table: ModuleType, name: str, tmp_path: Path) -> None:
    found, said = outcome(table, name, tmp_path)
    assert found == "builds", said


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny", "swin_t", "vit_b_16"])
def test_networks_build(table: ModuleType, name: str, tmp_path: Path) -> None:
    found, said = outcome(table, f"torchvision {name}", tmp_path)
    assert found == "builds", said


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("detection_parts.loop_in_a_branch_writes_to_its_own_tensor", "detection_parts.py:"),
        ("examples/ragged_crops", "ragged_crops.py:"),
    ],
)
def test_it_is_refused_before_the_build_with_its_line(
    table: ModuleType, name: str, line: str, tmp_path: Path
) -> None:
    found, said = outcome(table, name, tmp_path)
    assert found == "refused"
    assert line in said
    assert not list(tmp_path.iterdir())
