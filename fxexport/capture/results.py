"""A model's result as the outputs of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch

from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import Poison, Session, expression, is_symbolic, sym_type
from fxexport.capture.staging.patterns import Number, leaves_of
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import describe
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.errors import ModelError, UnsupportedError, UsageError
from fxexport.graph.outputs import named_leaves
from fxexport.graph.signature import OutputSpec

__all__ = ["Output", "Results", "output_specs"]


_Kind = Literal["tensor", "int", "float", "bool"]


@dataclass
class Output:
    """A value that the model returns; the fields after it are those of `OutputSpec`."""

    name: str
    value: object
    kind: _Kind | Literal["sequence"]
    items: _Kind = "tensor"
    path: str = ""
    column: int = 0


class Results:
    """Finds the outputs in what a model returns.

    Args:
        session: the capture.
        lists: the operations on lists of varying length.
        sequences: names of lists of fixed length that are to be sequences.
    """

    def __init__(self, session: Session, lists: OpenLists, sequences: Iterable[str]) -> None:
        self._session, self._lists = session, lists
        self._sequences = frozenset(sequences)
        self._packed: set[str] = set()

    def found(self, result: object) -> list[Output]:
        """The tensors, numbers and lists of varying length in a result, in order."""
        # The list that is the whole result has no path; its outputs are called so.
        whole = {"" if name == "output" else name for name in self._sequences}
        found = [
            output
            for path, value in named_leaves(narrowed(result), _is_output, whole=whole)
            for output in self._of_one(path, narrowed(value))
        ]
        unknown = sorted(self._sequences - self._packed)
        if unknown:
            raise UsageError(
                f"sequences names {unknown[0]!r}, and there is no such list",
                hint="name a list among the arguments, or one that the model returns",
            )
        if not found:
            raise ModelError("the model returns no tensor, so there is nothing to export")
        for value in (output.value for output in found):
            if isinstance(value, Poison):
                raise value.refuse()
            if isinstance(value, Maybe):
                raise UnsupportedError(
                    "the model returns a value that is there for some inputs only: "
                    "an output of a file is always there",
                    location=value.fx_location,
                    hint="return a tensor instead (an empty one, zeros), and a flag beside it",
                )
            if isinstance(value, Choice):
                kinds = " or ".join(dict.fromkeys(map(describe, value.values)))
                raise UnsupportedError(
                    f"the model returns {kinds}: an output of a file is of one kind",
                    location=value.fx_location,
                    hint="return one kind on every path: another dtype by to(), a rank by [None]",
                )
            if is_symbolic(value) and expression(value) in self._session.promoted:
                raise UnsupportedError(
                    "the model returns a number that is an int on one path and a float on another",
                    location=self._session.promoted[expression(value)],
                    hint="return one type: write 1.0 instead of 1, or wrap it in float()",
                )
        return found

    def _of_one(self, path: str, value: object) -> list[Output]:
        """A list of varying length is an output for each of the values in an item."""
        if not is_open(value) and not isinstance(value, (list, tuple)):
            kind = _kind_of(value)
            return [Output(path, value, kind)]
        spread = self._lists.single(value)
        self._packed.add(path or "output")
        self._session.report.add(
            "note", f"the list {path or 'that is returned'} is an ONNX sequence in the file"
        )
        leaves = leaves_of(spread.element)
        return [
            Output(
                path if len(leaves) == 1 else f"{path}_{k}" if path else str(k),
                column,
                "sequence",
                cast(_Kind, leaf.kind.__name__) if isinstance(leaf, Number) else "tensor",
                path,
                k,
            )
            for k, (leaf, column) in enumerate(zip(leaves, spread.columns, strict=True))
        ]


def output_specs(
    outputs: Sequence[Output], given: Sequence[str], taken: set[str]
) -> list[OutputSpec]:
    """The file's outputs.

    Args:
        outputs: what the model returns.
        given: names that the user gave.
        taken: names of the inputs; added to.
    """
    specs = []
    for k, output in enumerate(outputs):
        name = given[k] if k < len(given) else _output_name(output.name, k, len(outputs), taken)
        taken.add(name)
        specs.append(OutputSpec(name, output.kind, output.items, output.path, output.column))
    return specs


def _is_output(value: object) -> bool:
    return (
        isinstance(value, (torch.Tensor, Poison, Maybe, Choice))
        or sym_type(value) is not None
        or is_open(value)
    )


def _kind_of(value: object) -> _Kind:
    """What an output is; a value that is no output at all is refused elsewhere."""
    kind = sym_type(value)
    return "tensor" if kind is None else cast(_Kind, kind.__name__)


def _output_name(path: str, index: int, count: int, taken: set[str]) -> str:
    if not path:
        base = "output"
    elif path[0].isdigit():
        base = f"output_{path}"
    else:
        base = "".join(c if c.isalnum() or c == "_" else "_" for c in path)
    name = base
    number = 1
    while name in taken:
        name = f"{base}_{number}"
        number += 1
    return name
