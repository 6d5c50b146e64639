"""What is computed only if something was found is computed in any case, on one row if need be.

Requires: nothing beyond a captured graph; to run after `hoist_masks` and `cut_to_nothing`.
Does: where a branch of the root asks whether there are any rows (`if boxes.numel() == 0: return
boxes`, `if mask.any(): x[mask]...`), and the path for some rows has sizes that the data decides,
that path moves before the branch. It is given
one row of zeros where there are none, so that what fails on nothing (`amax`, nms) does not.
A result that has no rows on the other path is cut to none there; one that the other path hands on
and this one appends to is cut to what was there; the others are handed to the branch. TensorRT
takes sizes that the data decides at the top of a graph only.
Ensures: the outputs are the same. A path that could fail on a row of zeros, that draws random
numbers, or that has a loop without a bound stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy
import torch
from fxexport.passes.bounds.emptiness import (
    asked_for_rows,
    condition_of,
    mask_of,
    multiple_of,
    takes_rows,
)
from fxexport.passes.bounds.size_bounds import SizeBounds
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless
from fxexport.passes.rewriting.visiting import some_tensor
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside, fresh_size, size_with
from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import operands_of
from fxexport.graph.editing import (
    call,
    copy_of,
    items,
    new_body,
    new_placeholder,
    nodes_inside,
    parts,
    results,
)
from fxexport.graph.ops import branch, loop
from fxexport.graph.scalars import maximum, not_, select

__all__ = ["run"]

aten = torch.ops.aten

_ALL = 2**63 - 1

_RISKY = ("div", "floor_divide", "remainder", "fmod", "pow")


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such paths of the root's branches, in place."""
    root = graph.module
    seen: set[fx.Node] = set()
    while (node := next((n for n in root.graph.nodes if n not in seen), None)) is not None:
        seen.add(node)
        if node.target is branch:
            _select_before(root, node)
            found = asked_for_rows(node)
            if found is None or not _may_move(root, node, 1 - found[0]):
                continue
            if _has_sizes_from_data(root, node, 1 - found[0], SizeBounds(graph)):
                _Mover(root, node, *found).move()
    root.recompile()
    return graph


def _select_before(module: fx.GraphModule, node: fx.Node) -> None:
    """In `if mask.any(): x[mask]`, rows are taken before the branch, at indices of true elements.

    It cannot fail where the mask has none, whatever the size of `x`.
    """
    condition, side = condition_of(node)
    mask, nothing = (None, 0) if condition is None else mask_of(condition)
    operands = operands_of(node)
    if mask is None or mask not in operands or mask.meta["val"].ndim != 1:
        return
    val = mask.meta["val"]
    path = 1 - (nothing ^ side)
    body, placeholders = parts(module, node)[path]
    placeholder = placeholders[operands.index(mask)]
    index: fx.Node | None = None
    for inner in [user for user in placeholder.users if takes_rows(user, placeholder)]:
        work = behind(inner, is_harmless)
        if work is None:
            continue
        if index is None:
            found = fresh_size(val)
            both = fake_beside(val, [found, 1]).to(torch.int64)
            index = call(node, aten.nonzero.default, mask, val=both)
            flat = fake_beside(both, [found])
            index = call(node, aten.squeeze.dim, index, 1, val=flat)

        def take(copy: fx.Node, at: fx.Node = index) -> None:
            copy.args = (copy.args[0], [at])

        hoist(module, node, path, work, take)
    body.graph.eliminate_dead_code()


def _may_move(module: fx.GraphModule, node: fx.Node, side: int) -> bool:
    """Whether a path cannot fail on rows of zeros, and draws nothing."""
    body, placeholders = parts(module, node)[side]
    condition, _ = condition_of(node)
    asked = None if condition is None else mask_of(condition)[0]
    operands = operands_of(node)
    for placeholder, operand in zip(placeholders, operands, strict=True):
        if asked is not None and placeholder.users and operand is asked:
            return False  # what it would select may be nothing
    if all(n.op in ("placeholder", "output") for n in body.graph.nodes):
        return False
    return all(map(_is_safe, _all_nodes(body)))


def _has_sizes_from_data(
    module: fx.GraphModule, node: fx.Node, side: int, bounds: SizeBounds
) -> bool:
    """Whether TensorRT would not take a path where it is."""
    body, _ = parts(module, node)[side]
    sizes = (
        size
        for inner in _all_nodes(body)
        if isinstance(val := inner.meta.get("val"), torch.Tensor) and inner.users
        for size in val.shape
    )
    return any(bounds.from_data(size) for size in sizes)


