"""Rows collected in a loop, beside a Loop with a scan output written by hand.

    python benchmarks/collect_rows.py [--rows 1000 2000 4000 8000]

One model writes row after row into a tensor made before the loop, another one appends rows to a
list.
All files run in ONNX Runtime on one thread, in turn; the median counts.
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


def listed(x: torch.Tensor) -> torch.Tensor:
    """The same with a list."""
    out = []
    for row in x:
        out.append(torch.tanh(row) * 2)
    return torch.stack(out)


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
    made = {
        model.__name__: session(fxexport.export(model, (example,), dynamic={"x": [0]}).model)
        for model in (collected, listed)
    }
    made["by hand"] = session(by_hand())
    print(f"{'rows':>6}" + "".join(f"{name + ' ms':>14}{'ratio':>7}" for name in made))
    for rows in options.rows:
        x = np.random.default_rng(0).standard_normal((rows, COLUMNS), dtype=np.float32)
        results = [one.run(None, {"x": x})[0] for one in made.values()]
        for result in results:
            np.testing.assert_allclose(result, results[-1], rtol=1e-5)
        times: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(options.repeat):
            for name, one in made.items():
                start = time.perf_counter()
                one.run(None, {"x": x})
                times[name].append(time.perf_counter() - start)
        medians = {name: 1000 * statistics.median(times[name]) for name in made}
        print(
            f"{rows:>6}"
            + "".join(f"{ms:>14.2f}{ms / medians['by hand']:>7.2f}" for ms in medians.values()),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
