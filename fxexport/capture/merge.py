"""Merges what the two ways through a branch leave behind into values that stand for both.

Equal values stay as they are. Tensors of one dtype and rank become one output, with a new symbol
for every dimension that differs; numbers become symbolic numbers. Containers of one structure are
merged item by item. A variable that has no merged value is poisoned: only reading it is refused.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.session import Poison, Session, sym_type
from fxexport.capture.spread import is_open, length_of

__all__ = [
    "Leaf",
    "ListLeaf",
    "ListPlan",
    "Merge",
    "Mismatch",
    "as_kind",
    "fits",
    "leaf_kind",
    "lengths_differ",
    "rebuild_like",
    "same_constant",
]


class Mismatch(Exception):
    """Two values that no single value can stand for; the message says why."""


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
        from fxexport.capture.elements import columns_of

        if side not in self._columns:
            self._columns[side] = columns_of(session, self.sides[side], self.element)
        return self._columns[side]


def leaf_kind(value: Any) -> type | None:
    """torch.Tensor, int, float or bool for a value that a graph can hold; None for others."""
    if isinstance(value, torch.Tensor):
        return torch.Tensor
    return sym_type(value)


def same_constant(a: Any, b: Any) -> bool:
    """Whether two Python objects are interchangeable constants."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (str, bytes, torch.dtype, torch.device, range, slice, type(None), complex)):
        return bool(a == b)
    if callable(a) and getattr(a, "__self__", None) is not None:
        return bool(a == b)
    return False


def rebuild_like(value: Any, items: list[Any]) -> Any:
    """A container like `value` (list, tuple, named tuple, dict, dataclass) around other items."""
    if isinstance(value, dict):
        return (
            type(value)(zip(value, items, strict=True))
            if type(value) is dict
            else _dict_like(value, items)
        )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        clone = object.__new__(type(value))
        clone.__dict__.update(value.__dict__)
        for field, item in zip(dataclasses.fields(value), items, strict=True):
            object.__setattr__(clone, field.name, item)
        return clone
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items)
    if isinstance(value, torch.Size):
        return tuple(items)
    if isinstance(value, deque):
        return deque(items, value.maxlen)
    return type(value)(items)


def _dict_like(value: Any, items: list[Any]) -> Any:
    clone = type(value)()
    for key, item in zip(value, items, strict=True):
        clone[key] = item
    return clone