def _all_nodes(body: fx.GraphModule) -> Iterator[fx.Node]:
    for node in body.graph.nodes:
        yield node
        yield from (inner for _, inner in nodes_inside(body, node))


def _is_safe(node: fx.Node) -> bool:
    target = node.target
    if target is loop and node.args[0] is None:
        return False
    if not isinstance(target, torch._ops.OpOverload):
        return True
    if torch.Tag.nondeterministic_seeded in target.tags:
        return False
    val = node.meta.get("val")
    whole = isinstance(val, torch.Tensor) and not val.dtype.is_floating_point
    if whole and any(f"aten.{name}." in str(target) for name in _RISKY):
        return not isinstance(node.args[1], fx.Node)
    return True


class _Mover:
    """Moves one path of a branch before it."""

    def __init__(
        self, root: fx.GraphModule, node: fx.Node, empty: int, symbols: set[sympy.Symbol]
    ) -> None:
        self._root = root
        self._node = node
        self._empty = empty
        self._symbols = symbols
        self._fresh: dict[sympy.Symbol, sympy.Expr] = {}
        sides = parts(root, node)
        self._body, self._placeholders = sides[1 - empty]
        self._nothing, self._others = sides[empty]
        self._copies: dict[fx.Node, Any] = {}

    def move(self) -> None:
        """Moves it, if its operands can have one row."""
        operands = operands_of(self._node)
        for placeholder, operand in zip(self._placeholders, operands, strict=True):
            if placeholder.users and not self._can_have_a_row(operand):
                return
        for placeholder, operand in zip(self._placeholders, operands, strict=True):
            self._copies[placeholder] = self._with_a_row(operand) if placeholder.users else operand
        for old in self._body.graph.nodes:
            if old.op == "get_attr":
                inner = copy_of(getattr(self._body, str(old.target)))
                self._copies[old] = new_body(self._root, self._node, inner, str(old.target))
            elif old.op == "call_function":
                with self._root.graph.inserting_before(self._node):
                    made = self._root.graph.node_copy(old, lambda n: self._copies[n])
                made.meta["val"] = self._renamed(made.meta.get("val"))
                self._copies[old] = made
        self._take_results()

    # -- operands ------------------------------------------------------------------------------

    def _has(self, size: object) -> bool:
        return isinstance(size, torch.SymInt) and bool(size.node.expr.free_symbols & self._symbols)

    def _can_have_a_row(self, operand: object) -> bool:
        val = operand.meta.get("val") if isinstance(operand, fx.Node) else None
        if isinstance(val, torch.Tensor):
            found = [size for size in val.shape if self._has(size)]
            return len(found) <= 1 and all(multiple_of(size) is not None for size in found)
        return not self._has(val) or multiple_of(val) is not None

    def _with_a_row(self, operand: Argument) -> Any:
        val = operand.meta.get("val") if isinstance(operand, fx.Node) else None
        sizes: list[Any] = [*val.shape] if isinstance(val, torch.Tensor) else [val]
        dim = next((d for d, size in enumerate(sizes) if self._has(size)), None)
        if dim is None or not isinstance(operand, fx.Node):
            return operand
        size = sizes[dim]
        least = _factor(size)
        more = self._renamed(size)
        if not isinstance(val, torch.Tensor):
            return call(self._node, maximum, operand, least, val=more)
        count = call(self._node, aten.sym_size.int, operand, dim, val=size)
        end = call(self._node, maximum, count, least, val=more)
        filler = self._zeros(operand, val, dim, least)
        shape = [*sizes[:dim], count.meta["val"] + least, *sizes[dim + 1 :]]
        both = call(
            self._node, aten.cat.default, [operand, filler], dim, val=fake_beside(val, shape)
        )
        cut = fake_beside(val, [*sizes[:dim], more, *sizes[dim + 1 :]])
        return call(self._node, aten.slice.Tensor, both, dim, 0, end, val=cut)

    def _zeros(self, operand: fx.Node, val: torch.Tensor, dim: int, number: int) -> fx.Node:
        shape: list[Any] = []
        for d, size in enumerate(val.shape):
            plain = not isinstance(size, torch.SymInt)
            shape.append(
                number if d == dim else size if plain
                else call(self._node, aten.sym_size.int, operand, d, val=size)
            )  # fmt: skip
        sizes = [number if d == dim else size for d, size in enumerate(val.shape)]
        made = call(self._node, aten.full.default, shape, 0, val=fake_beside(val, sizes))
        made.kwargs = {"dtype": val.dtype, "device": val.device, "pin_memory": False}
        return made

    def _renamed(self, val: Any) -> Any:
        """What capture knew of a value, with other sizes in the place of those that may be 0."""
        if isinstance(val, (tuple, list)):
            return tuple(map(self._renamed, val))
        if isinstance(val, torch.Tensor) and any(map(self._has, val.shape)):
            return fake_beside(val, [self._renamed(size) for size in val.shape])
        if not self._has(val):
            return val
        for symbol in val.node.expr.free_symbols & self._symbols:
            if symbol not in self._fresh:
                beside = some_tensor([self._root])
                assert beside is not None  # what is renamed is the size of one
                self._fresh[symbol] = fresh_size(beside).node.expr
        return size_with(val, self._fresh)

    # -- results -------------------------------------------------------------------------------

    def _take_results(self) -> None:
        given, other = results(self._body), results(self._nothing)
        nothing: Any = self._node.args[0]
        if self._empty == 1:
            nothing = call(self._node, not_, nothing, val=nothing.meta["val"])
        for k, user in list(items(self._node)):
            made = self._copies.get(given[k])
            if made is None:
                continue
            cut = self._cut(user, given[k], other[k], made, nothing)
            if cut is not None:
                user.replace_all_uses_with(cut)
                self._root.graph.erase_node(user)
        for old in list(dict.fromkeys(g for g in given if isinstance(g, fx.Node))):
            if old.op != "placeholder":
                self._hand_in(old)
        self._body.graph.eliminate_dead_code()
        self._body.recompile()

    def _cut(
        self, user: fx.Node, full: fx.Node, other: Any, made: fx.Node, nothing: Any
    ) -> fx.Node | None:
        """The result without the branch; None if it needs it."""
        val = full.meta.get("val")
        before = other.meta.get("val") if isinstance(other, fx.Node) else None
        if not isinstance(val, torch.Tensor) or not isinstance(before, torch.Tensor):
            return None
        if val.ndim != before.ndim or not val.ndim:
            return None
        kept = self._appended_to(full, other)
        dim, length = kept or (self._empty_dim(val, before), 0)
        if dim is None:
            return None
        if kept:
            length = call(user, aten.sym_size.int, length, dim, val=before.shape[dim])
        rest = [d for d in range(val.ndim) if d != dim]
        if any(str(val.shape[d]) != str(before.shape[d]) for d in rest):
            return None
        end = call(user, select, nothing, length, _ALL, val=user.meta["val"].shape[dim])
        return call(user, aten.slice.Tensor, made, dim, 0, end, val=user.meta["val"])

    def _appended_to(self, full: fx.Node, other: object) -> tuple[int, fx.Node] | None:
        """Where this path appends to what the other one hands on."""
        if full.target is not aten.cat.default or other not in self._others:
            return None
        first: Any = full.args[0][0]  # type: ignore[index]
        index = self._others.index(other)
        if first is not self._placeholders[index]:
            return None
        dim: Any = full.args[1] if len(full.args) > 1 else 0
        operands: Any = self._node.args[3]
        return dim % full.meta["val"].ndim, operands[index]

    def _empty_dim(self, val: torch.Tensor, before: torch.Tensor) -> int | None:
        zero = dict.fromkeys(self._symbols, 0)
        for d, size in enumerate(before.shape):
            there = size_with(size, zero) if isinstance(size, torch.SymInt) else size
            full = val.shape[d]
            if type(there) is int and there == 0 and not (type(full) is int and full == 0):
                return d
        return None

    def _hand_in(self, old: fx.Node) -> None:
        """Gives the branch a value that was computed before it."""
        value = self._copies[old]
        operands = operands_of(self._node)
        self._node.args = (*self._node.args[:3], (*operands, value))
        for body, placeholders in parts(self._root, self._node):
            placeholder = new_placeholder(
                body.graph,
                value.name,
                value.meta["val"],
                placeholders[-1] if placeholders else None,
            )
            if body is self._body:
                old.replace_all_uses_with(placeholder)
            body.recompile()


def _factor(size: torch.SymInt) -> int:
    expr = size.node.expr
    (symbol,) = expr.free_symbols
    return int(expr / symbol)
