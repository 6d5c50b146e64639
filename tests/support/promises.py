"""Whether a file keeps what it promises of a dimension that was asked to be dynamic.

At each size one of two things must be so: PyTorch gives a value and the file gives the same, or
PyTorch raises, and the file raises or its contract says that the size is not for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
import torch

import fxexport
from tests.support.harness import compare, flatten

__all__ = ["SIZES", "Promise", "keeps_promise", "promise_of"]

SIZES = (*range(13), 24)
Make = Callable[[int], tuple[Any, ...]]


@dataclass
class Promise:
    """What a file does at some sizes.

    Attributes:
        exported: the export.
        right: sizes at which it gives PyTorch's values.
        raising: sizes at which PyTorch raises, and it does not answer.
        faults: what it does wrong, a sentence each.
    """

    exported: fxexport.Exported
    right: list[int] = field(default_factory=list)
    raising: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def relations(self) -> list[str]:
        """The relations of the contract."""
        return [constraint.text for constraint in self.exported.graph.constraints]


def keeps_promise(
    program: Callable[..., Any],
    make: Make,
    example: int = 6,
    sizes: Iterable[int] = SIZES,
    dynamic: Any = None,
) -> Promise:
    """Exports a program and checks the file at all sizes.

    Args:
        program: the model.
        make: gives the arguments for a size.
        example: the size of the example.
        sizes: the sizes to check.
        dynamic: by default dimension "n" is the first one of the first argument.
    """
    promise = promise_of(program, make, example, sizes, dynamic)
    assert not promise.faults, "\n".join([*promise.faults, *promise.relations])
    return promise


def promise_of(
    program: Callable[..., Any],
    make: Make,
    example: int = 6,
    sizes: Iterable[int] = SIZES,
    dynamic: Any = None,
) -> Promise:
    """The same without the check."""
    if dynamic is None:
        dynamic = {"x": {0: "n"}}
    exported = fxexport.export(program, copy.deepcopy(make(example)), dynamic=dynamic, verify=False)
    promise = Promise(exported)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        exported.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for size in sizes:
        _check(promise, session, program, make(size), size)
    return promise


def _check(
    promise: Promise, session: Any, program: Callable[..., Any], row: tuple[Any, ...], size: int
) -> None:
    graph = promise.exported.graph
    expected: list[Any] | None = None
    try:
        with torch.no_grad():
            result = program(*copy.deepcopy(row))
        expected = _values(result, graph)
    except Exception:
        expected = None
    feed = {
        given.name: value.numpy()
        for given, value in zip(session.get_inputs(), flatten(row), strict=True)
        if isinstance(value, torch.Tensor)
    }
    error = ""
    actual: list[Any] | None = None
    try:
        actual = session.run(None, feed)
    except Exception as raised:
        error = str(raised)
    promised = all(constraint.holds({"n": size}) for constraint in graph.constraints)
    if expected is None:
        if actual is None or not promised:
            promise.raising.append(size)
        else:
            promise.faults.append(f"n = {size}: a value, and PyTorch raises")
    elif not promised:
        promise.faults.append(f"n = {size}: not promised, and PyTorch gives a value")
    elif actual is None:
        promise.faults.append(f"n = {size}: raises {error}")
    else:
        difference = compare(expected, actual)
        if difference:
            promise.faults.append(f"n = {size}: {difference}")
        else:
            promise.right.append(size)


def _values(result: Any, graph: Any) -> list[Any]:
    if any(spec.kind == "sequence" for spec in graph.outputs):
        from fxexport.graph.outputs import flat_outputs

        return flat_outputs(result, graph.outputs)
    return list(flatten(result))
