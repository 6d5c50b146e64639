"""Merges what the two ways through a branch leave behind into values that stand for both.

Equal values stay as they are. Tensors of one dtype and rank become one output, with a new symbol
for every dimension that differs; numbers become symbolic numbers. Containers of one structure are
merged item by item. A variable that has no merged value is poisoned: only reading it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture import optional
from fxexport.capture.containers import (
    is_mutable,
    keyed_like,
    keys_of,
    parts_of,
    rebuild_like,
    same_kind,
    state_beside,
)
from fxexport.capture.elements import columns_of
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET, Scope
from fxexport.capture.keys import joined_keys
from fxexport.capture.kinds import (
    Mismatch,
    as_kind,
    describe,
    fits,
    leaf_kind,
    lengths_differ,
    same_constant,
)
from fxexport.capture.optional import HOLE, Maybe
from fxexport.capture.patterns import leaves_of, sequence_like
from fxexport.capture.session import Poison, Session, is_symbolic, sym_type
from fxexport.capture.spread import is_open, length_of
from fxexport.capture.widening import Widening
from fxexport.capture.writer import SYM_OF

__all__ = [
    "Leaf",
    "ListLeaf",
    "ListPlan",
    "Merge",
]


class Leaf:
    """An output of the branch: what it is on each side, and how it is made after it."""

    def __init__(self, then: Any, other: Any, kind: type | None, dtype: torch.dtype | None) -> None:
        self.then, self.other = then, other
        self.kind = kind  # int, float or bool; None for a tensor
        self.dtype = dtype
        self.promoted = False
        # side -> the fake tensor that a tensor holds there
        self.held: dict[str, torch.Tensor] = {}


class ListLeaf(Leaf):
    """An output that is a sequence: one tensor or number of each item of a list."""

    def __init__(self, plan: ListPlan, column: int) -> None:
        super().__init__(plan, plan, None, None)
        self.plan = plan
        self.column = column
        self.nodes: dict[str, Any] = {}


class ListPlan:
    """A list that differs in length between the ways, from where on it differs."""

    def __init__(self, then: list[Any], other: list[Any], element: Any, length: Any) -> None:
        self.sides = {"then": then, "other": other}
        self.element = element
        self.length = length
        self.leaves: list[Leaf] = []
        self._columns: dict[str, list[Any]] = {}

    def columns(self, session: Session, side: str) -> list[Any]:
        """The sequences of one side, whose frame must be open."""
        if side not in self._columns:
            self._columns[side] = columns_of(session, self.sides[side], self.element)
        return self._columns[side]


def _equal_numbers(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, (int, float)) and a == b


def _equal_sets(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, (set, frozenset)) and bool(a == b)


def _item(value: Any, key: Any) -> Any:
    """An item of a dict, or an attribute of an object; UNSET where there is none."""
    return (value if isinstance(value, dict) else vars(value)).get(key, UNSET)


def _place_of(value: Any, key: Any) -> str:
    return f"the key {key!r}" if isinstance(value, dict) else f"{type(value).__name__}.{key}"


class Merge:
    """Collects the outputs of one branch while values are merged, then makes the results."""

    def __init__(
        self,
        session: Session,
        scopes: Sequence[Scope] = (),
        takes_rank: Callable[[str, torch.Tensor, torch.Tensor], bool] = lambda *_: False,
    ) -> None:
        """Begins a merge.

        Args:
            session: the capture.
            scopes: what the two ways wrote.
            takes_rank: ``takes_rank(side, tensor, other)``: is it empty, and may it take the
                other's rank?
        """
        self.session = session
        self.leaves: list[Leaf] = []
        self._takes_rank = takes_rank
        # identity -> container that was built here, of parts that may be leaves
        self.built: dict[int, Any] = {}
        self._scopes = scopes
        self._since = min((scope.serial for scope in scopes), default=0)
        self._made: dict[tuple[int, int], Any] = {}
        self._open: set[tuple[int, int]] = set()
        self._keep: list[Any] = []
        self._flags: dict[tuple[Any, Any], Leaf] = {}
        # identity of a container -> what was built from it
        self._uses: dict[int, list[Any]] = {}
        self._place = ""

    def plan(self, then: Any, other: Any, name: str) -> Any:
        """Merges two values; leaves in the result stand for outputs. Poison where it cannot be."""
        self._place = name
        if name.startswith("_fx_") and then is not other:
            # Variables of our own are read only where they were bound.
            then, other = (HOLE if value is UNSET else value for value in (then, other))
        try:
            return self.merged(then, other)
        except Mismatch as reason:
            return Poison(
                name,
                f"{name!r} is not the same kind of value on both ways: {reason}",
                user_location(),
            )

    def merged(self, then: Any, other: Any) -> Any:
        """Like `plan`, but raises Mismatch."""
        if then is other:
            return then
        key = (id(then), id(other))
        if key not in self._made:
            if key in self._open:
                raise Mismatch(f"a {type(then).__name__} that contains itself")
            self._open.add(key)
            self._keep.append((then, other))
            self._made[key] = self._merged(then, other)
            self._open.discard(key)
        return self._made[key]

    def _merged(self, then: Any, other: Any) -> Any:
        for value in (then, other):
            if isinstance(value, Poison):
                return value
        if then is HOLE or other is HOLE:
            return self._defined(other if then is HOLE else then, then is HOLE)
        absent = optional.absence_of(then, other)
        if not optional.is_certain(absent):
            return self._optional(then, other, absent)
        kinds = leaf_kind(then), leaf_kind(other)
        if kinds[0] is not None and kinds[1] is not None:
            return self._leaf(then, other, kinds)
        if same_kind(then, other) and lengths_differ(then, other):
            return self._merged_lists(then, other)
        items = parts_of(then), parts_of(other)
        if items[0] is not None and items[1] is not None and same_kind(then, other):
            return self._containers(then, other, items)
        if same_constant(then, other) or _equal_sets(then, other):
            return then
        if type(then) is type(other):
            raise Mismatch(f"two different {type(then).__name__} objects")
        raise Mismatch(f"{describe(then)} on one, {describe(other)} on the other")

    def _optional(self, then: Any, other: Any, absent: Any) -> Any:
        """A value that is there on one way and may not be on the other."""
        flags, values = zip(
            optional.lifted(then, absent), optional.lifted(other, absent), strict=True
        )
        error = optional.error_for(absent, self._place, (then, other))
        present = self.merged(*flags)
        maybe = Maybe(self.session, present, self.merged(*values), absent, error)
        return self._built(maybe.like(present, maybe.value))

    def _built(self, value: Any) -> Any:
        self.built[id(value)] = value
        return value

    def _containers(self, then: Any, other: Any, items: Any) -> Any:
        for value in (then, other):
            if self._changed(value):
                raise Mismatch(f"a {type(value).__name__} that is also changed on that way")
        beside = state_beside(then), state_beside(other)
        if beside[0].keys() != beside[1].keys() or any(
            not (same_constant(mine, beside[1][name]) or _equal_numbers(mine, beside[1][name]))
            for name, mine in beside[0].items()
        ):
            raise Mismatch(f"a {type(then).__name__} that carries more than its items")
        keys = keys_of(then), keys_of(other)
        if keys[0] != keys[1]:
            joined = joined_keys(then, other)
            if joined is None:
                raise Mismatch(f"{describe(then)} with its keys in another order")
            place, merged = self._place, []
            for key in joined:
                self._place = _place_of(then, key)
                merged.append(self.merged(_item(then, key), _item(other, key)))
            self._place = place
            return self._rebuilt(keyed_like(then, joined, merged), then, other)
        if len(items[0]) != len(items[1]):
            raise Mismatch(
                f"a {type(then).__name__} of {len(items[0])} against {len(items[1])} items"
            )
        merged = [self.merged(a, b) for a, b in zip(*items, strict=True)]
        return self._rebuilt(rebuild_like(then, merged), then, other)

    def _merged_lists(self, then: Any, other: Any) -> Any:
        """Lists of different or open length: equal items at the front stay, a run follows."""
        session = self.session
        for value in (then, other):
            if self._changed(value):
                raise Mismatch(f"a {type(value).__name__} that is also changed on that way")
        same = 0
        while same < min(len(then), len(other)) and then[same] is other[same]:
            same += 1
        rest = list(then)[same:], list(other)[same:]
        element = Widening(session).element_of([*rest[0], *rest[1]])
        lengths = length_of(rest[0]), length_of(rest[1])
        known = session.same(*lengths) and session.in_scope(lengths[0])
        plan = ListPlan(*rest, element, lengths[0] if known else session.fresh_size())
        if leaves_of(element):
            plan.leaves = [
                self._append(ListLeaf(plan, k)) for k, _ in enumerate(leaves_of(element))
            ]
        elif not known:
            plan.leaves = [self._leaf_of(*lengths, lengths[0])]
        return self._rebuilt(rebuild_like(then, [*list(then)[:same], plan]), then, other)

    def _rebuilt(self, value: Any, *sources: Any) -> Any:
        """Notes a container that was built here, and what it may be in Python."""
        if isinstance(value, Maybe):
            return self._built(value)
        sources = tuple(source for source in sources if is_mutable(source))
        # What is one object on this way may be merged into several.
        twins = [twin for source in sources for twin in self._uses.setdefault(id(source), [])]
        self.session.aliases.note(value, [*sources, *twins])
        for source in sources:
            self._uses[id(source)].append(value)
        return self._built(self.session.journal.made(value))

    def _changed(self, value: Any) -> bool:
        """Whether a container from before was written to on a way: that has been undone."""
        if self.session.journal.born(value) >= self._since > 0:
            return False
        return any(
            slot.key[:2] in (("container", id(value)), ("attribute", id(value)))
            for scope in self._scopes
            for slot in scope.slots()
        )

    def _existed(self, value: Any) -> bool:
        """Whether a value is the same object outside of the branch."""
        if isinstance(value, torch.Tensor):
            functional = isinstance(value, compat.FunctionalTensor)
            return not functional or self.session.tensors.born(value) < self._since
        if is_symbolic(value):
            return self.session.in_scope(value)
        return is_mutable(value) and self.session.journal.born(value) < self._since

    def _defined(self, value: Any, missing_then: bool) -> Any:
        """A value that only one side has: the other side yields something that nobody reads."""
        if is_open(value):
            nothing = rebuild_like(value, [])
            return self.merged(nothing, value) if missing_then else self.merged(value, nothing)
        kind = leaf_kind(value)
        if kind is not None:
            if (kind is not torch.Tensor and not is_symbolic(value)) or self._existed(value):
                return value
            filler = _Filler(value)
            return self._leaf_of(
                filler if missing_then else value, value if missing_then else filler, value
            )
        parts = parts_of(value)
        if parts is None or not parts or self._existed(value):
            return value
        merged = [self.merged(HOLE, p) if missing_then else self.merged(p, HOLE) for p in parts]
        return self._rebuilt(rebuild_like(value, merged), value)

    def _leaf(self, then: Any, other: Any, kinds: tuple[Any, Any]) -> Any:
        session = self.session
        if torch.Tensor in kinds:
            return self._tensor_leaf(then, other)
        if session.same(then, other) and session.in_scope(then):
            return then
        if kinds == (bool, bool):
            return self._flag(then, other)
        if kinds[0] is kinds[1]:
            return self._leaf_of(then, other, then)
        kind = float if float in kinds else int
        session.note(
            "assumption",
            f"a number that is {kinds[0].__name__} on one way and {kinds[1].__name__} on the other "
            f"is a {kind.__name__} in the file",
        )
        leaf = self._append(Leaf(then, other, kind, None))
        leaf.promoted = True
        return leaf

    def _flag(self, then: Any, other: Any) -> Leaf:
        """A truth value; equal ones are one output, so that what is known of one is of all."""
        key = tuple(v.node.expr if is_symbolic(v) else v for v in (then, other))
        if key not in self._flags:
            self._flags[key] = self._leaf_of(then, other, True)
        return self._flags[key]

    def _leaf_of(self, then: Any, other: Any, like: Any) -> Any:
        if isinstance(like, torch.Tensor):
            return self._append(Leaf(then, other, None, like.dtype))
        return self._append(Leaf(then, other, sym_type(like), None))

    def _append(self, leaf: Leaf) -> Leaf:
        self.leaves.append(leaf)
        return leaf

    def _tensor_leaf(self, then: Any, other: Any) -> Any:
        tensor, number = (then, other) if isinstance(then, torch.Tensor) else (other, then)
        if not isinstance(number, torch.Tensor):
            if tensor.dim() != 0 or not fits(sym_type(number), tensor.dtype):
                raise Mismatch(f"{describe(tensor)} on one, the number {number} on the other")
            self.session.note(
                "assumption",
                "a number on one way and a tensor on the other is a tensor in the file",
            )
        elif then.dim() != other.dim():
            if self._takes_rank("then", then, other):
                return self._append(Leaf(_Filler(other), other, None, other.dtype))
            if self._takes_rank("other", other, then):
                return self._append(Leaf(then, _Filler(then), None, then.dtype))
            raise Mismatch(
                f"a tensor of {then.dim()} dimensions on one, of {other.dim()} on the other"
            )
        elif then.dtype != other.dtype:
            raise Mismatch(f"a tensor of {then.dtype} on one, of {other.dtype} on the other")
        if any(map(self.session.tensors.is_tagged, (then, other))):
            raise Mismatch("a tensor with attributes of its own")
        return self._append(Leaf(then, other, None, tensor.dtype))

    # -- after both sides are known --------------------------------------------------------------

    def read(self, side: str) -> None:
        """Takes what the tensors of one side hold, while they hold it and its frame is open.

        A tensor from outside that the side has written in place is as before it afterwards.
        """
        for leaf in self.leaves:
            if isinstance(leaf, ListLeaf):
                columns = leaf.plan.columns(self.session, side)
                leaf.nodes[side] = self.session.node_of(columns[leaf.column])
                continue
            value = getattr(leaf, side)
            if isinstance(value, torch.Tensor):
                leaf.held[side] = self.session.tensors.inner(value)

    def output(self, leaf: Leaf, side: str) -> Any:
        """The node or constant of an output on one side; its frame must be open."""
        if isinstance(leaf, ListLeaf):
            return leaf.nodes[side]
        value = getattr(leaf, side)
        if isinstance(value, _Filler):
            return self._fill(leaf)
        if leaf.kind is not None:
            return self.session.node_of(as_kind(value, leaf.kind))
        if not isinstance(value, torch.Tensor):
            return self.session.node_of(torch.scalar_tensor(value, dtype=leaf.dtype))
        return self.session.recorder.node_of(leaf.held[side])

    def _fill(self, leaf: Leaf) -> Any:
        if leaf.kind is not None:
            return leaf.kind(0)
        # Sizes known outside keep the shape fixed; the others may be anything, so nothing.
        (like,) = leaf.held.values()
        sizes = [
            self.session.never_negative(size) if self.session.in_scope(size) else 0
            for size in like.shape
        ]
        return self.session.node_of(torch.zeros(sizes, dtype=leaf.dtype))

    def value_after(self, leaf: Leaf) -> Any:
        """The value that stands for a leaf after the branch (not bound to a node yet)."""
        session = self.session
        if isinstance(leaf, ListLeaf):
            item: Any = leaves_of(leaf.plan.element)[leaf.column]
            return sequence_like(item, leaf.plan.length)
        if leaf.kind is not None:
            fresh = session.recorder.fresh_scalar(SYM_OF[leaf.kind])
            if leaf.promoted:
                session.promote(fresh)
            return fresh
        shapes = [tuple(tensor.shape) for tensor in leaf.held.values()]
        sizes = [self._size(dims) for dims in zip(*shapes, strict=True)] if shapes else []
        with compat.only_mode(session.fake_mode):
            return torch.empty(sizes, dtype=leaf.dtype)

    def _size(self, dims: tuple[Any, ...]) -> Any:
        first, *rest = dims
        if self.session.in_scope(first) and all(self.session.same(first, d) for d in rest):
            return first
        return self.session.fresh_size(*dims)


class _Filler:
    """Stands for a value that is never read."""

    def __init__(self, like: Any) -> None:
        self.like = like
