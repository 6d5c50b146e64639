"""How many nodes the files of the corpus have, and what exporting them takes, at two checkouts.

    git worktree add ../before COMMIT
    python benchmarks/node_counts.py ../before [--only loops] [--every 6] [--most 2]

Each program of `tests/programs/` (of this checkout) is exported for ONNX Runtime by two processes
at once, one with the fxexport of the other checkout and one with that of this, so that whatever
else runs on the machine concerns both. Nodes are those of the graph and all its bodies; times are
processor time of the export, which is not compared with PyTorch. Printed are programs whose file
grew by more than `--most` nodes, what only one of the two exports, and the sums over all programs
that both export. The exit code is 1 where a file grew that much.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """The export of one program.

    Attributes:
        nodes: how many its file has; None where there is none.
        seconds: processor time of the export.
        refusal: the first line of why there is no file.
    """

    nodes: int | None
    seconds: float
    refusal: str = ""


class Exporter:
    """A process that exports programs with the fxexport of one checkout."""

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(checkout), "--worker"],
            env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, name: str) -> None:
        """Has it export a program."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()

    def end(self) -> Row:
        """Waits for the export that was begun."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that exports has ended")
        return Row(**json.loads(line))


def work(checkout: Path) -> None:
    """Exports the programs whose names are read, with the fxexport of a checkout."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what programs print is no answer
    warnings.simplefilter("ignore")
    import fxexport

    fxexport.__path__.append(str(checkout))  # its passes stand beside it
    if not Path(cast("str", fxexport.__file__)).is_relative_to(checkout):
        raise RuntimeError(f"fxexport is {fxexport.__file__}, and should be that of {checkout}")
    programs = {program.name: program for program in _programs()}
    _row(next(iter(programs.values())))  # imports, and caches that all programs share
    for line in sys.stdin:
        answers.write(json.dumps(vars(_row(programs[line.strip()]))) + "\n")
        answers.flush()


def _programs() -> list[Any]:
    sys.path.insert(0, str(ROOT))
    from tests.programs import all_programs

    return list(all_programs())


def _row(program: Any) -> Row:
    import torch

    import fxexport

    model, inputs = program.make(), copy.deepcopy(program.inputs[0])
    torch.manual_seed(0)
    begin = time.process_time()
    try:
        exported = fxexport.export(model, inputs, dynamic=program.dynamic, verify=False)
        file = exported.model
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return Row(None, time.process_time() - begin, text)
    return Row(sum(1 for _ in _nodes(file.graph)), time.process_time() - begin)


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of its bodies."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g)


def compare(checkout: Path, only: str, every: int, most: int) -> int:
    """Exports all programs at both checkouts, and prints what differs; 1 if a file grew."""
    exporters = Exporter(checkout), Exporter(ROOT)
    names = [program.name for program in _programs() if only in program.name][::every]
    both: list[tuple[Row, Row]] = []
    for name in names:
        for exporter in exporters:
            exporter.begin(name)
        old, new = (exporter.end() for exporter in exporters)
        grew = old.nodes is not None and new.nodes is not None and new.nodes > old.nodes + most
        if grew or (old.nodes is None) is not (new.nodes is None):
            print(f"  {name}: {_words(old)}, then {_words(new)}", flush=True)
        if old.nodes is not None and new.nodes is not None:
            both.append((old, new))
    print(f"{len(both)} of {len(names)} programs are exported by both")
    return _print_sums(both, most) if both else 0


def _print_sums(rows: list[tuple[Row, Row]], most: int) -> int:
    more = [(new.nodes or 0) - (old.nodes or 0) for old, new in rows]
    before, after = (sum(row.nodes or 0 for row in column) for column in zip(*rows, strict=True))
    print(f"nodes: {before}, then {after} ({100 * (after / before - 1):+.2f} %); "
          f"fewer in {sum(one < 0 for one in more)} files, more in {sum(one > 0 for one in more)}, "
          f"more than {most} more in {sum(one > most for one in more)}")  # fmt: skip
    old, new = (sum(row.seconds for row in column) for column in zip(*rows, strict=True))
    print(f"processor time: {old:.1f} s, then {new:.1f} s ({100 * (new / old - 1):+.1f} %)")
    return int(any(one > most for one in more))


def _words(row: Row) -> str:
    return row.refusal if row.nodes is None else f"{row.nodes} nodes"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", type=Path, help="the other checkout")
    parser.add_argument("--only", default="", help="programs whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="only each so many-th of them")
    parser.add_argument("--most", type=int, default=2, help="a file may grow by so many nodes")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    if options.worker:
        work(checkout)
        return 0
    return compare(checkout, options.only, options.every, options.most)


if __name__ == "__main__":
    sys.exit(main())
