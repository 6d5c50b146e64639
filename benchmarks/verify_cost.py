"""What the comparison with PyTorch costs: time beside the export, peak memory beside the weights.

    python benchmarks/verify_cost.py [resnet50 vit_b_16 small] [--repeat 3]

Every export runs in a process of its own, with `verify=False` and with `verify=True` in turn. Time
is that of the call alone, with its imports done. Memory is how far that of the process rose above
what it held before the call ("own"), the most that the process which runs ONNX Runtime held
("child"), and the most that both rose by at one time ("both"), looked at every five milliseconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

MODELS = ("small", "resnet50", "vit_b_16")
ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("seconds", "own", "child", "both", "weights")


def main(arguments: list[str] | None = None) -> int:
    """Measures each model and prints one line a way, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, help=f"of torchvision, or {MODELS[0]}")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--child", choices=("plain", "verified"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(measure(options.models[0], verify=options.child == "verified")))
        return 0
    print(f"{'model':<12}{'':<10}" + "".join(f"{column:>10}" for column in COLUMNS))
    for model in options.models:
        rows = {way: _medians(model, way, options.repeat) for way in ("plain", "verified")}
        for way, row in rows.items():
            print(f"{model:<12}{way:<10}" + "".join(f"{row[column]:>10.2f}" for column in COLUMNS))
        plain, verified = rows["plain"], rows["verified"]
        more = verified["both"] - plain["both"]
        seconds = verified["seconds"] / plain["seconds"] - 1
        weights = more / verified["weights"]
        text = f"the check costs {seconds:.2f} times the export's time, {weights:.2f} its weights"
        print(f"{model:<12}{text}", flush=True)
    return 0


def _medians(model: str, way: str, repeat: int) -> dict[str, float]:
    runs = [_in_child(model, way) for _ in range(repeat)]
    return {column: statistics.median(run[column] for run in runs) for column in COLUMNS}


def _in_child(model: str, way: str) -> dict[str, float]:
    command = [sys.executable, __file__, model, "--child", way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def measure(name: str, *, verify: bool) -> dict[str, float]:
    """Exports one model with a dynamic batch in this process; megabytes and seconds."""
    import onnxscript  # noqa: F401 (outside of the timed call)

    sys.path.insert(0, str(ROOT))
    import fxexport

    model, inputs = _model(name)
    weights = sum(p.numel() * p.element_size() for p in [*model.parameters(), *model.buffers()])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        with _Memory() as memory:
            start = time.perf_counter()
            fxexport.export(
                model, inputs, path, dynamic={"x": {0: "batch"}}, input_names=["x"], verify=verify
            )
            seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        **memory.most,
        "weights": max(weights, 1) / 2**20,
    }


def _model(name: str) -> tuple[Any, tuple[Any, ...]]:
    import torch

    torch.manual_seed(0)
    if name == "small":
        layers = torch.nn.Sequential(
            torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4)
        )
        return layers.eval(), (torch.randn(2, 16),)
    import torchvision

    return getattr(torchvision.models, name)(weights=None).eval(), (torch.randn(2, 3, 224, 224),)


class _Memory:
    """Looks at the memory of this process and of the one that runs ONNX Runtime, in megabytes."""

    def __init__(self) -> None:
        self.most = {"own": 0.0, "child": 0.0, "both": 0.0}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(_resident("self"),))

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self, before: float) -> None:
        from fxexport.targets.onnxruntime.process import RuntimeProcess

        while not self._done.wait(0.005):
            process = RuntimeProcess._shared
            own = _resident("self") - before
            child = _resident(process.pid) if process is not None else 0.0
            found = {"own": own, "child": child, "both": own + child}
            self.most = {key: max(found[key], most) for key, most in self.most.items()}


def _resident(process: int | str) -> float:
    """What a process holds now."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    sys.exit(main())
