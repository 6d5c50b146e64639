"""Every operator of PyTorch's own list, exported and compared: alone and inside a branch.

    python benchmarks/operator_audit.py                      # all; writes docs/operators.md
    python benchmarks/operator_audit.py --only softmax       # operators with this in their name
    python benchmarks/operator_audit.py --dtype int64 --shard 1/4 --rows rows.jsonl
    python benchmarks/operator_audit.py --table rows.jsonl   # the table, from kept rows

Operators run in a child process, with a time limit for each. `--rows` keeps what was found,
one row a line, so that shards can run beside each other and be put into one table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.operator_outcomes import FORMS, outcome_of  # noqa: E402
from tests.support.operator_samples import (  # noqa: E402
    DTYPES,
    MORE_DTYPES,
    calls_of,
    operators,
)

Row = dict[str, Any]

EVERY_DTYPE = {**DTYPES, **MORE_DTYPES}
# The worst first: an operator is what its worst call is.
KINDS = ("crash", "no answer", "wrong", "does not load", "fails", "unguarded", "refused", "right")
BAD = KINDS[:6]
_OPERATORS_A_PROCESS = 100  # PyTorch's caches grow
TABLE = ROOT / "docs" / "operators.md"


def rows_of(operator: Any, dtype: str, samples: int, outside: bool = False) -> Iterator[Row]:
    """What becomes of an operator's calls, a row for each call in each form."""
    name = name_of(operator)
    for call in calls_of(operator, EVERY_DTYPE[dtype], samples):
        for form in FORMS:
            undefined = "empty" in operator.name
            outcome = outcome_of(call, form, undefined=undefined, outside=outside)
            yield {
                "operator": name,
                "dtype": dtype,
                "form": form,
                "call": str(call),
                "kind": outcome.kind,
                "details": outcome.details,
                "narrowed": outcome.narrowed,
                "compared": outcome.compared,
            }


def _work(chosen: Sequence[tuple[Any, str]], samples: int, outside: bool, pipe: Connection) -> None:
    """A child: takes numbers of operators, sends their rows, and None after each operator's."""
    torch.set_num_threads(1)
    # ONNX Runtime writes what it raises there as well.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while True:
        operator, dtype = chosen[pipe.recv()]
        try:
            for row in rows_of(operator, dtype, samples, outside):
                pipe.send(row)
        except Exception as error:  # PyTorch's own samples fail at times
            pipe.send({"error": f"{type(error).__name__}: {error}"})
        pipe.send(None)


