"""Runs every GPU check on a bare machine: ``python -m tests.gpu.run_all``. One line a check.

Needs a GPU, PyTorch with CUDA, and ``tensorrt`` or ``tensorrt_rtx``; no pytest. Exit codes: 0 all
pass, 1 some do not, 2 nothing was run.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial

import torch

from fxexport.errors import UsageError
from fxexport.targets.tensorrt.build.package import find_package
from tests.gpu.checks import CHECKS, check_program, check_shape_outside_the_profile


def main() -> int:
    """Runs the checks; returns the exit code."""
    checks: dict[str, Callable[[], str]] = {
        **{name: partial(check_program, name) for name in CHECKS},
        "shape outside of the profile": check_shape_outside_the_profile,
    }
    missing = _missing()
    if missing:
        for name in checks:
            print(f"skip {name}: {missing}")
        print(f"0 of {len(checks)} were run: {missing}")
        return 2
    print(f"{find_package().title} on {torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    failed = 0
    for name, check in checks.items():
        try:
            wrong = check()
        except Exception as error:
            traceback.print_exc()
            wrong = f"{type(error).__name__}: {error}"
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name} {wrong}".rstrip(), flush=True)
    print(f"{len(checks) - failed} of {len(checks)} pass")
    return min(failed, 1)


def _missing() -> str:
    """What this machine lacks; empty when the checks can be run."""
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU"
    try:
        find_package()
    except UsageError as error:
        return f"{error.message} ({error.hint})"
    return ""


if __name__ == "__main__":
    sys.exit(main())
