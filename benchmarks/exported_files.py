"""Whether a change leaves the exported files as they were: a hash of each, and what differs.

    python benchmarks/exported_files.py write before.json     # at one commit
    python benchmarks/exported_files.py write after.json      # at another
    python benchmarks/exported_files.py compare before.json after.json

Each program of `examples/` and `tests/programs/` is exported (not compared with PyTorch) as Python
for ONNX Runtime and for TensorRT (there also under a profile), and as TorchScript where it scripts.
For each the hash of the file's bytes, or the refusal, and the report's findings are written down.
`compare` names every program whose file differs (exit code 1), and says apart from that how many
reports do.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import importlib
import importlib.util
import json
import multiprocessing
import os
import pkgutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

import fxexport
from fxexport.errors import FxExportError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WAYS = ("onnxruntime", "tensorrt", "script", "profiled")


# A program: its name, what makes it, its argument tuples (the example first), what may vary.
Program = tuple[str, Any, Sequence[tuple[Any, ...]], Any]


def _examples() -> Iterator[Program]:
    for path in sorted((ROOT / "examples").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module
        spec.loader.exec_module(module)
        yield (
            f"examples/{path.stem}",
            module.model,
            [module.example_inputs, *module.check_inputs],
            True,
        )


def _programs() -> Iterator[Program]:
    import tests.programs as corpus

    for found in pkgutil.iter_modules(corpus.__path__):
        module = importlib.import_module(f"tests.programs.{found.name}")
        for program in getattr(module, "PROGRAMS", ()):
            yield program.name, program.make, program.inputs, program.dynamic


def _options(program: Program, way: str) -> dict[str, Any]:
    """The options of `fxexport.export` for one way."""
    if way != "profiled":
        return {"capture": "script"} if way == "script" else {"target": way}
    from tensorrt_table import Entry, profile_for  # beside this file

    name, _, inputs, dynamic = program
    entry = Entry(name, lambda: _made(program), inputs, dynamic)
    return {"target": "tensorrt", "profiles": profile_for(entry)}


def _made(program: Program) -> Any:
    name, model, _, _ = program
    return copy.deepcopy(model) if name.startswith("examples/") else model()


def _hash(path: Path) -> str:
    """Of a file's bytes; of a model's without what tells where this script and checkout stand."""
    if path.suffix != ".onnx":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    model = onnx.load(path, load_external_data=False)
    for node in _nodes(model.graph):
        for entry in node.metadata_props:
            lines = entry.value.replace(f"{ROOT}{os.sep}", "").splitlines()
            entry.value = "\n".join(line for line in lines if "exported_files.py" not in line)
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of its bodies."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def _row(program: Program, way: str) -> tuple[str, dict[str, Any]]:
    """The file of one program in one way, as hashes; or why there is none."""
    name, _, inputs, dynamic = program
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = os.path.join(folder, "model.onnx")
        torch.manual_seed(0)
        try:
            exported = fxexport.export(
                _made(program),
                copy.deepcopy(inputs[0]),
                path,
                dynamic=dynamic,
                verify=False,
                **_options(program, way),
            )
        except FxExportError as error:
            return name, {"refused": f"{type(error).__name__}: {error}"}
        except Exception as error:
            return name, {"crash": f"{type(error).__name__}: {error}"}
        hashes = {entry: _hash(Path(folder, entry)) for entry in sorted(os.listdir(folder))}
        findings = [
            [finding.kind, finding.message, str(finding.location).replace(f"{ROOT}{os.sep}", "")]
            for finding in exported.report.findings
        ]
        return name, {"files": hashes, "findings": findings}


def _shard(job: tuple[int, int, str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    part, parts, only, ways = job
    torch.set_num_threads(1)
    rows: dict[str, dict[str, Any]] = {way: {} for way in WAYS}
    for index, program in enumerate([*_examples(), *_programs()]):
        if index % parts == part and only in program[0]:
            for way in ways:
                key, row = _row(program, way)
                rows[way][key] = row
    return rows


def write(path: Path, processes: int, only: str, ways: Sequence[str]) -> None:
    """Exports everything and writes the hashes."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        shards = pool.map(_shard, [(part, processes, only, ways) for part in range(processes)])
    merged = {
        way: dict(sorted(kv for shard in shards for kv in shard[way].items())) for way in WAYS
    }
    path.write_text(json.dumps(merged, indent=1))
    for way, rows in merged.items():
        crashes = [name for name, row in rows.items() if "crash" in row]
        count = sum("files" in row for row in rows.values())
        print(f"{way}: {count} files of {len(rows)} programs, {len(crashes)} crashes {crashes[:5]}")


def compare(before: Path, after: Path, show: int) -> int:
    """Prints what differs; 1 if a file does."""
    old, new = (json.loads(path.read_text()) for path in (before, after))
    different = 0
    for way in (way for way in WAYS if way in old and way in new):
        shared = sorted(old[way].keys() & new[way].keys())
        files = [
            name for name in shared if old[way][name].get("files") != new[way][name].get("files")
        ]
        texts = [name for name in shared if name not in files and old[way][name] != new[way][name]]
        missing = sorted(old[way].keys() ^ new[way].keys())
        written = sum("files" in old[way][name] for name in shared)
        print(f"{way}: {written} files in both, {len(files)} differ; {len(texts)} other texts; "
              f"{len(missing)} programs in one of the two only")  # fmt: skip
        for name in files:
            print(f"  file  {name}", *_refusals(old[way][name], new[way][name]))
        for name in texts[:show]:
            print(f"  text  {name}")
            _print_difference(old[way][name], new[way][name])
        different += len(files)
    return int(different > 0)


def _refusals(*rows: dict[str, Any]) -> list[str]:
    return [row.get("refused", row.get("crash", "")) for row in rows]


def _print_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    if "findings" not in old:
        print("    -", *_refusals(old), "\n    +", *_refusals(new))
        return
    for sign, these, others in (("-", old, new), ("+", new, old)):
        for finding in these["findings"]:
            if finding not in others["findings"]:
                print("   ", sign, *finding)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("path", type=Path)
    writing.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    writing.add_argument("--only", default="", help="programs whose name has this in it")
    writing.add_argument("--way", action="append", choices=WAYS, help="one of the ways; repeatable")
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--show", type=int, default=20, help="how many texts to show")
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.path, arguments.processes, arguments.only, arguments.way or WAYS)
        return 0
    return compare(arguments.before, arguments.after, arguments.show)


if __name__ == "__main__":
    sys.exit(main())