def parts_of(value: Any) -> list[Any] | None:
    """The items of a container that is merged item by item; None for any other value."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, deque)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, UNSET) for field in dataclasses.fields(value)]
    return None


class Merge:
    """Collects the outputs of one branch while values are merged, then makes the results."""

    def __init__(
        self,
        session: Session,
        takes_rank: Callable[[str, torch.Tensor, torch.Tensor], bool] = lambda *_: False,
    ) -> None:
        """`takes_rank(side, tensor, other)`: is it empty, and may it take the other's rank?"""
        self.session = session
        self.leaves: list[Leaf] = []
        self._takes_rank = takes_rank
        self._made: dict[tuple[int, int], Any] = {}
        self._keep: list[Any] = []

    def plan(self, then: Any, other: Any, name: str) -> Any:
        """Merges two values; leaves in the result stand for outputs. Poison where it cannot be."""
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
            self._keep.append((then, other))
            self._made[key] = self._merged(then, other)
        return self._made[key]

    def _merged(self, then: Any, other: Any) -> Any:
        for value in (then, other):
            if isinstance(value, Poison):
                return value
        if then is UNSET or other is UNSET:
            return self._defined(other if then is UNSET else then, then is UNSET)
        kinds = leaf_kind(then), leaf_kind(other)
        if kinds[0] is not None and kinds[1] is not None:
            return self._leaf(then, other, kinds)
        if type(then) is type(other) and lengths_differ(then, other):
            return self._merged_lists(then, other)
        items = parts_of(then), parts_of(other)
        if items[0] is not None and items[1] is not None and type(then) is type(other):
            if len(items[0]) != len(items[1]) or (
                isinstance(then, dict) and list(then) != list(other)
            ):
                raise Mismatch(
                    f"a {type(then).__name__} of {len(items[0])} against {len(items[1])} items"
                )
            merged = [self.merged(a, b) for a, b in zip(items[0], items[1], strict=True)]
            return self.session.journal.made(rebuild_like(then, merged))
        if same_constant(then, other):
            return then
        if type(then) is type(other) and kinds == (None, None):
            return self._equal_objects(then, other)
        raise Mismatch(f"{describe(then)} on one, {describe(other)} on the other")

    def _merged_lists(self, then: Any, other: Any) -> Any:
        """Lists of different or open length: equal items at the front stay, a run follows."""
        from fxexport.capture.patterns import Widening, leaves_of

        session = self.session
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
        return self.session.journal.made(rebuild_like(then, [*list(then)[:same], plan]))

    def _equal_objects(self, then: Any, other: Any) -> Any:
        if isinstance(then, (set, frozenset)) and then == other:
            return then
        raise Mismatch(f"two different {type(then).__name__} objects")

    def _defined(self, value: Any, missing_then: bool) -> Any:
        """A value that only one side binds: the other side yields something that nobody reads."""
        if is_open(value):
            nothing = rebuild_like(value, [])
            return self.merged(nothing, value) if missing_then else self.merged(value, nothing)
        if leaf_kind(value) is not None:
            filler = _Filler(value)
            return self._leaf_of(
                filler if missing_then else value, value if missing_then else filler, value
            )
        parts = parts_of(value)
        if parts is not None:
            merged = [
                self.merged(UNSET, p) if missing_then else self.merged(p, UNSET) for p in parts
            ]
            return self.session.journal.made(rebuild_like(value, merged))
        return value

    def _leaf(self, then: Any, other: Any, kinds: tuple[Any, Any]) -> Any:
        session = self.session
        if torch.Tensor in kinds:
            return self._tensor_leaf(then, other)
        if session.same(then, other) and session.in_scope(then):
            return then
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
            from fxexport.capture.patterns import leaves_of, sequence_like

            item: Any = leaves_of(leaf.plan.element)[leaf.column]
            return sequence_like(item, leaf.plan.length)
        if leaf.kind is not None:
            fresh = session.recorder.fresh_scalar(_SYM_OF[leaf.kind])
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


def lengths_differ(then: Any, other: Any) -> bool:
    """Whether two values of one type are lists, tuples or deques of different or open length."""
    if not isinstance(other, (list, tuple, deque)) or hasattr(other, "_fields"):
        return False
    return len(then) != len(other) or is_open(then) or is_open(other)


class _Filler:
    """Stands for a value that is never read."""

    def __init__(self, like: Any) -> None:
        self.like = like


_SYM_OF = {int: torch.SymInt, float: torch.SymFloat, bool: torch.SymBool}


def fits(kind: type | None, dtype: torch.dtype) -> bool:
    """Whether a Python number keeps its value and category in a tensor of this dtype."""
    if kind is bool:
        return True
    if kind is int:
        return dtype != torch.bool
    return dtype.is_floating_point


def as_kind(value: Any, kind: type) -> Any:
    """A Python or symbolic number as an int or float, as Python would convert it."""
    have = sym_type(value)
    if have is bool and kind is not bool:
        value = torch.sym_ite(value, 1, 0) if isinstance(value, torch.SymBool) else int(value)
    return torch.sym_float(value) if kind is float and have is not float else value


def describe(value: Any) -> str:
    """A value in a few words for a message."""
    if isinstance(value, torch.Tensor):
        return f"a {value.dtype} tensor of {value.dim()} dimensions"
    if value is None:
        return "None"
    if value is UNSET:
        return "nothing"
    return f"a {type(value).__name__}"