class Worker:
    """A process that goes over operators; another takes its place when it ends or hangs."""

    def __init__(self, chosen: Sequence[tuple[Any, str]], samples: int, outside: bool) -> None:
        self._task = (chosen, samples, outside)
        self._start()

    def _start(self) -> None:
        # A fork has PyTorch imported already, but nothing that has started threads.
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(*self._task, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._done = 0

    def rows(self, number: int, limit: float) -> Iterator[Row]:
        """The rows of one operator; one more with an "ended" where it did not come to an end."""
        if self._done >= _OPERATORS_A_PROCESS:
            self.close()
            self._start()
        self._done += 1
        self._pipe.send(number)
        end = time.monotonic() + limit
        while self._pipe.poll(max(0.0, end - time.monotonic())):
            try:
                row = self._pipe.recv()
            except EOFError:
                self._process.join()
                yield {"ended": f"the process ended with {self._process.exitcode}"}
                self._start()
                return
            if row is None:
                return
            yield row
        yield {"ended": f"no answer within {limit:.0f} seconds"}
        self.close()
        self._start()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


def audit(
    chosen: Sequence[tuple[Any, str]], samples: int, limit: float, outside: bool = False
) -> Iterator[Row]:
    """The rows of many operators, in a process that outlives none that hangs or ends."""
    worker = Worker(chosen, samples, outside)
    for number, (operator, dtype) in enumerate(chosen):
        for row in worker.rows(number, limit):
            if "error" in row:
                print(f"{name_of(operator)} {dtype}: no samples: {row['error']}", file=sys.stderr)
            elif "ended" in row:
                yield {
                    "operator": name_of(operator),
                    "dtype": dtype,
                    "form": "alone",
                    "call": "",
                    "kind": "no answer",
                    "details": row["ended"],
                    "narrowed": 0,
                    "compared": 0,
                }
            else:
                yield row
    worker.close()


def name_of(operator: Any) -> str:
    """An operator's name, with that of its variant."""
    variant = operator.variant_test_name
    return f"{operator.name}.{variant}" if variant else str(operator.name)


def chosen_operators(only: str, dtypes: Sequence[str], shard: str) -> list[tuple[Any, str]]:
    """The operators to go over, each with a dtype."""
    number, count = (int(part) for part in shard.split("/"))
    found = [
        (operator, dtype)
        for operator in operators()
        for dtype in dtypes
        if EVERY_DTYPE[dtype] in operator.dtypes and only in name_of(operator)
    ]
    return found[number - 1 :: count]


def verdicts(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    """The worst row of each operator and dtype; "right" counts where anything was right."""
    by_operator: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_operator[row["operator"], row["dtype"]].append(row)
    return {
        key: min(group, key=lambda row: KINDS.index(row["kind"]))
        for key, group in by_operator.items()
    }


def known_faults() -> set[tuple[str, str]]:
    """The operators and dtypes that the page lists as neither right nor refused."""
    found: set[tuple[str, str]] = set()
    text = TABLE.read_text() if TABLE.exists() else ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) >= 4 and cells[1] in DTYPES and cells[2] in FORMS:
            found.add((cells[0], cells[1]))
    return found


def table(rows: Sequence[Row]) -> str:
    """The page: counts, what is refused and why, everything else by name."""
    worst = verdicts(rows)
    lines = [
        "# Operators",
        "",
        "Every operator of PyTorch's own list of samples (`op_db`), exported alone and inside a",
        "branch with every dimension dynamic, and compared in ONNX Runtime at the sample's sizes",
        "and at grown, shrunk, odd, 1 and 0 sizes. `python benchmarks/operator_audit.py` writes",
        f"this page; it was last written with PyTorch {torch.__version__.split('+')[0]}.",
        "",
        "Where fewer were tried than are listed, samples of the rest hold complex, sparse or no",
        "tensors, or that dtype was not gone over to its end.",
        "",
        "An operator counts as what the worst of its calls is: *right* (PyTorch's values wherever",
        "the contract of the file lets it be asked), *refused* (with a reason), *unguarded* (an",
        "answer where PyTorch raises), *fails* (ONNX Runtime raises within the contract), *does",
        "not load*, *wrong*, *crash*, *no answer* (in time).",
        "",
        "A difference counts where PyTorch's own result is defined: not in the order of equal",
        "elements or the signs of eigenvectors (they are compared on the file's own), and not",
        "where moving the inputs by their last digit moves PyTorch's result about as far, as with",
        "the inverse of a matrix that is singular but for rounding.",
        "",
        "| samples | operators | tried | " + " | ".join(reversed(KINDS)) + " |",
        "| --- | ---: | ---: |" + " ---: |" * len(KINDS),
    ]
    for dtype in EVERY_DTYPE:
        counts = Counter(row["kind"] for (_, d), row in worst.items() if d == dtype)
        if counts:
            numbers = " | ".join(str(counts[kind]) for kind in reversed(KINDS))
            listed = sum(DTYPES[dtype] in operator.dtypes for operator in operators())
            lines.append(f"| {dtype} | {listed} | {sum(counts.values())} | {numbers} |")
    lines += ["", "## Refused", "", "| reason | operators |", "| --- | --- |"]
    reasons: dict[str, dict[str, None]] = defaultdict(dict)
    for (name, _), row in worst.items():
        if row["kind"] == "refused":
            reasons[_reason(row["details"])][name] = None
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        lines.append(f"| {_cell(reason)} | {', '.join(names)} |")
    for kind in BAD:
        bad = {key: row for key, row in worst.items() if row["kind"] == kind}
        if bad:
            lines += ["", f"## {kind.capitalize()}", ""]
            lines += ["| operator | samples | form | what |", "| --- | --- | --- | --- |"]
        for (name, dtype), row in sorted(bad.items()):
            what = _cell(f"{row['details']} {row['call']}")
            lines.append(f"| {name} | {dtype} | {row['form']} | {what} |")
    return "\n".join(lines) + "\n"


def _reason(details: str) -> str:
    """The message without the place and the hint."""
    return details.split(" at ", 1)[0].split(" hint: ", 1)[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:300]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="operators with this in their name")
    parser.add_argument("--dtype", action="append", choices=list(EVERY_DTYPE))
    parser.add_argument("--shard", default="1/1", help="k/n: every n-th, beginning with the k-th")
    parser.add_argument("--samples", type=int, default=3, help="calls of each operator")
    parser.add_argument("--limit", type=float, default=60, help="seconds for each operator")
    parser.add_argument("--outside", action="store_true", help="also where PyTorch raises")
    parser.add_argument("--rows", type=Path, help="where to keep the rows")
    parser.add_argument("--table", type=Path, nargs="+", help="only write the table, from rows")
    arguments = parser.parse_args()
    if arguments.table:
        kept = [json.loads(t) for path in arguments.table for t in path.read_text().splitlines()]
        TABLE.write_text(table(kept))
        return
    rows: list[Row] = []
    chosen = chosen_operators(arguments.only, arguments.dtype or list(DTYPES), arguments.shard)
    with open(arguments.rows or os.devnull, "w") as kept_rows:
        found = audit(chosen, arguments.samples, arguments.limit, arguments.outside)
        for row in found:
            rows.append(row)
            print(json.dumps(row), file=kept_rows, flush=True)
            if row["kind"] in BAD:
                fields = (row[key] for key in ("kind", "operator", "dtype", "form"))
                print(*fields, row["call"], row["details"][:300], sep=" | ", flush=True)
    for dtype in EVERY_DTYPE:
        counts = Counter(r["kind"] for (_, d), r in verdicts(rows).items() if d == dtype)
        if counts:
            print(f"{dtype}: " + ", ".join(f"{counts[k]} {k}" for k in KINDS if counts[k]))
    if not arguments.only and not arguments.dtype and arguments.shard == "1/1":
        TABLE.write_text(table(rows))


if __name__ == "__main__":
    main()
