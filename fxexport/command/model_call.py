"""The model that a command line names, with the arguments that it is called with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxexport.codes.ids import Code
from fxexport.command.loader import LoadedModel, loaded_model
from fxexport.command.model_reference import ModelReference

if TYPE_CHECKING:
    from fxexport.report.model import Report

__all__ = ["ModelCall", "model_call"]


@dataclass
class ModelCall:
    """A loaded model and its arguments.

    Attributes:
        loaded: the model, and what its file says of inputs.
        args: positional arguments.
        kwargs: arguments by name.
        check_inputs: further inputs to compare on.
        switched: whether it was in training mode, and is not any more.
    """

    loaded: LoadedModel
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    check_inputs: list[Any]
    switched: bool

    @property
    def has_new_weights(self) -> bool:
        """Whether the model was made here, by calling its class, and has parameters."""
        if self.loaded.made_by is None:
            return False
        return next(iter(self.loaded.model.parameters()), None) is not None

    def complete(self, report: Report, done: str = "exported") -> None:
        """Adds to a report what only the command knows.

        Args:
            report: what to add to.
            done: what became of the model.
        """
        report.model = self.loaded.name
        if self.has_new_weights:
            made_by = self.loaded.name.rpartition(":")[2]
            report.add(
                "note",
                f"{made_by}() was called to make the model: its weights are those that it begins "
                "with, and none were loaded",
                code=Code.NEW_WEIGHTS,
            )
        if self.switched:
            report.add(
                "note",
                f"the model was in training mode; it was {done} in eval mode (--train keeps it)",
            )


@contextmanager
def model_call(
    reference: ModelReference,
    inputs: Sequence[str],
    check_inputs: Sequence[str],
    method: str | None,
    *,
    train: bool,
) -> Iterator[ModelCall]:
    """Loads a model and lays the inputs of the command line over its own.

    Args:
        reference: the model.
        inputs: texts of ``--input``.
        check_inputs: files of ``--check-inputs``.
        method: the method that is called.
        train: whether a module stays in training mode.

    Raises:
        UsageError: the model does not load, or inputs do not fit it.
    """
    from fxexport.capture import method_of
    from fxexport.command.example_inputs import merge_inputs
    from fxexport.inputs import parse_input_option, read_inputs, unwrapped

    given = dict(parse_input_option(text) for text in inputs)
    further = [read_inputs(path) for path in check_inputs]
    with loaded_model(reference) as loaded:
        call = method_of(unwrapped(loaded.model)[0], method)
        args, kwargs = merge_inputs(call, loaded.args, loaded.kwargs, given)
        switched = not train and _to_eval_mode(loaded)
        yield ModelCall(loaded, args, kwargs, [*loaded.check_inputs, *further], switched)


def _to_eval_mode(loaded: LoadedModel) -> bool:
    """Puts a module into eval mode; tells whether it was not."""
    from torch import nn

    if not isinstance(loaded.model, nn.Module) or not loaded.model.training:
        return False
    loaded.model.eval()
    return True
