"""Lists of numbers whose length is known only when the model runs: from tensors, and to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.dynamic_iterables import Dynamic
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.operators.staged_functions import collected, picked
from fxexport.capture.recording.types import is_symbolic, sym_type
from fxexport.capture.session.list_runs import Spread, is_open, refuse_open
from fxexport.capture.session.session import Session
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import DTYPE_OF, Number, Packed, Parts, Pattern, TensorOf
from fxexport.capture.staging.runs import single
from fxexport.capture.staging.sequence_items import PackedRun, item_of, item_tensors
from fxexport.capture.values.kinds import Mismatch
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["NumberLists"]


class NumberLists:
    """``tolist()`` and ``torch.tensor()`` where a length is known only when the model runs.

    Args:
        session: the capture.
        lists: what lists of varying length do.
        calls: call functions that are written in Python.
    """

    def __init__(
        self,
        session: Session,
        lists: OpenLists,
        calls: Calls,
        pick: Callable[[Any, Any], object],
    ) -> None:
        """`pick` reads an item of a list at an index that is known only when the model runs."""
        self._session = session
        self._pick = pick
        self._lists = lists
        self._calls = calls

    # -- out of a tensor ---------------------------------------------------------------------------

    def tolist(self, tensor: torch.Tensor) -> Any:
        """``tensor.tolist()``: numbers of a tensor that is computed when the model runs."""
        if not tensor.dim():
            return tensor.item()
        length = tensor.shape[0]
        if not is_symbolic(length):
            rows = [self.tolist(tensor.select(0, k)) for k in range(length)]
            return self._session.journal.made(rows)
        if tensor.dim() > 1:
            rows_of = Dynamic(length, lambda k: self.tolist(tensor.select(0, k)), "tolist()")
            return self._calls.call(collected)(rows_of)
        kind: type = int
        if tensor.dtype == torch.bool or tensor.dtype.is_floating_point:
            kind = bool if tensor.dtype == torch.bool else float
        # The list keeps its numbers where the tensor is written to.
        numbers = tensor.to(DTYPE_OF[kind], copy=True)
        element = Number(kind)
        run = PackedRun(self._session, Packed([], element), [numbers])
        return self._session.journal.made([Spread(element, run, length)])

    # -- into a tensor -----------------------------------------------------------------------------

    def tensor(self, data: Any, dtype: torch.dtype | None = None, device: object = None) -> Any:
        """``torch.tensor`` of an open list of numbers, or of lists of them.

        Raises:
            UnsupportedError: PyTorch would make no tensor of it.
        """
        made = self._of_value(data, dtype is not None)
        if dtype is None:
            dtype = made.dtype
            if dtype == torch.float64 and not _holds_tensor(data):
                dtype = torch.get_default_dtype()
        return made.to(dtype)

    def _of_value(self, data: Any, typed: bool) -> torch.Tensor:
        if isinstance(data, torch.Tensor):
            return data.detach().clone()
        if is_open(data):
            return self._of_open_list(data, typed)
        if isinstance(data, (list, tuple)):
            parts = [self._of_value(item, typed) for item in data]
            return _stacked(parts, 0)
        return torch.scalar_tensor(data, dtype=DTYPE_OF[sym_type(data) or float])

    def _of_open_list(self, items: Any, typed: bool) -> torch.Tensor:
        try:
            element = Elements(self._session, mixed=False).element_of(list(items))
        except Mismatch as reason:
            raise refuse_open(f"made a tensor, and {reason}") from None
        plain = isinstance(element, Number) and element.kind is float
        shaped = typed and isinstance(element, Number)
        if not plain and not shaped:
            # PyTorch gives one dimension and float32 for an empty list, whatever its items are.
            self._lists.not_empty(items, "torch.tensor")
        return self._of_items(
            element, iter(item_tensors(self._session, Packed([], element), items))
        )

    def _of_items(self, element: Pattern, tensors: Iterator[torch.Tensor]) -> torch.Tensor:
        """What packed tensors hold, an item along the first dimension."""
        if isinstance(element, Number) or (isinstance(element, TensorOf) and not element.dims):
            return next(tensors)
        if isinstance(element, Parts) and isinstance(element.like, (list, tuple)):
            return _stacked([self._of_items(item, tensors) for item in element.items], 1)
        if isinstance(element, Packed) and isinstance(element.element, Number):
            return self._even_rows(next(tensors), next(tensors))
        raise refuse_open("made a tensor, and its items are no numbers")

    def _even_rows(self, numbers: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Lists of one length, one behind the other, as the rows of a matrix."""
        even: Any = (sizes == sizes[:1]).all().item()
        text = "the lists that torch.tensor gets have one length"
        self._lists.take_for_granted(even, text, "ValueError")
        width: Any = sizes.select(0, 0).select(0, 0).item()
        self._lists.take_for_granted(width > 0, "torch.tensor gets lists that are not empty")
        return numbers.reshape(sizes.shape[0], width)

    # -- in order ----------------------------------------------------------------------------------

    def sorted_by(self, items: Any, keys: Any, reverse: object) -> Any:
        """``sorted`` by keys that are known only when the model runs.

        Args:
            items: the items.
            keys: a number, or a tuple of numbers, for each.
            reverse: whether the greatest comes first.

        Raises:
            UnsupportedError: the keys are anything else.
        """
        order = self._order(keys, bool(reverse))
        if is_open(items):
            places = self._session.journal.made(self.tolist(order))
            return self._calls.call(picked)(items, places)
        try:
            run = single(self._session, items, mixed=False)
        except Mismatch:
            return [self._pick(items, order.select(0, k).item()) for k in range(len(items))]
        indices: list[Any] = [order.select(0, k).item() for k in range(len(items))]
        return [item_of(self._session, run, index) for index in indices]

    def _order(self, keys: Any, descending: bool) -> torch.Tensor:
        """The places of the items in their order; equal ones stay in theirs."""
        try:
            element = Elements(self._session, mixed=False).element_of(list(keys))
        except Mismatch as reason:
            raise _unsorted(str(reason)) from None
        if not _is_sortable(element):
            raise _unsorted("they are neither numbers nor tuples of numbers")
        columns = item_tensors(self._session, Packed([], element), keys)
        order: torch.Tensor | None = None
        # The first numbers of tuples count most: they are sorted by last.
        for column in reversed(columns):
            column = column if order is None else column[order]
            found = torch.sort(column.to(_sorted_as(column)), stable=True, descending=descending)[1]
            order = found if order is None else order[found]
        assert order is not None
        return order


def _is_sortable(element: Pattern) -> bool:
    if isinstance(element, Parts):
        return isinstance(element.like, (tuple, list)) and all(map(_is_sortable, element.items))
    return isinstance(element, Number) or (isinstance(element, TensorOf) and not element.dims)


def _sorted_as(numbers: torch.Tensor) -> torch.dtype:
    return torch.int64 if numbers.dtype == torch.bool else numbers.dtype


def _unsorted(reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"a list is sorted by values that are known only when the model runs, and {reason}",
        code=Code.OPEN_LIST,
        location=user_location(),
        hint="give sorted() a key that is a number, or a tuple of numbers",
    )


def _stacked(parts: list[torch.Tensor], dim: int) -> torch.Tensor:
    dtype = parts[0].dtype
    for part in parts[1:]:
        dtype = torch.promote_types(dtype, part.dtype)
    return torch.stack([part.to(dtype) for part in parts], dim)


def _holds_tensor(data: Iterable[Any]) -> bool:
    """Whether tensors are among what a tensor is made of: their dtype stays."""
    if isinstance(data, Spread):
        return isinstance(data.element, TensorOf)
    if isinstance(data, (list, tuple)):
        return any(_holds_tensor(item) for item in data)
    return isinstance(data, torch.Tensor)
