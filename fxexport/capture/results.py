"""A model's result as the outputs of a file."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch

from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import Poison, Session, expression, is_symbolic, sym_type
from fxexport.capture.staging.alternatives import merged_copy
from fxexport.capture.staging.patterns import ListOf, Number, Packed, Parts, Pattern, leaves_of
from fxexport.capture.staging.ranks import of_any_rank
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import describe, leaf_kind
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
    optional: str | None = None
    tells: bool = False
    promoted: bool = False


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
        return found

    def _of_one(self, path: str, value: object) -> list[Output]:
        """The outputs of a leaf: what may be None has a flag, a list one for each column."""
        if isinstance(value, Poison):
            raise value.refuse()
        if isinstance(value, Maybe):
            return self._of_optional(path, value)
        if isinstance(value, Choice):
            merged = merged_copy(self._session, value)
            if isinstance(merged, Choice):
                return [self._of_several(path, merged)]
            return [
                output
                for sub, leaf in named_leaves(merged, _is_output)
                for output in self._of_one(_joined(path, sub), narrowed(leaf))
            ]
        if not is_open(value) and not isinstance(value, (list, tuple)):
            promoted = is_symbolic(value) and expression(value) in self._session.promoted
            return [Output(path, value, _kind_of(value), promoted=promoted)]
        spread = self._lists.single(value)
        self._packed.add(path or "output")
        self._session.report.add(
            "note", f"the list {path or 'that is returned'} is an ONNX sequence in the file"
        )
        if _holds_lists(spread.element):
            raise UnsupportedError(
                "the model returns a list of lists, and how many items they have is known only "
                "when the model runs",
                hint="return one list for all items, or a tensor (torch.tensor(lists))",
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

    def _of_optional(self, path: str, value: Maybe) -> list[Output]:
        """What may be None: its leaves, and a flag that says whether they are there."""
        if value.absent is not None:
            raise UnsupportedError(
                "the model returns a value that is there for some inputs only, and its key or "
                "attribute is missing otherwise",
                location=value.fx_location,
                hint="give it a value on every path, None for example",
            )
        leaves = named_leaves(value.value, _is_output)
        found = [
            output for sub, leaf in leaves for output in self._of_one(_joined(path, sub), leaf)
        ]
        nested = [o for o in found if o.kind == "sequence" or o.optional is not None]
        if nested or not found:
            raise UnsupportedError(
                "the model returns None or something in which there is no tensor, a list of "
                "varying length, or something else that may be None",
                location=value.fx_location,
                hint="return tensors, or None for each of them",
            )
        self._session.report.add(
            "note",
            f"{_base_name(path)} may be None: {_base_name(path)}.present says whether it is there",
            value.fx_location,
        )
        for output in found:
            output.optional = path
        flag = Output(path, value.present, "bool", optional=path, tells=True)
        return [*found, flag]

    def _of_several(self, path: str, value: Choice) -> Output:
        """Tensors and numbers of several dtypes and ranks: dtypes are promoted as in arithmetic."""
        session = self._session
        ranks = {one.dim() if isinstance(one, torch.Tensor) else 0 for one in value.values}
        plain = all(leaf_kind(one) is not None for one in value.values)
        if not plain:
            kinds = " or ".join(dict.fromkeys(map(describe, value.values)))
            raise UnsupportedError(
                f"the model returns {kinds}: an output of a file is of one kind",
                location=value.fx_location,
                hint="return tensors or numbers on every path",
            )
        dtypes = [one.dtype for one in value.values if isinstance(one, torch.Tensor)]
        dtype = functools.reduce(torch.promote_types, dtypes)
        names = " or ".join(str(one).removeprefix("torch.") for one in dict.fromkeys(dtypes))
        if len(set(dtypes)) > 1 or len(dtypes) < len(value.values):
            session.report.add(
                "assumption",
                f"{_base_name(path)} is {names}, which depends on the path: it is always "
                f"{str(dtype).removeprefix('torch.')} in the file",
                value.fx_location,
            )
        made: object = session.each(value, lambda one: _as_dtype(one, dtype))
        if isinstance(made, Choice):
            session.report.add(
                "note",
                f"{_base_name(path)} has a rank of "
                f"{' or '.join(map(str, sorted(ranks)))}, which depends on the path",
                value.fx_location,
            )
            made = of_any_rank(session, made)
        return Output(path, made, "tensor", promoted=True)


def _holds_lists(pattern: Pattern) -> bool:
    """Whether an item of a list is, or has in it, a list of varying length."""
    if isinstance(pattern, Parts):
        return any(map(_holds_lists, pattern.items))
    return isinstance(pattern, (ListOf, Packed))


def _as_dtype(value: object, dtype: torch.dtype) -> object:
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    return torch.scalar_tensor(value, dtype=dtype)  # type: ignore[arg-type]


def _joined(path: str, sub: str) -> str:
    return f"{path}_{sub}" if path and sub else path or sub


def output_specs(
    outputs: Sequence[Output], given: Sequence[str], taken: set[str]
) -> list[OutputSpec]:
    """The file's outputs.

    Args:
        outputs: what the model returns.
        given: names that the user gave.
        taken: names of the inputs; added to.
    """
    specs: list[OutputSpec] = []
    names = iter(given)
    flags = {
        output.optional: _unlike(f"{_base_name(output.optional or '')}.present", taken)
        for output in outputs
        if output.tells
    }
    for output in outputs:
        if output.tells:
            name = flags[output.optional]
        else:
            name = next(names, None) or _unlike(_base_name(output.name), taken)
        taken.add(name)
        specs.append(
            OutputSpec(
                name,
                output.kind,
                output.items,
                output.path,
                output.column,
                presence="" if output.tells else flags.get(output.optional, ""),
                optional="" if output.tells else output.optional or "",
                tells=output.tells,
                promoted=output.promoted,
            )
        )
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


def _base_name(path: str) -> str:
    if not path:
        return "output"
    if path[0].isdigit():
        return f"output_{path}"
    return "".join(c if c.isalnum() or c == "_" else "_" for c in path)


def _unlike(base: str, taken: set[str]) -> str:
    """A name that no other value has."""
    name, number = base, 1
    while name in taken:
        name = f"{base}_{number}"
        number += 1
    return name
