"""Export time and peak memory beside `torch.onnx.export(dynamo=True)`.

    python benchmarks/export_time.py [resnet50 vit_b_16 swin_t] [--repeat 3]

Every export runs in a process of its own, the two exporters in turn, so that neither finds the
caches of the other warm. Time is that of the export call alone, with its imports done; memory
is how far the process's peak rose above what it held before the call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODELS = ("resnet50", "vit_b_16", "swin_t")
EXPORTERS = ("fxexport", "torch.onnx")
ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Runs the comparison and prints one line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, help=f"of torchvision: {MODELS}")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--child", choices=EXPORTERS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(measure(options.models[0], options.child)))
        return 0
    print(f"{'model':<12}{'exporter':<14}{'seconds':>9}{'MB peak':>9}")
    failed = False
    for model in options.models:
        rows = compare(model, options.repeat)
        for exporter, row in rows.items():
            if "error" in row:
                failed = True
                print(f"{model:<12}{exporter:<14}failed: {row['error']}")
            else:
                print(f"{model:<12}{exporter:<14}{row['seconds']:>9.2f}{row['megabytes']:>9.0f}")
        ours, theirs = (rows[exporter] for exporter in EXPORTERS)
        if "error" not in ours and "error" not in theirs:
            seconds = ours["seconds"] / theirs["seconds"]
            memory = ours["megabytes"] / max(theirs["megabytes"], 1.0)
            print(f"{model:<12}{'ratio':<14}{seconds:>9.2f}{memory:>9.2f}", flush=True)
    return 1 if failed else 0


def compare(model: str, repeat: int) -> dict[str, dict[str, Any]]:
    """Medians of both exporters on one model, run in alternation."""
    runs: dict[str, list[dict[str, Any]]] = {exporter: [] for exporter in EXPORTERS}
    for _ in range(repeat):
        for exporter in EXPORTERS:
            runs[exporter].append(_in_child(model, exporter))
    return {exporter: _median(results) for exporter, results in runs.items()}


def _median(results: list[dict[str, Any]]) -> dict[str, Any]:
    for result in results:
        if "error" in result:
            return result
    return {key: statistics.median(r[key] for r in results) for key in ("seconds", "megabytes")}


def _in_child(model: str, exporter: str) -> dict[str, Any]:
    command = [sys.executable, __file__, model, "--child", exporter]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def measure(model_name: str, exporter: str) -> dict[str, float]:
    """Exports one model with a dynamic batch in this process."""
    import torch
    import torchvision

    torch.manual_seed(0)
    model = getattr(torchvision.models, model_name)(weights=None).eval()
    inputs = (torch.randn(2, 3, 224, 224),)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        call = _export_call(exporter, model, inputs, path)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is held now
        before = _megabytes("VmHWM")
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        peak = _megabytes("VmHWM") - before
        if not Path(path).is_file():
            raise SystemExit(f"{exporter} wrote no file for {model_name}")
    return {"seconds": seconds, "megabytes": peak}


def _export_call(
    exporter: str, model: Any, inputs: tuple[Any, ...], path: str
) -> Callable[[], object]:
    """The export, ready to be timed: what it needs is imported before."""
    import onnxscript  # noqa: F401 (outside the timed call)

    if exporter == "torch.onnx":
        import torch

        shapes = ({0: torch.export.Dim.DYNAMIC},)
        return lambda: torch.onnx.export(
            model, inputs, path, dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    sys.path.insert(0, str(ROOT))
    import fxexport

    return lambda: fxexport.export(
        model, inputs, path, dynamic={"x": {0: "batch"}}, input_names=["x"], verify=False
    )


def _megabytes(what: str) -> float:
    """A memory figure of this process from the kernel."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this benchmark reads /proc/self/status as Linux writes it")


if __name__ == "__main__":
    sys.exit(main())
