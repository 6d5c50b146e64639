"""A model's result as the outputs of a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch

from fxexport.capture.dropped_results import note_dropped
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.recording.types import Value
from fxexport.capture.result_forms import (
    form_of,
    in_one_order,
    item_leaves,
    named,
    of_form,
)
from fxexport.capture.results_of_any_rank import of_any_rank
from fxexport.capture.returned_text import written_text
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import Poison, Session, expression, is_symbolic, sym_type
from fxexport.capture.staging.alternatives import merged_copy
from fxexport.capture.staging.runs import every
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import describe
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.capture.values.symbolic_text import is_open_text
from fxexport.codes.ids import Code
from fxexport.containers import joined_path
from fxexport.errors import ModelError, UnsupportedError, UsageError
from fxexport.graph import scalars
from fxexport.graph.outputs import items_of, named_leaves
from fxexport.graph.signature import OutputSpec
from fxexport.source.frames import standing_at
from fxexport.source.location import SourceLocation

__all__ = ["Output", "Results", "output_specs"]


_Kind = Literal["tensor", "int", "float", "bool"]


@dataclass
class Output:
    """A value that the model returns; the fields after it are those of `OutputSpec`.

    Attributes:
        present: whether it is there, a SymBool, one object for all of which that says it; None
            where it is there on all paths.
        optional: where in the result that is decided, for the name of the flag.
        tells: whether it is the flag.
    """

    name: str
    value: object
    kind: _Kind | Literal["text", "sequence"]
    items: _Kind = "tensor"
    path: str = ""
    column: int = 0
    numbers: torch.dtype | None = None
    inner: str = ""
    present: object = None
    optional: str | None = None
    tells: bool = False
    promoted: bool = False


class Results:
    """Finds the outputs in what a model returns.

    Args:
        session: the capture.
        lists: the operations on lists of varying length.
        sequences: names of lists of fixed length that are to be sequences.
        strict: whether what is not of one dtype and rank, or not there, on all paths is refused.
    """

    def __init__(
        self, session: Session, lists: OpenLists, sequences: Iterable[str], *, strict: bool = False
    ) -> None:
        self._session, self._lists = session, lists
        self._sequences = frozenset(sequences)
        self._strict = strict
        self._packed: set[str] = set()

    def found(self, result: object) -> list[Output]:
        """The tensors, numbers, texts and lists of varying length in a result, in order."""
        found = _with_flags(self._inside("", result))
        unknown = sorted(self._sequences - self._packed)
        if unknown:
            raise UsageError(
                f"sequences names {unknown[0]!r}, and there is no such list",
                hint="name a list among the arguments, or one that the model returns",
            )
        if not found:
            raise ModelError("the model returns no tensor, so there is nothing to export")
        note_dropped(self._session.report, narrowed(result), _is_output)
        return found

    def _inside(self, path: str, value: object, *, texts: bool = False) -> list[Output]:
        """The outputs in a part of the result; `texts` says whether text in it is one."""
        # The list that is the whole result has no path; its outputs are called so.
        whole = {"" if name == "output" else name for name in self._sequences}
        leaves = named_leaves(
            narrowed(value),
            lambda one: _is_output(one) or (texts and isinstance(one, str)),
            whole=[
                name[len(path) :].removeprefix("_")
                for name in whole
                if not path or name == path or name.startswith(f"{path}_")
            ],
        )
        return [
            output
            for sub, leaf in leaves
            for output in self._of_one(joined_path(path, sub), narrowed(leaf))
        ]

    def _of_one(self, path: str, value: object) -> list[Output]:
        """The outputs of a leaf: what may be None has a flag, a list one for each column."""
        if isinstance(value, Poison):
            raise value.refuse()
        at = value.fx_location if isinstance(value, (Maybe, Choice)) else None
        if at is None:
            return self._of_several_or_one(path, value)
        # What is written for it stands where it has become one of several.
        return standing_at(at.file, at.line, at.function)(
            lambda: self._of_several_or_one(path, value)
        )

    def _of_several_or_one(self, path: str, value: object) -> list[Output]:
        if isinstance(value, Maybe):
            return self._of_optional(path, value)
        if isinstance(value, Choice):
            merged = merged_copy(self._session, value) if self._session.apart else value
            if isinstance(merged, Choice):
                return self._of_several(path, merged)
            return self._inside(path, merged, texts=True)
        if isinstance(value, str):
            text = written_text(self._session, value, _base_name(path))
            return [Output(path, text, "text", path=path)]
        if not is_open(value) and not isinstance(value, (list, tuple)):
            return [self._of_number_or_tensor(path, value)]
        return self._of_list(path, value)

    def _of_number_or_tensor(self, path: str, value: object) -> Output:
        promoted = self._session.promoted
        symbols = expression(value).free_symbols & promoted.keys() if is_symbolic(value) else set()
        for symbol in symbols:
            self._refuse_if_strict(
                f"{_base_name(path)} is an int on some paths and a float on others",
                promoted[symbol],
            )
        return Output(path, value, _kind_of(value), path=path, promoted=bool(symbols))

    def _of_list(self, path: str, value: Any) -> list[Output]:
        spread = self._lists.single(value)
        self._packed.add(path or "output")
        self._session.report.add(
            "note", f"the list {path or 'that is returned'} is an ONNX sequence in the file"
        )
        columns = list(zip(item_leaves(spread), spread.columns, strict=True))
        for leaf, flags in columns:
            if leaf.tells:
                there = every(self._session, flags, spread.length)
                self._lists.take_for_granted(there, leaf.tells, "KeyError")
        columns = [pair for pair in columns if not pair[0].tells]
        return [
            Output(
                path if len(columns) == 1 else joined_path(path, str(k)),
                column,
                "sequence",
                leaf.kind,
                path,
                k,
                None if leaf.list_at is None else column.dtype,
                leaf.list_at or "",
            )
            for k, (leaf, column) in enumerate(columns)
        ]

    def _of_optional(self, path: str, value: Maybe) -> list[Output]:
        """What may be None or missing: its leaves, with a flag that says whether they are there."""
        missing = "None" if value.absent is None else "missing"
        name, location = _base_name(path), value.fx_location
        self._refuse_if_strict(f"{name} is {missing} on some paths", location)
        found = self._inside(path, value.value, texts=True)
        if not found:
            raise UnsupportedError(
                f"{name} is {missing} on some paths, and there is no tensor, number or text in it "
                "on the others",
                code=Code.RESULT,
                location=location,
                hint="return a flag (True or False) that says which it is",
            )
        note = f"{name} may be {missing}: {name}.present says whether it is there"
        self._session.report.add("note", note, location)
        both: dict[int, object] = {}
        for output in found:
            own = output.present
            if own is None:
                output.present, output.optional = value.present, path
                continue
            if id(own) not in both:
                both[id(own)] = self._both(value.present, own)
            output.present = both[id(own)]
        return found

    def _both(self, a: Any, b: Any) -> Any:
        if isinstance(a, bool) or isinstance(b, bool):
            return b if a is True else a if b is True else False
        return self._session.recorder.scalar_op(scalars.and_, a, b)

    def _of_several(self, path: str, value: Choice) -> list[Output]:
        """What is one of several things: those of one form are one output, or one for each part."""
        session = self._session
        forms = list(dict.fromkeys(map(form_of, value.values)))
        if None in forms or ("list" in forms and "parts" in forms):
            kinds = " or ".join(dict.fromkeys(map(describe, value.values)))
            raise UnsupportedError(
                f"the model returns {kinds}: an output of a file is of one kind",
                code=Code.RESULT,
                location=value.fx_location,
                hint="return tensors, numbers, text, or fixed numbers of them, on every path",
            )
        if len(forms) > 1:
            return [out for form in forms for out in self._part(path, value, of_form(form))]
        if forms[0] == "number":
            return [self._of_tensors(path, value)]
        if forms[0] == "text":
            self._refuse_if_strict(
                f"{_base_name(path)} is text that depends on the path", value.fx_location
            )
            text = written_text(session, value, _base_name(path))
            return [Output(path, text, "text", path=path)]
        items = [dict(items_of(one)) for one in value.values]
        names = in_one_order(items)
        if names is None or forms[0] == "list":
            raise UnsupportedError(
                f"{_base_name(path)} is one of several containers, which have no order in common",
                code=Code.RESULT,
                location=value.fx_location,
                hint="return the same keys in the same order on every path",
            )
        return [
            output
            for name in names
            for output in self._part(joined_path(path, name), value, named(name))
        ]

    def _part(self, path: str, value: Choice, part: Callable[[Value], Value]) -> list[Output]:
        """The outputs of a part that some alternatives have."""
        made: object = self._session.each(value, part)
        if isinstance(made, (Maybe, Choice)):
            made.fx_location = value.fx_location
        return self._inside(path, made, texts=isinstance(made, (Maybe, Choice)))

    def _of_tensors(self, path: str, value: Choice) -> Output:
        """Tensors and numbers of several dtypes and ranks: dtypes are promoted as in arithmetic."""
        session = self._session
        ranks = {one.dim() if isinstance(one, torch.Tensor) else 0 for one in value.values}
        dtypes = [one.dtype for one in value.values if isinstance(one, torch.Tensor)]
        dtype = functools.reduce(torch.promote_types, dtypes)
        names = " or ".join(str(one).removeprefix("torch.") for one in dict.fromkeys(dtypes))
        if len(set(dtypes)) > 1 or len(dtypes) < len(value.values):
            text = f"{_base_name(path)} is {names}, which depends on the path"
            self._refuse_if_strict(text, value.fx_location)
            session.report.add(
                "assumption",
                f"{text}: it is always {str(dtype).removeprefix('torch.')} in the file",
                value.fx_location,
            )
        made: object = session.each(value, lambda one: _as_dtype(one, dtype))
        if isinstance(made, Choice):
            text = (
                f"{_base_name(path)} has a rank of {' or '.join(map(str, sorted(ranks)))}, which "
                "depends on the path"
            )
            self._refuse_if_strict(text, value.fx_location)
            session.report.add("note", text, value.fx_location)
            made = of_any_rank(session, made)
        return Output(path, made, "tensor", path=path, promoted=True)

    def _refuse_if_strict(self, text: str, location: SourceLocation | None) -> None:
        if self._strict:
            raise UnsupportedError(
                f"{text}, and outputs are strict",
                code=Code.RESULT,
                location=location,
                hint="return the same kind of value on every path, or export with outputs='merge'",
            )


def _with_flags(outputs: Sequence[Output]) -> list[Output]:
    """The outputs, and behind those that may be missing together what says whether they are."""
    found: list[Output] = []
    for k, output in enumerate(outputs):
        found.append(output)
        rest = outputs[k + 1 :]
        if output.optional is None or any(one.present is output.present for one in rest):
            continue
        flag = Output(output.optional, output.present, "bool", present=output.present, tells=True)
        found.append(flag)
    return found


def _as_dtype(value: object, dtype: torch.dtype) -> object:
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    return torch.scalar_tensor(value, dtype=dtype)  # type: ignore[arg-type]


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
    flags: dict[int, str] = {}
    for output in outputs:
        if output.tells:
            name = _unlike(f"{_base_name(output.name)}.present", taken)
            flags[id(output.present)] = name
            taken.add(name)
    for output in outputs:
        if output.tells:
            name = flags[id(output.present)]
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
                output.numbers,
                output.inner,
                presence="" if output.tells else flags.get(id(output.present), ""),
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
        or is_open_text(value)
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
    return "".join(c if c.isalnum() or c in "_." else "_" for c in path)


def _unlike(base: str, taken: set[str]) -> str:
    """A name that no other value has."""
    name, number = base, 1
    while name in taken:
        name = f"{base}_{number}"
        number += 1
    return name
