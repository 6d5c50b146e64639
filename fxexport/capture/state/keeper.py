"""What survives a call: forgotten, refused, or turned into inputs and outputs of the file.

A value that the model keeps and `forward` changes is found by comparing what the model holds before
and after it was captured. Where it is to be an input, capture starts again with a stand-in for it:
what is found then may be more, or of more sizes, until it settles.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Operand
from fxexport.capture.session.journal import UNSET, AttributeSlot, ContainerSlot, Writes
from fxexport.capture.session.session import Poison, Session, sym_type
from fxexport.capture.state.leaves import StateLeaf, aliases_of, replace_leaves, state_leaves
from fxexport.capture.state.policy import StateChoice
from fxexport.capture.values.kinds import as_kind
from fxexport.codes.ids import Code
from fxexport.containers import within
from fxexport.errors import UnsupportedError
from fxexport.graph.signature import DimRange, InputSpec, StateSpec
from fxexport.source.location import SourceLocation

__all__ = ["StateKeeper"]

_DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool}
_DROP_HINT = "leave it out with state={%r: 'drop'}"


class StateKeeper:
    """The state of one attempt to capture a model.

    Attributes:
        entries: the state that is an input and an output, in order.
    """

    def __init__(
        self,
        session: Session,
        model: object,
        choice: Callable[[str], StateChoice],
        entries: Sequence[StateSpec],
    ) -> None:
        self.entries = list(entries)
        self._session = session
        self._model = model
        self._choice = choice
        self._before = state_leaves(model)
        self._start = {path: leaf.value for path, leaf in self._before.items()}
        # the real tensors at paths that a call changes
        self.changed: list[torch.Tensor] = []
        self._scope: Writes | None = None
        for value in self._start.values():
            if isinstance(value, torch.Tensor) and not isinstance(value, compat.FakeTensor):
                session.tensors.note_memory(value)

    def put_in(self, values: Sequence[Any]) -> None:
        """Puts the placeholders of the entries, in their order, where the model finds them."""
        new: dict[str, object] = {}
        for entry, value in zip(self.entries, values, strict=True):
            real = self._start[entry.path]
            if isinstance(real, torch.Tensor):
                self._session.tensors.stand_in(real, value)
            new.update(dict.fromkeys(aliases_of(self._before, entry.path), value))
        self._start.update(new)
        if new:
            replace_leaves(self._model, new)

    def finish(
        self, scope: Writes, arguments: object = (), returned: Iterable[object] = ()
    ) -> tuple[list[object], list[StateSpec]]:
        """Looks at what the call has left.

        Args:
            scope: what it has written.
            arguments: what it was given.
            returned: the tensors and numbers that it gives.

        Returns:
            What each entry holds now, and the entries that another attempt must have.

        Raises:
            UnsupportedError: for state that is to be refused, or cannot be an input.
        """
        self._scope = scope
        after = state_leaves(self._model)
        wanted = {entry.path: entry for entry in self.entries}
        finals: dict[str, object] = {}
        for path, old, new in self._changes(after):
            real = self._before[path].value if path in self._before else None
            if isinstance(real, torch.Tensor):
                self.changed.append(real)
            location = self._location(path, after)
            choice = self._choice(path)
            if choice == "io":
                found = self._entry(path, old, new, location, after)
                if found is not None:
                    wanted[path] = found
                    finals[path] = new
            elif choice == "refuse":
                raise UnsupportedError(
                    f"forward changes {path!r}, which survives the call",
                    code=Code.STATE,
                    location=location,
                    hint="make it an input and an output (state='io'), or let the file forget it "
                    "(state='drop')",
                )
            else:
                self._session.report.add(
                    "note",
                    f"{path!r} is written in forward; the file forgets it after a call",
                    location,
                )
        self._outside(after, {id(part) for part in within(arguments)}, {*map(id, returned)})
        for entry in self.entries:
            finals.setdefault(entry.path, self._start[entry.path])
        self._refuse_shared(finals, after)
        ordered = sorted(wanted.values(), key=lambda e: list(self._before).index(e.path))
        return [finals[entry.path] for entry in self.entries], ordered

    def report_kept(self, after_finish: Sequence[StateSpec]) -> None:
        """One line for each entry."""
        for entry in after_finish:
            self._session.report.add(
                "state", f"{entry.path!r} is the input {entry.input!r} and the output "
                f"{entry.output!r}", entry.location,
            )  # fmt: skip

    def final_node(self, entry: StateSpec, value: object) -> Operand:
        """The node of an entry's value after the call."""
        if entry.spec.kind != "tensor":
            kind = {"int": int, "float": float, "bool": bool}[entry.spec.kind]
            value = as_kind(value, kind)
        return self._session.node_of(value)

    # -- what has changed ------------------------------------------------------------------------

    def _changes(self, after: Mapping[str, StateLeaf]) -> Iterator[tuple[str, object, object]]:
        seen: set[int] = set()
        entries = {entry.path for entry in self.entries}
        for path in dict.fromkeys([*self._before, *after]):
            old = self._start.get(path, UNSET)
            new = after[path].value if path in after else UNSET
            real = self._before[path].value if path in self._before else None
            if isinstance(real, torch.Tensor):
                if id(real) in seen and path not in entries:
                    continue  # another name of a tensor that has been looked at
                seen.add(id(real))
            if not self._same(old, new):
                yield path, old, new

    def _same(self, old: object, new: object) -> bool:
        tensors = self._session.tensors
        if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
            return tensors.is_untouched(old) and tensors.is_same(old, new)
        if sym_type(old) is not None and sym_type(new) is not None:
            return self._session.same(old, new)
        if old is new:
            return True
        return type(old) is type(new) and isinstance(old, (str, bytes)) and bool(old == new)

    def _location(self, path: str, after: Mapping[str, StateLeaf]) -> SourceLocation | None:
        """Where the state at a path was first written."""
        assert self._scope is not None
        keys = [key for table in (self._before, after) if path in table
                for key in reversed(table[path].keys)]  # fmt: skip
        old = self._start.get(path)
        if isinstance(old, torch.Tensor) and self._session.tensors.is_lifted(old):
            base = self._session.tensors.base_of(self._session.tensors.lift(old))
            keys.insert(0, ("contents", id(base)))
        return next((self._scope.locations[k] for k in keys if k in self._scope.locations), None)

    # -- entries ---------------------------------------------------------------------------------

    def _entry(
        self,
        path: str,
        old: object,
        new: object,
        location: SourceLocation | None,
        after: Mapping[str, StateLeaf],
    ) -> StateSpec | None:
        """The entry that a changed value needs; None for a constant that nothing depends on."""
        if isinstance(new, Poison):
            raise new.refuse()
        if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
            self._check_names(path, new, location, after)
            return self._tensor_entry(path, old, new, location)
        kind = sym_type(old)
        if kind is not None and sym_type(new) is kind:
            spec = InputSpec(f"state.{path}", kind.__name__, _DTYPES[kind])  # type: ignore[arg-type]
            return StateSpec(path, spec, self._before[path].value, location)
        raise UnsupportedError(
            f"the state {path!r} is {_described(old)} before the call and {_described(new)} after "
            "it, so it cannot be an input of the file",
            code=Code.STATE,
            location=location,
            hint=_hint(path, old),
        )

    def _tensor_entry(
        self, path: str, old: torch.Tensor, new: torch.Tensor, location: SourceLocation | None
    ) -> StateSpec:
        if old.dtype != new.dtype or old.dim() != new.dim():
            raise UnsupportedError(
                f"the state {path!r} is {_described(old)} before the call and {_described(new)} "
                "after it, so it cannot be an input of the file",
                code=Code.STATE,
                location=location,
                hint="start with a tensor of that dtype and as many dimensions (of size 0, maybe)",
            )
        sizes = self._session.tensors.inner(new).shape
        known = next((entry for entry in self.entries if entry.path == path), None)
        name = f"state.{path}"
        real = self._before[path].value
        shape = tuple(known.spec.shape if known else real.shape)
        began = self._session.tensors.inner(old).shape
        varies = [not self._session.same(a, b) for a, b in zip(began, sizes, strict=True)]
        shape = tuple(
            DimRange(f"{name}_d{k}") if varies[k] and not isinstance(dim, DimRange) else dim
            for k, dim in enumerate(shape)
        )
        spec = InputSpec(name, "tensor", real.dtype, shape)
        return replace(known, spec=spec) if known else StateSpec(path, spec, real, location)

    def _check_names(
        self,
        path: str,
        new: torch.Tensor,
        location: SourceLocation | None,
        after: Mapping[str, StateLeaf],
    ) -> None:
        """All names of a tensor must still be names of one tensor."""
        for other in aliases_of(self._before, path):
            if other != path and not self._session.tensors.is_same(after[other].value, new):
                raise UnsupportedError(
                    f"{path!r} and {other!r} are one tensor before the call and two after it",
                    code=Code.STATE,
                    location=location,
                    hint="give each a tensor of its own (clone())",
                )

    def _refuse_shared(self, finals: Mapping[str, object], after: Mapping[str, StateLeaf]) -> None:
        """After the call two names may be one tensor; a later call may write through either."""
        tensors = self._session.tensors
        written = {
            path
            for path in finals
            if isinstance(self._start[path], torch.Tensor)
            and not tensors.is_untouched(self._start[path])
        }
        if not written:
            return
        owners: dict[int, str] = {}
        for path in finals:
            value = finals[path]
            if not isinstance(value, torch.Tensor) or not tensors.is_lifted(value):
                continue
            base = tensors.base_of(tensors.lift(value))
            other = owners.setdefault(id(base), path)
            weight = tensors.real_of(base)
            start = self._start[path]
            own = weight is None or tensors.is_same(start, base)
            if other == path and own:
                continue
            if path in written or other in written:
                shared = repr(other) if other != path else "another tensor of the model"
                raise UnsupportedError(
                    f"after the call {path!r} shares memory with {shared}, and forward writes into "
                    "it in place: the next call would write into both",
                    code=Code.STATE,
                    location=self._location(path, after),
                    hint="keep a copy (clone())",
                )

    # -- what the model's attributes do not lead to ----------------------------------------------

    def _outside(
        self, after: Mapping[str, StateLeaf], arguments: Set[int], returned: Set[int]
    ) -> None:
        """Writes to globals, closures and other objects, and to tensors reached through them.

        Args:
            after: what the model holds.
            arguments: the `id` of each object in the arguments.
            returned: the `id` of each value that the call gives.
        """
        assert self._scope is not None
        tensors = self._session.tensors
        walked = {key for table in (self._before, after) for leaf in table.values()
                  for key in leaf.keys}  # fmt: skip
        known = _ids_in_globals(self._model) | set(self._session.outside)
        for slot, old in self._scope.old.values():
            if slot.key in walked or slot.key[0] == "contents" or slot.get() is old:
                continue
            verb = "is set" if isinstance(slot, AttributeSlot) else "is changed"
            location = self._scope.locations.get(slot.key)
            if slot.key[1] in arguments:
                if not _new_parts(old, slot.get()) <= returned:
                    text = f"{slot.name} {verb} in forward: the file gives what is returned alone"
                    self._session.report.add("note", text, location)
                continue
            if isinstance(slot, ContainerSlot) and slot.key[1] not in known:
                continue  # most likely made in the call by code that is not followed
            self._note_or_refuse(slot.name, verb, location)
        inside = {id(leaf.value) for leaf in self._before.values()}
        for name, tensor in tensors.written_weights():
            if id(tensor) not in inside:
                base = tensors.base_of(tensors.lift(tensor))
                location = self._scope.locations.get(("contents", id(base)))
                self._note_or_refuse(repr(name), "is written", location)

    def _note_or_refuse(self, name: str, verb: str, location: SourceLocation | None) -> None:
        if self._choice(name) == "drop":
            self._session.report.add(
                "note", f"{name} {verb} in forward; the file forgets it after a call", location
            )
            return
        raise UnsupportedError(
            f"{name} {verb} in forward and survives the call, but is no attribute of the model",
            code=Code.STATE,
            location=location,
            hint=f"keep it on the module, or let the file forget it: state={{{name!r}: 'drop'}}",
        )


