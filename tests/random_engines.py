"""Random programs through `--target tensorrt`: exported under a profile, compared, and built.

    python -m tests.random_engines --seed 0 --count 100 --flavour lists

An outcome of "refused by the builder" is a rewrite or a rule of the lint that is missing;
"disagrees" and "bug" are bugs.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.random_programs import RandomProgram, generate, load

__all__ = ["load_table", "main", "outcome_of"]

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "tensorrt_table.py"
FAILURES = ("refused by the builder", "disagrees", "bug")


def load_table() -> ModuleType:
    """The script that makes docs/tensorrt-table.md."""
    known = sys.modules.get("tensorrt_table")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location("tensorrt_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def outcome_of(program: RandomProgram, folder: Path, verify: bool = True) -> Any:
    """What becomes of a random program: a row of the table."""
    table = load_table()
    name = f"random_engine_{program.seed}"
    make = load(program.source, folder, name)
    entry = table.Entry(name, make, program.inputs())
    return table.outcome_of(entry, str(folder), verify)


def main(arguments: list[str] | None = None) -> int:
    """Runs many programs and prints those that fail; 1 if any does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="number of programs")
    parser.add_argument("--flavour", default="plain", choices=("plain", "lists"))
    parser.add_argument("--no-verify", action="store_true", help="build only")
    parser.add_argument("--keep", default="", help="folder to leave the files in")
    options = parser.parse_args(arguments)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(options.seed, options.seed + options.count):
            program = generate(seed, options.flavour)
            row = outcome_of(program, folder, not options.no_verify)
            counts[row.outcome] += 1
            print(f"# seed {seed}: {row.outcome} {row.said[:300]}", flush=True)
            if row.outcome in FAILURES and not options.keep:
                print(program.source, flush=True)
    print(dict(counts))
    return 1 if any(counts[failure] for failure in FAILURES) else 0


if __name__ == "__main__":
    sys.exit(main())
