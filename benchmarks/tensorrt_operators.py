"""Which operators TensorRT takes: the operator tests once more, in its dialect, and built.

    python benchmarks/tensorrt_operators.py                 # one line for each that does not build
    python benchmarks/tensorrt_operators.py -k "sort or topk" # as pytest selects

Every test of `tests/lowering` that compares one operator with PyTorch is lowered in TensorRT's
dialect instead, compared in ONNX Runtime at both of its sizes, held against the lint, and built
under a profile from the smaller of these sizes to the larger.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import onnx_ir as ir
import pytest
import torch

from fxexport.errors import FxExportError
from fxexport.lowering import lower
from fxexport.targets.tensorrt.build.build import build_engine
from fxexport.targets.tensorrt.build.options import BuildOptions
from fxexport.targets.tensorrt.build.package import find_package
from fxexport.targets.tensorrt.dialect import DIALECT
from fxexport.targets.tensorrt.lint.model import lint

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

OPSET = 21
FILES = ("test_elementwise", "test_networks", "test_shapes", "test_empty", "test_scalars")


class Sweep:
    """A pytest plugin that puts another comparison in the place of `check`."""

    def __init__(self, folder: str, build: bool = True) -> None:
        self._folder = folder
        self._build = build
        self._item: Any = None
        self.rows: list[tuple[str, str, str]] = []

    @pytest.hookimpl
    def pytest_runtest_setup(self, item: Any) -> None:
        """Before each test."""
        self._item = item
        if hasattr(item.module, "check"):
            item.module.check = self._check

    def _check(self, case: Any, opset: int = OPSET, *, tolerance: float = 1e-5) -> None:
        outcome, said = self._outcome(case, max(opset, OPSET), tolerance)
        calls = [
            str(node.target) + str([str(a.meta["val"].dtype)[6:] for a in node.all_input_nodes
                                    if isinstance(a.meta.get("val"), torch.Tensor)])
            for node in case.graph.module.graph.nodes
            if node.op == "call_function" and "getitem" not in str(node.target)
        ]  # fmt: skip
        row = (outcome, f"{self._item.name}: {', '.join(calls)}", said)
        self.rows.append(row)
        if outcome != "builds":
            print("  ".join(row), flush=True)

    def _outcome(self, case: Any, opset: int, tolerance: float) -> tuple[str, str]:
        from tests.support.lowering import compare, run_model

        try:
            model = lower(case.graph, opset=opset, dialect=DIALECT)
        except FxExportError as error:
            return "not lowered", error.message
        except Exception:
            return "bug", traceback.format_exc(limit=-3)
        proto = ir.to_proto(model)
        errors = [p.message for p in lint(ir.from_proto(proto)) if p.severity == "error"]
        try:
            for inputs in case.inputs:
                expected = case.graph.run(*inputs)
                for want, got in zip(expected, run_model(proto, inputs), strict=True):
                    compare(want, got, tolerance)
        except Exception as error:
            return "disagrees", str(error).strip()[:600]
        if errors:
            return "refused", errors[0]
        return self._built(case, model, proto) if self._build else ("builds", "")

    def _built(self, case: Any, model: ir.Model, proto: Any) -> tuple[str, str]:
        path = os.path.join(self._folder, "model.onnx")
        Path(path).write_bytes(proto.SerializeToString())
        result = build_engine(
            path,
            None,
            model=model,
            package=find_package(),
            profiles=[_profile(case)],
            options=BuildOptions(),
            timeout=120,
        )
        if result.ok:
            return "builds", ""
        problems = [p for p in result.problems if p.severity == "error"]
        return "refused by the builder", f"{problems[0].message} | {problems[0].said[:400]}"


def _profile(case: Any) -> dict[str, Any]:
    profile = {}
    for k, spec in enumerate(case.graph.inputs):
        first, other = (inputs[k] for inputs in case.inputs)
        if any(not isinstance(d, int) for d in spec.shape):
            pairs = [sorted(p) for p in zip(first.shape, other.shape, strict=True)]
            low, high = [max(p[0], 1) for p in pairs], [max(p[1], 1) for p in pairs]
            at = [max(s, 1) for s in first.shape]
            profile[spec.name] = {"kind": "shape", "min": low, "opt": at, "max": high}
    return profile


def main() -> None:
    """Goes over the tests and counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", default="", help="pytest's selection")
    parser.add_argument("--no-build", action="store_true", help="compare and lint only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(folder, not options.no_build)
        files = [str(ROOT / "tests" / "lowering" / f"{name}.py") for name in FILES]
        pytest.main([*files, "-q", "-s", "-n0", "-p", "no:cacheprovider", "-k",
                     options.k], plugins=[sweep])  # fmt: skip
    print(Counter(outcome for outcome, *_ in sweep.rows))


if __name__ == "__main__":
    main()
