"""What the check reaches in the corpus: every goal of every program, and how.

    python benchmarks/verified_goals.py LOG [--only loops] [--every 6] [--examples]
    python benchmarks/verified_goals.py LOG --show

Each program of `tests/programs/` and each file of `examples/` is exported with its first inputs
alone and compared with PyTorch. Printed is one line a program: how many goals (sides of ifs, trip
counts of loops) were reached by inputs, by force, in the graph only, or not, with a reason or
without; how many comparisons disagree; the seconds of the check, those that this process worked
for it, and those of export and check. What was not reached and what disagrees follows each line;
the sum is last. `LOG` gets each result as a line of JSON: a run that is begun again goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COUNTS = ("goals", "input", "forced", "graph only", "reason", "untold", "wrong")
TIMES = ("check", "cpu", "seconds")


class Subject(NamedTuple):
    """What is exported: a name, what makes it, its example inputs, and what may vary."""

    name: str
    make: Callable[[], Any]
    inputs: tuple[Any, ...]
    dynamic: Any


def corpus() -> Iterator[Subject]:
    """The programs of the corpus that can be exported."""
    from tests.programs import all_programs

    for program in all_programs():
        if program.expect != "refuse":
            yield Subject(program.name, program.make, program.inputs[0], program.dynamic)


def examples() -> Iterator[Subject]:
    """The files of `examples/`."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        name = f"example_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        make: Callable[[], Any] = lambda module=module: copy.deepcopy(module.model)  # noqa: E731
        yield Subject(f"examples.{path.stem}", make, module.example_inputs, True)


def measured(subject: Subject) -> dict[str, Any]:
    """Exports one program and sums up its check."""
    import fxexport
    from fxexport.errors import FxExportError

    row: dict[str, Any] = {"name": subject.name}
    start = time.perf_counter()
    try:
        exported = fxexport.export(
            subject.make(), copy.deepcopy(subject.inputs), dynamic=subject.dynamic, verify=False
        )
        begun, used = time.perf_counter(), time.process_time()
        found = exported.verify()
    except FxExportError as error:
        return {**row, "refused": str(error).splitlines()[0]}
    except Exception as error:
        return {**row, "crashed": f"{type(error).__name__}: {error}"}
    end = time.perf_counter()
    row |= {"check": end - begun, "seconds": end - start, "cpu": time.process_time() - used}
    if not found.ran:
        return {**row, "crashed": f"not compared: {found.message}"}
    reached: Counter[str] = Counter(goal.reached for goal in found.goals)
    missing = [goal for goal in found.goals if goal.reached == "not reached"]
    row |= {"goals": len(found.goals), **{k: reached[k] for k in ("input", "forced", "graph only")}}
    row["reason"] = sum(bool(goal.reason) for goal in missing)
    row["untold"] = len(missing) - row["reason"]
    row["wrong"] = sum(not case.ok for case in found.cases)
    row["cases"] = len(found.cases)
    row["unreached"] = [
        f"{goal.location.short if goal.location else '?'} {goal.kind} {goal.goal}: "
        f"{goal.reached}: {goal.reason or 'no reason'}"
        for goal in found.goals
        if goal.reached in ("not reached", "graph only")
    ]
    row["forced_ways"] = [
        f"{goal.location.short if goal.location else '?'} {goal.kind} {goal.goal}"
        for goal in found.goals
        if goal.reached == "forced"
    ]
    row["wrong_cases"] = [f"{c.label}: {c.message}" for c in found.cases if not c.ok]
    row["message"] = found.message if row["wrong"] else ""
    row["notes"] = list(found.notes)
    return row


def show(row: dict[str, Any]) -> None:
    """Prints one program."""
    if "goals" not in row:
        what = "refused" if "refused" in row else "CRASHED"
        print(f"{row['name']:<52} {what}: {row.get('refused') or row.get('crashed')}", flush=True)
        return
    counts = " ".join(f"{row[name]:>5}" for name in COUNTS)
    times = " ".join(f"{row[name]:>7.2f}" for name in TIMES)
    print(f"{row['name']:<52} {counts} {times}", flush=True)
    for text in row["unreached"]:
        print(f"        {text}", flush=True)
    for text in row["wrong_cases"]:
        print(f"    WRONG {text}", flush=True)
    if row["message"]:
        print(f"    WRONG {row['message']}", flush=True)


def sum_up(rows: list[dict[str, Any]]) -> None:
    """Prints the sums, and the reasons by how often they are given."""
    done = [row for row in rows if "goals" in row]
    print(f"\n{'':<52} {' '.join(f'{name:>5}' for name in COUNTS)}   check     cpu seconds")
    counts = " ".join(f"{sum(row[name] for row in done):>5}" for name in COUNTS)
    times = " ".join(f"{sum(row[name] for row in done):>7.1f}" for name in TIMES)
    print(f"{f'{len(done)} programs':<52} {counts} {times}")
    print(f"refused: {sum('refused' in row for row in rows)}")
    print(f"crashed: {', '.join(row['name'] for row in rows if 'crashed' in row) or 'none'}")
    print(f"disagree: {', '.join(row['name'] for row in done if row['wrong']) or 'none'}")
    reasons = Counter(text.split(": ", 1)[1] for row in done for text in row["unreached"])
    for reason, count in reasons.most_common():
        print(f"{count:>5}  {reason}")


def main() -> None:
    """Runs what is not in the log yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, help="a file of JSON lines, made if it is not there")
    parser.add_argument("--only", default="", help="programs whose names have this in them")
    parser.add_argument("--every", type=int, default=1, help="every so many of them")
    parser.add_argument("--examples", action="store_true", help="the examples alone")
    parser.add_argument("--show", action="store_true", help="print what is in the log")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(ROOT))
    lines = options.log.read_text().splitlines() if options.log.exists() else []
    rows = [json.loads(line) for line in lines]
    if options.show:
        for row in rows:
            show(row)
        sum_up(rows)
        return
    known = {row["name"] for row in rows}
    subjects = list(examples())
    if not options.examples:
        subjects += corpus()
    chosen = [s for s in subjects if options.only in s.name][:: options.every]
    with options.log.open("a") as log:
        for subject in chosen:
            if subject.name in known:
                continue
            row = measured(subject)
            rows.append(row)
            log.write(json.dumps(row) + "\n")
            log.flush()
            show(row)
    sum_up(rows)


if __name__ == "__main__":
    main()
