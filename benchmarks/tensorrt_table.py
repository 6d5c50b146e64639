"""Which programs TensorRT takes: exports, compares and builds all of them, and writes the table.

    python benchmarks/tensorrt_table.py            # writes docs/tensorrt-table.md
    python benchmarks/tensorrt_table.py --only nms # prints the rows that match

Each program of `examples/` and `tests/programs/`, and four networks of torchvision, is exported
with ``target="tensorrt"`` under a profile (the smallest, the example's and the largest sizes
of its inputs), compared with PyTorch in ONNX Runtime at min, opt and max, and built.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import datetime
import importlib.util
import os
import pkgutil
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import fxexport
import fxexport.tensorrt
from fxexport.errors import FxExportError, VerificationError
from fxexport.inputs import prepare_inputs
from fxexport.profiles import Profile
from fxexport.targets.tensorrt.build.package import find_package

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

Inputs = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One program: its name, a fresh model, and argument tuples, the example first."""

    name: str
    make: Callable[[], Callable[..., Any]]
    inputs: Sequence[Inputs]
    dynamic: Any = True
    expected_refusal: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one."""

    name: str
    outcome: str
    said: str = ""


def entries() -> Iterator[Entry]:
    """Everything that the table is about."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        module = _module(path)
        rows = [module.example_inputs, *module.check_inputs]
        yield Entry(f"examples/{path.stem}", lambda m=module: copy.deepcopy(m.model), rows)
    yield from _networks()
    import tests.programs as corpus

    for found in pkgutil.iter_modules(corpus.__path__):
        module = importlib.import_module(f"tests.programs.{found.name}")
        for program in getattr(module, "PROGRAMS", ()):
            yield Entry(program.name, program.make, program.inputs, program.dynamic,
                        program.expect == "refuse")  # fmt: skip


def _networks() -> Iterator[Entry]:
    if importlib.util.find_spec("torchvision") is None:
        return
    from torchvision import models

    for name in ("resnet18", "convnext_tiny", "swin_t", "vit_b_16"):

        def make(name: str = name) -> torch.nn.Module:
            torch.manual_seed(0)
            return models.get_model(name, weights=None).eval()

        size = 224 if name == "vit_b_16" else 64
        rows = [(torch.randn(count, 3, size, size),) for count in (2, 1, 3)]
        yield Entry(f"torchvision {name}", make, rows, {"x": {0: "batch"}})


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def profile_for(entry: Entry) -> Profile | None:
    """The smallest, the example's and the largest sizes of a program's inputs, from 1."""
    model = entry.make()
    call = model.forward if isinstance(model, torch.nn.Module) else model
    prepared = prepare_inputs(call, copy.deepcopy(entry.inputs[0]), None, entry.dynamic, None)
    rows = [prepared.flatten(copy.deepcopy(row)) for row in entry.inputs]
    shapes, values = {}, {}
    for k, spec in enumerate(prepared.specs):
        column = [row[k] for row in rows]
        if spec.kind == "int":
            values[spec.name] = ((min(column),), (column[0],), (max(column),))
        elif spec.dtype == torch.int64 and not spec.shape:
            numbers = [int(value) for value in column]
            values[spec.name] = ((min(numbers),), (numbers[0],), (max(numbers),))
        if spec.kind == "tensor" and any(not isinstance(d, int) for d in spec.shape):
            parts = [2] if spec.dtype.is_complex else []  # a profile is of the file's inputs
            sizes = [[*(max(int(s), 1) for s in value.shape), *parts] for value in column]
            shapes[spec.name] = (
                tuple(map(min, *sizes)) if len(sizes) > 1 else tuple(sizes[0]),
                tuple(sizes[0]),
                tuple(map(max, *sizes)) if len(sizes) > 1 else tuple(sizes[0]),
            )
    return Profile(shapes, values) if shapes or values else None


def outcome_of(entry: Entry, folder: str, verify: bool) -> Row:
    """Exports, compares and builds one program."""
    path = os.path.join(folder, re.sub(r"\W", "_", entry.name) + ".onnx")
    try:
        exported = fxexport.export(
            entry.make(),
            copy.deepcopy(entry.inputs[0]),
            path,
            dynamic=entry.dynamic,
            profiles=profile_for(entry),
            target="tensorrt",
            verify=verify,
        )
    except fxexport.tensorrt.RefusedError as error:
        return Row(entry.name, "refused", _one_line(error))
    except VerificationError as error:
        return Row(entry.name, "disagrees", error.message)
    except FxExportError as error:
        return Row(entry.name, "not exported", _one_line(error))
    except Exception as error:
        return Row(entry.name, "bug", f"{type(error).__name__}: {error}")
    try:
        fxexport.tensorrt.build(exported, timeout=120)
    except fxexport.tensorrt.BuildError as error:
        return Row(entry.name, "refused by the builder", _one_line(error))
    except FxExportError as error:
        return Row(entry.name, "refused", _one_line(error))
    outputs = exported.report.outputs
    padded = [output["name"] for output in outputs if "padded" in output]
    allocated = [
        re.findall(r"'([^']+)'", finding.message)[0]
        for finding in exported.report.findings
        if "through an output allocator" in finding.message
    ]
    said = [f"{', '.join(padded)}: padded, with a count"] if padded else []
    said += [f"{', '.join(allocated)}: allocated while it runs"] if allocated else []
    return Row(entry.name, "builds", "; ".join(said))


def _one_line(error: FxExportError) -> str:
    text = error.message.removeprefix("TensorRT will refuse this: ")
    if error.location is not None:
        text += f" ({os.path.basename(error.location.file)}:{error.location.line})"
    return text.replace("|", "/").replace("\n", " ")


def document(rows: Sequence[Row], builder: str) -> str:
    """The table as Markdown."""
    counts = {
        o: sum(row.outcome == o for row in rows) for o in dict.fromkeys(r.outcome for r in rows)
    }
    exported = [row for row in rows if row.outcome != "not exported"]
    built = counts.get("builds", 0)
    refused = counts.get("refused", 0)
    lines = [
        "# What TensorRT builds",
        "",
        f"Made by `python benchmarks/tensorrt_table.py` on {datetime.date.today()} with {builder} "
        f"and PyTorch {torch.__version__.partition('+')[0]}. Built ahead of time without a GPU: no "
        "engine was run. Before the build, each file was compared with PyTorch in ONNX Runtime, at "
        "min, opt and max of its profile and between.",
        "",
        f"{built} of {len(exported)} programs that fxexport captures build "
        f"({100 * built / max(len(exported), 1):.1f} %); {refused} are refused before the build, "
        "with their line. What is not exported, fxexport does not capture for any target; most of "
        "it stands in tests of refusals.",
        "",
        "| outcome | programs |",
        "| --- | --- |",
        *(f"| {outcome} | {count} |" for outcome, count in counts.items()),
        "",
        "| program | outcome | why |",
        "| --- | --- | --- |",
        *(f"| {row.name} | {row.outcome} | {row.said} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Makes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="regular expression for the names")
    parser.add_argument("--no-verify", action="store_true", help="build only")
    parser.add_argument("--keep", default="", help="folder to leave the files in")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or temporary
        os.makedirs(folder, exist_ok=True)
        for entry in entries():
            if re.search(options.only, entry.name):
                row = outcome_of(entry, folder, not options.no_verify)
                rows.append(row)
                if options.only or row.outcome not in ("builds", "not exported"):
                    print(f"{row.name}: {row.outcome} {row.said[:300]}", flush=True)
    if not options.only:
        path = ROOT / "docs" / "tensorrt-table.md"
        path.write_text(document(rows, find_package().title))
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
