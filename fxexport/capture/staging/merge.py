"""Merges what the two paths of a branch leave into values that stand for both.

Equal values stay as they are. Tensors of one dtype and rank become one output, with a new symbol
for every dimension that differs; numbers become symbolic numbers. Containers of one structure are
merged item by item. A variable that has no merged value is poisoned: only reading it is refused.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence, Set
from types import BuiltinMethodType, FunctionType, MethodType
from typing import cast

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Value, is_symbolic, sym_type
from fxexport.capture.session.journal import UNSET, Writes
from fxexport.capture.session.list_runs import is_open, length_of
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch_outputs import (
    BranchOutput,
    BranchOutputs,
    Filler,
    Knowing,
    ListPlan,
    SequenceOutput,
    Side,
)
from fxexport.capture.staging.closures import ClosurePlans
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import leaves_of
from fxexport.capture.values import maybe as optional
from fxexport.capture.values.choice import MOST_ALTERNATIVES, Choice, cases_of
from fxexport.capture.values.containers import (
    has_identity,
    is_mutable,
    keyed_like,
    keys_of,
    objects_in,
    parts_of,
    rebuild_like,
    same_kind,
    state_beside,
)
from fxexport.capture.values.kinds import (
    Mismatch,
    describe,
    equal_numbers,
    equal_sets,
    fits,
    leaf_kind,
    lengths_differ,
    same_constant,
    same_sort,
)
from fxexport.capture.values.maybe import HOLE, Maybe
from fxexport.capture.values.uncertain_keys import aligned, joined_keys, name_of_key
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["Merge"]


_METHODS = (MethodType, BuiltinMethodType)


class Merge:
    """Collects the outputs of one branch while values are merged, then makes the results."""

    def __init__(
        self,
        session: Session,
        scopes: Sequence[Writes] = (),
        takes_rank: Callable[[Side, torch.Tensor, torch.Tensor], bool] = lambda *_: False,
        learnt: Sequence[Set[sympy.Basic]] = (),
        location: SourceLocation | None = None,
        *,
        copies: bool = False,
        knowing: Knowing = lambda _: contextlib.nullcontext(),
    ) -> None:
        """Begins a merge.

        Args:
            session: the capture.
            scopes: what the two paths wrote.
            takes_rank: ``takes_rank(side, tensor, other)``: is it empty, and may it take the
                other's rank?
            learnt: the facts about sizes that each path needs.
            location: the line of the branch.
            copies: whether objects and tensors are merged whatever the place.
            knowing: around what is asked of sizes on a path.
        """
        self._location, self._copies = location, copies
        # Whether objects, and tensors, that were there before stay what they are.
        self._apart = self._tensors_apart = False
        self.session = session
        self.branch = session.fresh_branch()
        self.outputs = BranchOutputs(session, learnt, knowing)
        self._takes_rank = takes_rank
        # identity -> container that was built here, of parts that may be leaves
        self.built: dict[int, Value] = {}
        self._scopes = scopes
        self._since = min((scope.serial for scope in scopes), default=0)
        self._made: dict[tuple[int, int], Value] = {}
        self._open: set[tuple[int, int]] = set()
        self._keep: list[Value] = []
        # identity of a container, and its path -> what was built from it
        self._uses: dict[tuple[int, str], list[Value]] = {}
        self._slot_name = ""
        self._closures = ClosurePlans(session.journal, self._since)

    def plan(
        self, then: Value, other: Value, name: str, *, contents: bool = False, apart: bool = False
    ) -> Value:
        """Merges two values; leaves in the result stand for outputs. Poison where it cannot be.

        Args:
            then: the value on one path.
            other: the value on the other.
            name: what holds it, for messages.
            contents: whether they are what a container holds, which cannot be one of several.
            apart: whether objects that were there before stay what they are, whatever the place.
        """
        self._slot_name = name
        place = (self._location, name)
        self.outputs.place = None if self._copies else place
        self._tensors_apart = not self._copies and place in self.session.apart
        self._apart = apart or self._tensors_apart
        if name.startswith("_fx_") and then is not other:
            # Variables of our own are read only where they were bound.
            then, other = (HOLE if value is UNSET else value for value in (then, other))
        try:
            return self._contents(then, other) if contents else self.merged(then, other)
        except Mismatch as reason:
            return Poison(
                name,
                f"{name!r} is not the same kind of value on both paths: {reason}",
                user_location(),
            )

    def _contents(self, then: Value, other: Value) -> Value:
        try:
            return self._merged(then, other)
        except Mismatch as reason:
            if reason.final or not (same_kind(then, other) and lengths_differ(then, other)):
                raise
            return self._merged_lists(then, other, mixed=True)

    def merged(self, then: Value, other: Value) -> Value:
        """Like `plan`, but raises Mismatch."""
        if then is other:
            return then
        key = (id(then), id(other))
        if key not in self._made:
            if key in self._open:
                raise Mismatch(f"a {type(then).__name__} that contains itself", final=True)
            self._open.add(key)
            self._keep.append((then, other))
            self._made[key] = self._merged_or_choice(then, other)
            self._open.discard(key)
        return self._made[key]

    def _merged_or_choice(self, then: Value, other: Value) -> Value:
        """One value for both, or a choice between what cannot be merged."""
        try:
            if self._stay_apart(then, other):
                raise Mismatch("one object against another one")
            return self._merged(then, other)
        except Mismatch as reason:
            # Where there is an alternative to staging, that is better than a choice.
            undone = self.session.trials and not isinstance(then, BaseException)
            if reason.final or undone or then is HOLE or other is HOLE:
                raise
            return self._choice(then, other, str(reason))

    def _choice(self, then: Value, other: Value, reason: str) -> Value:
        """A choice between all that two values may be; alternatives of one sort are merged."""
        left, right = cases_of(then), cases_of(other)
        flags, values = [], []
        own = {id(value) for _, value in left}
        for flag, value in left:
            # An object that may be the one on both paths is one alternative.
            same = (k for k, (_, mate) in enumerate(right) if value is mate)
            alike = (
                k
                for k, (_, mate) in enumerate(right)
                if id(mate) not in own and self._mates(value, mate)
            )
            k = next(itertools.chain(same, alike), None)
            if k is None:
                flags.append(self.merged(flag, False))
                values.append(self._alone(value, then=True))
            else:
                its_flag, mate = right.pop(k)
                flags.append(self.merged(flag, its_flag))
                values.append(value if value is mate else self._merged(value, mate))
        for flag, value in right:
            flags.append(self.merged(False, flag))
            values.append(self._alone(value, then=False))
        if len(values) > MOST_ALTERNATIVES:
            raise Mismatch(f"more than {MOST_ALTERNATIVES} things that it may be", final=True)
        for value in values:
            if isinstance(value, Poison):
                raise Mismatch(reason, final=True)
        return self._built(Choice(self.session, flags, values))

    def _alone(self, value: Value, *, then: bool) -> Value:
        """An alternative of one path; an object that was there before stays what it is."""
        if (isinstance(value, torch.Tensor) or is_mutable(value)) and self._existed(value):
            return value
        return self.merged(value, HOLE) if then else self.merged(HOLE, value)

    def _mates(self, value: Value, other: Value) -> bool:
        """Whether two different alternatives are merged into one."""
        if not same_sort(value, other) or self._stay_apart(value, other):
            return False
        return not (self._changed(value) or self._changed(other))

    def _stay_apart(self, then: Value, other: Value) -> bool:
        """Whether two values stay the objects or tensors that they are."""
        if not self._apart or then is other:
            return False
        if isinstance(then, _METHODS) and isinstance(other, _METHODS):
            then, other = then.__self__, other.__self__
        tensors = self._tensors_apart and all(isinstance(v, torch.Tensor) for v in (then, other))
        if not tensors and not (is_mutable(then) and is_mutable(other)):
            return False
        return self._existed(then) or self._existed(other)

    def _merged(self, then: Value, other: Value) -> Value:
        for value in (then, other):
            if isinstance(value, Poison):
                return value
        if then is HOLE or other is HOLE:
            return self._defined(other if then is HOLE else then, then is HOLE)
        absent = optional.absence_of(then, other)
        if not optional.is_certain(absent):
            return self._optional(then, other, absent)
        if isinstance(then, Choice) or isinstance(other, Choice):
            return self._choice(then, other, "one of several things on one of them")
        kinds = leaf_kind(then), leaf_kind(other)
        if kinds[0] is not None and kinds[1] is not None:
            return self._leaf(then, other, (kinds[0], kinds[1]))
        if same_kind(then, other) and lengths_differ(then, other):
            return self._merged_lists(then, other)
        if equal_sets(then, other):
            return then
        items = parts_of(then), parts_of(other)
        if items[0] is not None and items[1] is not None and same_kind(then, other):
            return self._containers(then, other, (items[0], items[1]))
        if same_constant(then, other):
            return then
        if type(then) is FunctionType and type(other) is FunctionType:
            return self._closures.merged(then, other, self.merged)
        if type(then) is type(other):
            raise Mismatch(f"two different {type(then).__name__} objects")
        raise Mismatch(f"{describe(then)} on one, {describe(other)} on the other")

    def _optional(self, then: Value, other: Value, absent: Value) -> Value:
        """A value that is there on one path and may not be on the other."""
        flags, values = zip(
            optional.lifted(then, absent), optional.lifted(other, absent), strict=True
        )
        error = optional.error_for(absent, self._slot_name, (then, other))
        present = self.merged(*flags)
        maybe = Maybe(self.session, present, self.merged(*values), absent, error)
        return self._built(maybe.like(present, maybe.value))

    def _built(self, value: Value) -> Value:
        self.built[id(value)] = value
        return value

    def _containers(
        self, then: Value, other: Value, items: tuple[list[Value], list[Value]]
    ) -> Value:
        self._refuse_changed(then, other)
        beside = state_beside(then), state_beside(other)
        if beside[0].keys() != beside[1].keys() or any(
            not (same_constant(mine, beside[1][name]) or equal_numbers(mine, beside[1][name]))
            for name, mine in beside[0].items()
        ):
            raise Mismatch(f"a {type(then).__name__} that carries more than its items")
        keys = keys_of(then), keys_of(other)
        if keys[0] != keys[1]:
            joined = joined_keys(then, other)
            if joined is None:
                raise Mismatch(f"{describe(then)} with its keys in another order")
            name, merged = self._slot_name, []
            pairs = zip(aligned(then, joined), aligned(other, joined), strict=True)
            for key, pair in zip(joined, pairs, strict=True):
                self._slot_name = name_of_key(then, key)
                merged.append(self.merged(*pair))
            self._slot_name = name
            return self._rebuilt(keyed_like(then, joined, merged), then, other)
        if len(items[0]) != len(items[1]):
            raise Mismatch(
                f"a {type(then).__name__} of {len(items[0])} against {len(items[1])} items"
            )
        merged = [self.merged(a, b) for a, b in zip(*items, strict=True)]
        if isinstance(then, _METHODS) and isinstance(merged[0], Choice):
            raise Mismatch("methods of two objects")
        return self._rebuilt(rebuild_like(then, merged), then, other)

    def _merged_lists(self, then: Value, other: Value, *, mixed: bool = False) -> Value:
        """Lists of unequal or open length: equal items stay, then a run (`mixed`: of any kinds)."""
        mixed = mixed or is_open(then) or is_open(other)
        session = self.session
        self._refuse_changed(then, other)
        lists = [list(cast("Sequence[Value]", one)) for one in (then, other)]
        pairs = itertools.takewhile(lambda pair: pair[0] is pair[1], zip(*lists, strict=False))
        equal = [item for item, _ in pairs]
        rest = lists[0][len(equal) :], lists[1][len(equal) :]
        if not rest[0] and not rest[1]:
            return self._rebuilt(rebuild_like(then, equal), then, other)
        for value in (one for item in (*rest[0], *rest[1]) for one in objects_in(item)):
            if self._changed(value):
                raise Mismatch(f"a {type(value).__name__} in a list that changes on that path")
        elements = Elements(session, mixed=mixed)
        if equal and isinstance(then, tuple) and not mixed:
            # A tuple of several kinds does not grow: a choice tells its lengths apart.
            elements.element_of([*equal, *rest[0], *rest[1]])
        element = elements.element_of([*rest[0], *rest[1]])
        lengths = length_of(rest[0]), length_of(rest[1])
        known = session.same(*lengths) and session.in_scope(lengths[0])
        plan = ListPlan(*rest, element, lengths[0] if known else session.fresh_size())
        if leaves_of(element):
            plan.outputs = [
                self.outputs.append(SequenceOutput(plan, k))
                for k, _ in enumerate(leaves_of(element))
            ]
        elif not known:
            plan.outputs = [self.outputs.add(*lengths, lengths[0])]
        return self._rebuilt(rebuild_like(then, [*equal, plan]), then, other)

    def _rebuilt(self, value: Value, *sources: Value) -> Value:
        """Notes a container that was built here, and what it may be in Python."""
        if isinstance(value, Maybe):
            return self._built(value)
        place = self.outputs.place
        for source, side in zip(sources, ("then", "other"), strict=True):
            if not has_identity(source):
                continue
            # What is one object on this path may be merged into several.
            uses = self._uses.setdefault((id(source), side), [])
            self.session.aliases.note(value, [source, *uses], place=place, way=(self.branch, side))
            uses.append(value)
            if is_mutable(source):
                self.session.frozen_as(value, source)
        return self._built(self.session.journal.made(value))

    def _refuse_changed(self, *values: Value) -> None:
        for value in values:
            if self._changed(value):
                raise Mismatch(f"a {type(value).__name__} that is also changed on that path")

    def _changed(self, value: Value) -> bool:
        """Whether a container from before was written to on a path: that has been undone."""
        if self.session.journal.born(value) >= self._since > 0:
            return False
        return any(
            slot.key[:2] in (("container", id(value)), ("attribute", id(value)))
            for scope in self._scopes
            for slot in scope.slots()
        )

    def _existed(self, value: Value) -> bool:
        """Whether a value is the same object outside of the branch."""
        if isinstance(value, torch.Tensor):
            functional = isinstance(value, compat.FunctionalTensor)
            return not functional or self.session.tensors.born(value) < self._since
        if is_symbolic(value):
            return self.session.in_scope(value)
        return is_mutable(value) and self.session.journal.born(value) < self._since

    def _defined(self, value: Value, missing_then: bool) -> Value:
        """A value that only one side has: the other side yields a filler that is never read."""
        if is_open(value):
            nothing = rebuild_like(value, [])
            lists = (nothing, value) if missing_then else (value, nothing)
            return self._merged_lists(*lists, mixed=True)
        kind = leaf_kind(value)
        if kind is not None:
            if (kind is not torch.Tensor and not is_symbolic(value)) or self._existed(value):
                return value
            filler = Filler()
            return self.outputs.add(
                filler if missing_then else value, value if missing_then else filler, value
            )
        if type(value) is FunctionType and parts_of(value) is None:
            return self._closures.defined(
                value,
                HOLE,
                lambda one: self.merged(HOLE, one) if missing_then else self.merged(one, HOLE),
            )
        parts = parts_of(value)
        if parts is None or not parts or self._existed(value):
            return value
        merged = [self.merged(HOLE, p) if missing_then else self.merged(p, HOLE) for p in parts]
        sides = (HOLE, value) if missing_then else (value, HOLE)
        return self._rebuilt(rebuild_like(value, merged), *sides)

    def _leaf(self, then: Value, other: Value, kinds: tuple[type, type]) -> Value:
        session = self.session
        if torch.Tensor in kinds:
            return self._tensor_output(then, other)
        if session.same(then, other) and session.in_scope(then):
            return then
        if kinds == (bool, bool):
            return self.outputs.add_flag(then, other)
        if kinds[0] is kinds[1]:
            return self.outputs.add(then, other, then)
        kind = float if float in kinds else int
        session.note(
            "assumption",
            f"a number that is {kinds[0].__name__} on one path and {kinds[1].__name__} on the "
            f"other is a {kind.__name__} in the file",
        )
        output = self.outputs.append(BranchOutput(then, other, kind, None))
        output.promoted = True
        return output

    def _tensor_output(self, then: Value, other: Value) -> BranchOutput:
        if isinstance(then, torch.Tensor) and isinstance(other, torch.Tensor):
            return self._of_two_tensors(then, other)
        tensor, number = (then, other) if isinstance(then, torch.Tensor) else (other, then)
        assert isinstance(tensor, torch.Tensor)
        if tensor.dim() != 0 or not fits(sym_type(number), tensor.dtype):
            raise Mismatch(f"{describe(tensor)} on one, the number {number} on the other")
        self.session.note(
            "assumption",
            "a number on one path and a tensor on the other is a tensor in the file",
        )
        self._refuse_tagged(tensor)
        return self.outputs.append(BranchOutput(then, other, None, tensor.dtype))

    def _of_two_tensors(self, then: torch.Tensor, other: torch.Tensor) -> BranchOutput:
        if then.dim() != other.dim():
            output = self._of_one_rank(then, other)
            if output is not None:
                return output
            raise Mismatch(
                f"a tensor of {then.dim()} dimensions on one, of {other.dim()} on the other"
            )
        if then.dtype != other.dtype:
            raise Mismatch(f"a tensor of {then.dtype} on one, of {other.dtype} on the other")
        self._refuse_tagged(then, other)
        return self.outputs.add(then, other, then)

    def _of_one_rank(self, then: torch.Tensor, other: torch.Tensor) -> BranchOutput | None:
        """One output for two tensors of which one has no elements, and so takes any rank."""
        if self._copies or self._tensors_apart:
            return None
        if self._takes_rank("then", then, other):
            output = self.outputs.add(Filler(), other, other)
        elif self._takes_rank("other", other, then):
            output = self.outputs.add(then, Filler(), then)
        else:
            return None
        output.took_rank = True
        return output

    def _refuse_tagged(self, *tensors: torch.Tensor) -> None:
        if any(map(self.session.tensors.is_tagged, tensors)):
            raise Mismatch("a tensor with attributes of its own", final=True)
