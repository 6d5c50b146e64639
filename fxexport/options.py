"""The options of an export, as one value that travels through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from fxexport.errors import UsageError
from fxexport.progress import NullProgress, Progress

if TYPE_CHECKING:
    import torch

__all__ = ["ExportOptions"]


@dataclass(frozen=True)
class ExportOptions:
    """What `fxexport.export` was called with; its docstring says what each option means."""

    model: Callable[..., Any] | torch.export.ExportedProgram
    inputs: Any = ()
    path: str | PathLike[str] | None = None
    kwargs: Mapping[str, Any] | None = None
    dynamic: Any = False
    profiles: Any = None
    target: str = "onnxruntime"
    opset: int | None = None
    sequences: Sequence[str] = ()
    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None
    verify: bool = True
    check_inputs: Sequence[Any] = ()
    external_data: bool | None = None
    capture: str = "auto"
    method: str | None = None
    state: str | Mapping[str, str] = "drop"
    max_trips: int | None = None
    max_depth: int | None = None
    guards: bool = True
    symbolic: bool | Collection[str] = False
    progress: Progress = field(default_factory=NullProgress)

    def check_max_depth(self) -> None:
        """Refuses a depth that is no positive integer.

        Raises:
            UsageError: it is none.
        """
        depth = self.max_depth
        if depth is not None and (type(depth) is not int or depth < 1):
            raise UsageError(f"max_depth: expected an integer from 1, got {depth!r}")

    def check_output_names(self) -> None:
        """Refuses output names that are no names.

        Raises:
            UsageError: they are one text, or hold something that is no text.
        """
        names = self.output_names
        if isinstance(names, str) or not all(isinstance(n, str) and n for n in names or ()):
            raise UsageError(f"output_names must be a list of names, got {names!r}")
