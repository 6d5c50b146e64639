"""The options of an export, as one value that travels through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from fxexport.errors import UsageError
from fxexport.progress import NullProgress, Progress
from fxexport.suggestions import did_you_mean

if TYPE_CHECKING:
    import torch

    from fxexport.graph.captured import CapturedGraph

__all__ = ["OUTPUTS", "WEIGHTS", "ExportOptions"]

# Where weights go: into the file (or beside it, where it would be too large), beside it, nowhere.
WEIGHTS = ("file", "external", "none")
# What becomes of an output that is not of one dtype, rank and presence on all paths.
OUTPUTS = ("merge", "strict")


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
    outputs: str = "merge"
    verify: bool = True
    check_inputs: Sequence[Any] = ()
    external_data: bool | None = None
    weights: str = "file"
    capture: str = "auto"
    method: str | None = None
    state: str | Mapping[str, str] = "drop"
    max_trips: int | None = None
    max_depth: int | None = None
    guards: bool = True
    symbolic: bool | Collection[str] = False
    rtol: float | None = None
    atol: float | None = None
    verify_timeout: float | None = None
    require_coverage: float | None = None
    progress: Progress = field(default_factory=NullProgress)
    notes: tuple[str, ...] = ()

    def check_weights(self) -> None:
        """Refuses a place for weights that there is not.

        Raises:
            UsageError: it is none of the choices, or contradicts `external_data`.
        """
        if self.weights not in WEIGHTS:
            raise UsageError(
                f"weights must be one of {', '.join(map(repr, WEIGHTS))}, got {self.weights!r}",
                hint=did_you_mean(self.weights, WEIGHTS),
            )
        wanted = {"external": True, "none": None}.get(self.weights, self.external_data)
        if self.external_data not in (None, wanted):
            given = f"external_data={self.external_data}"
            raise UsageError(f"weights={self.weights!r} and {given} exclude each other")

    def check_coverage(self) -> None:
        """Refuses a share that is none, or one that nothing is compared for.

        Raises:
            UsageError: it is not between 0 and 100, or the file is not verified.
        """
        wanted = self.require_coverage
        if wanted is None:
            return
        if type(wanted) not in (int, float) or not 0 <= wanted <= 100:
            raise UsageError(f"require_coverage: expected a number from 0 to 100, got {wanted!r}")
        if not self.verify:
            raise UsageError("require_coverage needs verification, which is switched off")

    def check_max_depth(self) -> None:
        """Refuses a depth that is no positive integer.

        Raises:
            UsageError: it is none.
        """
        depth = self.max_depth
        if depth is not None and (type(depth) is not int or depth < 1):
            raise UsageError(f"max_depth: expected an integer from 1, got {depth!r}")

    def check_no_class(self) -> None:
        """Refuses a class in place of a model: nobody would know which weights it gets."""
        if isinstance(self.model, type):
            name = self.model.__name__
            raise UsageError(
                f"model is the class {name}, and no model yet",
                hint=f"make one, with the weights that it is to have: model = {name}(...)",
            )

    def check_outputs(self) -> None:
        """Refuses output names that are no names, and an `outputs` that there is not.

        Raises:
            UsageError: the names are one text, or hold something that is no text; or `outputs` is
                none of the choices.
        """
        if self.outputs not in OUTPUTS:
            raise UsageError(
                f"outputs must be one of {', '.join(map(repr, OUTPUTS))}, got {self.outputs!r}",
                hint=did_you_mean(self.outputs, OUTPUTS),
            )
        names = self.output_names
        if isinstance(names, str) or not all(isinstance(n, str) and n for n in names or ()):
            raise UsageError(f"output_names must be a list of names, got {names!r}")

    def check_output_names_of(self, graph: CapturedGraph) -> None:
        """The given names fit the model's outputs, and no two values share one.

        Raises:
            UsageError: they do not.
        """
        if not self.output_names:
            return
        count = len(graph.outputs) - len(graph.state)
        # What says whether another one is there is named after that.
        own = [spec.name for spec in graph.outputs[:count] if spec.of_model]
        if len(self.output_names) != len(own):
            raise UsageError(
                f"output_names has {len(self.output_names)} names, but the model has {len(own)} "
                "output(s): " + ", ".join(own)
            )
        names = [*(spec.name for spec in graph.inputs), *(spec.name for spec in graph.outputs)]
        for name in self.output_names:
            if names.count(name) > 1:
                raise UsageError(
                    f"output_names: {name!r} is the name of another input or output too",
                    hint="give every output a name of its own",
                )
