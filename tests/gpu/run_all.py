"""Runs every GPU check on a bare machine: ``python -m tests.gpu.run_all``. One line a check.

Needs a GPU, PyTorch with CUDA, and ``tensorrt`` or ``tensorrt_rtx``; no pytest.
"""

from __future__ import annotations

import sys
import traceback

import torch

from fxexport.targets.tensorrt.package import find_package
from tests.gpu.checks import CHECKS, check_program, check_shape_outside_the_profile


def main() -> int:
    """Runs the checks; returns how many failed, at most 1 for the shell."""
    if not torch.cuda.is_available():
        print("no GPU: nothing was run")
        return 1
    print(f"{find_package().title} on {torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    checks = [(name, lambda name=name: check_program(name)) for name in CHECKS]
    checks.append(("shape outside of the profile", check_shape_outside_the_profile))
    failed = 0
    for name, check in checks:
        try:
            wrong = check()
        except Exception as error:
            traceback.print_exc()
            wrong = f"{type(error).__name__}: {error}"
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name} {wrong}", flush=True)
    print(f"{len(checks) - failed} of {len(checks)} pass")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
