"""How long linear algebra takes in ONNX Runtime and in PyTorch: one thread, the best calls.

python benchmarks/linear_algebra.py                    # all
python benchmarks/linear_algebra.py solve cholesky     # these
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import onnxruntime  # type: ignore[import-untyped]
import torch

import fxexport

SIZES = ((1, 4), (64, 4), (1, 16), (64, 16), (1, 64), (8, 64), (64, 64), (1, 256))
COLUMNS = 8  # of right sides
CALLS = 50

Tensors = tuple[torch.Tensor, ...]


def general(batch: int, size: int) -> Tensors:
    return (torch.randn(batch, size, size),)


def symmetric(batch: int, size: int) -> Tensors:
    (x,) = general(batch, size)
    return (x + x.mT,)


def positive(batch: int, size: int) -> Tensors:
    (x,) = general(batch, size)
    return (x @ x.mT + torch.eye(size),)


def with_sides(batch: int, size: int) -> Tensors:
    return (*general(batch, size), torch.randn(batch, size, COLUMNS))


def triangular(batch: int, size: int) -> Tensors:
    (x,) = positive(batch, size)
    return torch.linalg.cholesky(x), torch.randn(batch, size, COLUMNS)


# What is measured, and what it gets of a batch of matrices of a size.
PROGRAMS: dict[str, tuple[Callable[..., object], Callable[[int, int], Tensors]]] = {
    "solve": (torch.linalg.solve, with_sides),
    "inv": (torch.linalg.inv, general),
    "slogdet": (torch.linalg.slogdet, general),
    "lu_factor": (torch.linalg.lu_factor, general),
    "cholesky": (torch.linalg.cholesky, positive),
    "solve_triangular": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
        triangular,
    ),
    "qr": (torch.linalg.qr, general),
    "eigh": (torch.linalg.eigh, symmetric),
    "eigvalsh": (torch.linalg.eigvalsh, symmetric),
    "svd": (lambda x: torch.linalg.svd(x, full_matrices=False), general),
    "svdvals": (torch.linalg.svdvals, general),
    "pinv": (torch.linalg.pinv, general),
    "lstsq": (lambda a, b: torch.linalg.lstsq(a, b).solution, with_sides),
}


def best(call: Callable[[], object]) -> float:
    """Milliseconds of processor time: others may have the processor in between."""
    times = []
    for _ in range(CALLS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def session_of(program: Callable[..., object], inputs: Tensors, fixed: bool) -> tuple[object, ...]:
    """A session of the file, with sizes that are fixed or dynamic, and its input names."""
    names = [f"x{k}" for k in range(len(inputs))]
    dims = [
        {} if fixed else {0: "b", 1: "n", **({2: "n"} if k == 0 else {})}
        for k in range(len(inputs))
    ]
    exported = fxexport.export(
        program, inputs, dynamic=tuple(dims), input_names=names, verify=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.model.SerializeToString(), options)
    return session, [value.name for value in session.get_inputs()]


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = sys.argv[1:] or list(PROGRAMS)
    print("| function | batch | size | PyTorch, ms | fixed sizes, ratio | dynamic sizes, ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in chosen:
        program, given = PROGRAMS[name]
        for batch, size in SIZES:
            inputs = given(batch, size)
            with torch.no_grad():
                eager = best(lambda program=program, inputs=inputs: program(*inputs))  # type: ignore[misc]
            ratios = []
            for fixed in (True, False):
                session, names = session_of(program, inputs, fixed)
                feed = dict(zip(names, (x.numpy() for x in inputs), strict=True))
                file = best(lambda session=session, feed=feed: session.run(None, feed))  # type: ignore[misc]
                ratios.append(file / eager)
            print(
                f"| {name} | {batch} | {size} | {eager:.3f} | {ratios[0]:.1f} | {ratios[1]:.1f} |"
            )


if __name__ == "__main__":
    main()
