"""Rows collected in a loop, beside a Loop with a scan output written by hand.

    python benchmarks/collect_rows.py [--rows 1000 2000 4000 8000]

The model writes row after row into a tensor made before the loop. Both files run in ONNX Runtime on
one thread, in turn; the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

import fxexport

COLUMNS = 64


def collected(x: torch.Tensor) -> torch.Tensor:
    """One row a trip."""
    out = torch.empty(x.shape[0], COLUMNS)
    for i in range(x.shape[0]):
        out[i] = torch.tanh(x[i]) * 2
    return out


def by_hand() -> onnx.ModelProto:
    """The same as a Loop with a scan output."""
    number = [helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])]
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["x", "i"], ["row"], axis=0),
            helper.make_node("Tanh", ["row"], ["bent"]),
            helper.make_node("Mul", ["bent", "two"], ["scaled"]),
            helper.make_node("Identity", ["going"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("scaled", TensorProto.FLOAT, [COLUMNS]),
        ],
        number,
    )
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["shape"], start=0, end=1),
            helper.make_node("Squeeze", ["shape"], ["count"]),
            helper.make_node("Loop", ["count", ""], ["out"], body=body),
        ],
        "by_hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", COLUMNS])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def session(model: onnx.ModelProto) -> Any:
    """A file in ONNX Runtime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints milliseconds for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args(arguments)
    example = torch.randn(8, COLUMNS)
    exported = fxexport.export(collected, (example,), dynamic={"x": [0]})
    pair = {"fxexport": session(exported.model), "by hand": session(by_hand())}
    print(f"{'rows':>6}{'fxexport ms':>14}{'by hand ms':>13}{'ratio':>8}")
    for rows in options.rows:
        x = np.random.default_rng(0).standard_normal((rows, COLUMNS), dtype=np.float32)
        results = [one.run(None, {"x": x})[0] for one in pair.values()]
        np.testing.assert_allclose(*results, rtol=1e-5)
        times: dict[str, list[float]] = {name: [] for name in pair}
        for _ in range(options.repeat):
            for name, one in pair.items():
                start = time.perf_counter()
                one.run(None, {"x": x})
                times[name].append(time.perf_counter() - start)
        ours, theirs = (1000 * statistics.median(times[name]) for name in pair)
        print(f"{rows:>6}{ours:>14.2f}{theirs:>13.2f}{ours / theirs:>8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
