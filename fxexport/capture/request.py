"""What a capture is asked for, and its dimensions that are found to be fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from fxexport.capture.recording.recorder import Decomposer
from fxexport.capture.state.policy import StateChoice
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.library_functions import LibraryFunction
from fxexport.graph.signature import DimRange, InputSpec, StateSpec
from fxexport.graph.user_functions import UserFunction
from fxexport.progress import Position
from fxexport.report.model import Report
from fxexport.source.location import SourceLocation

__all__ = ["CaptureRequest", "Pins", "pinned", "refuse_pinned_state"]

Pins = dict[str, tuple[int | None, SourceLocation | None]]
"""Dimension -> the size to hold it at (None for the example's), and the line that needs it."""


@dataclass(frozen=True)
class CaptureRequest:
    """What to capture.

    Attributes:
        model: the module or function to call.
        inputs: the file's inputs; dynamic dimensions are DimRanges.
        hints: a valid size for every dimension of every input.
        rebuild: from one value an input to the arguments of the call.
        pinnable: names of the dimensions that may be held at one size where the model needs it.
        profiled: names of the dimensions that need not satisfy the model's relations at all sizes
            of their range, since profiles say at which.
        output_names: names for the outputs, as far as given.
        strict_outputs: whether what is returned must be there, of one dtype and of one rank on all
            paths; else it is promoted, or gets an output that says whether it is there.
        sequences: names of returned lists of fixed length that are to be sequences.
        decomposition_for: how to express an operator through others, None to keep it.
        keep_composite: which composite operators to record whole.
        state: what becomes of state that survives a call, by its path.
        library_functions: functions of libraries to record as one operator.
        user_functions: gives the node that the user has named a function as, or None.
        unread: names of weights whose values decide nothing: others may come into the file.
        max_depth: how many calls of one function may be inside each other, where data ends that.
        watch: is given what says where in the model capture is.
    """

    model: Callable[..., object]
    inputs: Sequence[InputSpec]
    hints: Sequence[tuple[int, ...]]
    rebuild: Callable[[Sequence[object]], tuple[tuple[object, ...], dict[str, object]]]
    pinnable: frozenset[str]
    output_names: Sequence[str]
    decomposition_for: Decomposer
    keep_composite: Callable[[torch._ops.OpOverload], bool]
    profiled: frozenset[str] = frozenset()
    strict_outputs: bool = False
    sequences: frozenset[str] = frozenset()
    state: Callable[[str], StateChoice] = lambda _: "drop"
    library_functions: Sequence[LibraryFunction] = ()
    user_functions: Callable[[object], UserFunction | None] = lambda _: None
    unread: frozenset[str] = frozenset()
    max_depth: int | None = None
    watch: Callable[[Position], None] = lambda position: None


def refuse_pinned_state(state: Sequence[StateSpec], pins: Pins) -> None:
    """State that changes its size cannot be held at one."""
    for entry in state:
        for k, dim in enumerate(entry.spec.shape):
            if isinstance(dim, DimRange) and dim.name in pins:
                size, location = pins[dim.name]
                wanted = "one size" if size is None else f"size {size}"
                raise UnsupportedError(
                    f"dimension {k} of the state {entry.path!r} changes from call to call, but "
                    f"this line needs it to be of {wanted}",
                    code=Code.STATE,
                    location=location,
                )


def pinned(
    request: CaptureRequest,
    inputs: Sequence[InputSpec],
    pins: Pins,
    report: Report,
) -> list[InputSpec]:
    """The inputs with dimensions made static, or a refusal where the user asked for them."""
    out = []
    for spec, sizes in zip(inputs, request.hints, strict=True):
        shape = list(spec.shape)
        for k, dim in enumerate(shape):
            if not isinstance(dim, DimRange) or dim.name not in pins:
                continue
            value, location = pins[dim.name]
            size = sizes[k] if value is None else value
            where = f"dimension {k} of {spec.name!r}"
            if dim.name not in request.pinnable:
                raise UnsupportedError(
                    f"{where} was asked to be dynamic, but this line needs it to be {size}",
                    code=Code.NAMED_SIZE_IS_FIXED,
                    location=location,
                    hint="leave that dimension out of `dynamic`",
                )
            shape[k] = size
            report.add("pinned", f"{where} is {size}: the model needs it", location)
        out.append(replace(spec, shape=tuple(shape)))
    return out