def _ids_in_globals(model: object) -> set[int]:
    """The objects that the model's own file and closures hold."""
    call = getattr(model, "forward", model)
    function = getattr(call, "__func__", call)
    module = sys.modules.get(type(model).__module__)
    spaces = [getattr(function, "__globals__", {}), vars(module) if module else {}]
    cells = getattr(function, "__closure__", None) or ()
    found = {id(value) for space in spaces for value in space.values()}
    for cell in cells:
        try:
            found.add(id(cell.cell_contents))
        except ValueError:
            continue
    return found


def _described(value: object) -> str:
    if value is UNSET:
        return "not there"
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of {value.dim()} dimensions"
    kind = sym_type(value)
    if kind is not None:
        return f"{'an' if kind is int else 'a'} {kind.__name__}"
    return "None" if value is None else f"a {type(value).__name__}"


def _hint(path: str, old: object) -> str:
    if old is None or old is UNSET:
        return (
            "start with a tensor (of size 0, maybe), or call the model once before the export; or "
            + _DROP_HINT % path
        )
    return "keep one kind of value there, or " + _DROP_HINT % path


def _new_parts(old: object, new: object) -> set[int]:
    """The `id` of each value that a slot has after a call, and had not before."""
    before, after = (
        {id(part) for part in within(value) if _is_value(part)} for value in (old, new)
    )
    return after - before


def _is_value(part: object) -> bool:
    """Whether something in an object is a value itself, and does not hold others alone."""
    return isinstance(part, (torch.Tensor, str)) or sym_type(part) is not None
