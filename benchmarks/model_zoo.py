"""Models of torchvision, timm and transformers, exported with dynamic sizes and compared.

    python benchmarks/model_zoo.py                         # all; writes docs/models.md
    python benchmarks/model_zoo.py --source timm --only vit
    python benchmarks/model_zoo.py --shard 1/2 --rows rows.jsonl
    python benchmarks/model_zoo.py --table rows.jsonl      # the table, from kept rows

The models are made mechanically, small and with random weights: all of torchvision's, one of each
module of timm, one of each kind of transformers. Each runs in a process of its own, with a time
limit. `--rows` keeps what was found, one row a line, and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import fxexport  # noqa: E402
from benchmarks.zoo.models import SOURCES, ZooModel, models_of  # noqa: E402
from benchmarks.zoo.outcomes import KINDS, ZooRow, outcome_of  # noqa: E402

TABLE = ROOT / "docs" / "models.md"
_BAD = KINDS[: KINDS.index("right")]


def rows_of(models: Sequence[ZooModel], limit: float) -> Iterator[ZooRow]:
    """What becomes of models, each in a process of its own."""
    _warm_up()
    # A fork has everything imported already, but nothing that has started threads.
    context = multiprocessing.get_context("fork")
    for model in models:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(model, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            if ours.poll(limit):
                yield ours.recv()
            else:
                yield _without_answer(model, f"no answer within {limit:.0f} seconds")
        except EOFError:
            process.join()
            yield _without_answer(model, f"the process ended with {process.exitcode}")
        process.kill()
        process.join()


def _warm_up() -> None:
    """Imports all that an export needs, so that no model's time has it."""
    fxexport.export(lambda x: x + 1, (torch.zeros(2),), dynamic=True, verify=False)


def _work(model: ZooModel, pipe: Connection) -> None:
    """A child: sends one row."""
    torch.set_num_threads(1)
    # Packages and ONNX Runtime write warnings and errors there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    pipe.send(outcome_of(model))


def _without_answer(model: ZooModel, details: str) -> ZooRow:
    return ZooRow(model.source, model.family, model.name, "no answer", details)


def chosen_models(sources: Sequence[str], only: str, shard: str) -> list[ZooModel]:
    """The models to go over."""
    number, count = (int(part) for part in shard.split("/"))
    found = [model for source in sources for model in models_of(source) if only in model.name]
    return found[number - 1 :: count]


def table(rows: Sequence[ZooRow]) -> str:
    """The page: counts, then everything that is not right, by name."""
    lines = [
        "# Models",
        "",
        "Every model of torchvision, one of each module of timm and one of each kind of",
        "transformers, made mechanically with random weights (those of transformers tiny),",
        "exported with every dimension dynamic and compared in ONNX Runtime at the example's batch",
        "and size and at others. `python benchmarks/model_zoo.py` writes this page; last with",
        f"PyTorch {torch.__version__.partition('+')[0]}.",
        "",
        "*right*: PyTorch's values at every size tried that PyTorch takes. *narrow*: right, but",
        "the file's contract leaves out a size that PyTorch takes. *refused*: with a reason.",
        "*fails*: ONNX Runtime raises within the contract. Kinds that cannot be made small like",
        "this, or that PyTorch does not run as made, count nowhere.",
        "",
        "| models of | listed | gone over | made | right | share | narrow | refused | fails "
        "| does not load | wrong | no answer | crash | not made | slowest export |",
        "| --- |" + " ---: |" * 14,
    ]
    listed: dict[str, int] = {}
    for source in SOURCES:
        group = [row for row in rows if row.source == source]
        if group:
            listed[source] = len(models_of(source))
            lines.append(_counts(source, group, listed[source]))
    if len(listed) > 1:
        lines.append(_counts("all", rows, sum(listed.values())))
    lines += ["", "## Not right", "", "| model | what | details |", "| --- | --- | --- |"]
    bad = sorted(
        (row for row in rows if row.kind in _BAD),
        key=lambda row: (KINDS.index(row.kind), SOURCES.index(row.source), row.name),
    )
    lines += [f"| {row.source} {row.name} | {row.kind} | {_short(row.details)} |" for row in bad]
    return "\n".join([*lines, ""])


def _short(details: str) -> str:
    """Details in a cell, without where packages are installed."""
    return re.sub(r"\S*/site-packages/", "", details.replace("|", "/"))[:200]


def _counts(name: str, rows: Sequence[ZooRow], listed: int) -> str:
    count = Counter(row.kind for row in rows)
    made = len(rows) - count["not made"]
    slowest = max(rows, key=lambda row: row.seconds)
    kinds = ("narrow", "refused", "fails", "does not load", "wrong", "no answer", "crash")
    cells: list[Any] = [
        name, listed, len(rows), made, count["right"], f"{count['right'] / max(made, 1):.1%}",
        *(count[kind] for kind in (*kinds, "not made")), f"{slowest.seconds:.0f} s {slowest.name}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def kept_rows(paths: Sequence[Path]) -> list[ZooRow]:
    """Rows from files; of a model's several the last one counts."""
    rows: dict[tuple[str, str], ZooRow] = {}
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else ():
            row = ZooRow(**json.loads(line))
            rows[row.source, row.name] = row
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", choices=SOURCES, action="append", help="default: all")
    parser.add_argument("--only", default="", help="models with this in their name")
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="a part of the models")
    parser.add_argument("--limit", type=float, default=240, help="seconds for a model")
    parser.add_argument("--rows", type=Path, help="keep rows here, leave out models that it has")
    parser.add_argument("--table", type=Path, nargs="+", help="write docs/models.md from kept rows")
    options = parser.parse_args()
    if options.table:
        TABLE.write_text(table(kept_rows(options.table)))
        return
    done = {(row.source, row.name) for row in kept_rows([options.rows])} if options.rows else set()
    models = chosen_models(options.source or SOURCES, options.only, options.shard)
    rows = []
    for row in rows_of([m for m in models if (m.source, m.name) not in done], options.limit):
        rows.append(row)
        details = " ".join(row.details.split())[:300]
        print(f"{row.source} {row.name}: {row.kind} ({row.seconds} s) {details}", flush=True)
        if options.rows:
            with options.rows.open("a") as file:
                file.write(json.dumps(row.as_dict()) + "\n")
    if not options.rows and not options.only and not options.source and options.shard == "1/1":
        TABLE.write_text(table(rows))


if __name__ == "__main__":
    main()
