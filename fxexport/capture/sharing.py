"""Who shares memory with whom, on some ways or all, and what may therefore not be written to.

Merged and carried tensors stand for others whose memory they are in PyTorch on some way; lists of
varying length hold copies where Python's hold the things themselves. What a write would not reach
in the graph is refused, at the write or where it is read.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.aliasing import Aliases
from fxexport.capture.frames import user_location
from fxexport.capture.journal import ContentsSlot, Journal
from fxexport.capture.tensors import TensorMode
from fxexport.errors import UnsupportedError

__all__ = ["Sharing"]


class Sharing:
    """The part of a capture's state that knows about shared memory.

    Attributes:
        journal: notes the writes.
        tensors: the program's tensors.
        aliases: objects other than tensors.
        lost: id of a tensor -> it, and the line of a write that it may not have seen.
    """

    journal: Journal
    tensors: TensorMode
    aliases: Aliases

    def __init__(self) -> None:
        self.lost: dict[int, tuple[weakref.ref[Any], Any]] = {}
        # merged tensor -> the tensors that it may share memory with in PyTorch
        self._merged: list[tuple[weakref.ref[Any], list[weakref.ref[Any]]]] = []
        # tensor -> the operator that has given it other sizes in place
        self._reshaped: Any = WeakIdKeyDictionary()
        # tensor -> the list of varying length that holds it as an item
        self._held: list[tuple[weakref.ref[Any], weakref.ref[Any]]] = []
        # id of an object that is an item of such a list -> the object, and the list
        self._frozen: dict[int, tuple[Any, weakref.ref[Any]]] = {}
        # The lists that are being looped over, innermost last.
        self._iterated: list[Any] = []

    def contents(self, tensor: torch.Tensor) -> ContentsSlot:
        """The place that holds the values of a tensor that is no view."""
        return ContentsSlot(
            tensor,
            lambda t: self.tensors.wrap(self.tensors.inner(t)),
            lambda t, value: self.tensors.replace(t, self.tensors.inner(value)),
            self.tensors.born(tensor),
        )

    def about_to_reshape(self, tensor: torch.Tensor, name: str) -> None:
        """Refuses operators in place that change what cannot be given back after a branch."""
        plain = name.rstrip("_")
        if plain in ("set", "resize", "resize_as"):
            hint = "assign a new tensor to the name instead"
            raise UnsupportedError(
                f"{name} gives a tensor other memory in place", location=user_location(), hint=hint
            )
        if self.tensors.born(tensor) < self.journal.opened:
            raise UnsupportedError(
                f"{name} changes the sizes of a tensor from outside a branch or loop in place",
                location=user_location(),
                hint=f"write y = y.{plain}(...) instead",
            )
        self._reshaped[tensor] = name

    def may_share(self, tensor: torch.Tensor, source: torch.Tensor) -> None:
        """Remembers a copy that is a view where some size is 1, to refuse later writes."""
        self.merged_from(tensor, source)

    def about_to_write(self, base: torch.Tensor) -> None:
        """Notes a write: what shares the memory on some ways holds nobody knows what after it."""
        for merged_ref, sources in self._merged:
            merged = merged_ref()
            if merged is None:
                continue
            alive = [source for ref in sources if (source := ref()) is not None]
            if base is merged:
                for source in alive:
                    self._lose(source)
            elif any(base is source for source in alive):
                self._lose(merged)
        name = self._reshaped.get(base)
        if name is not None and self.tensors.born(base) < self.journal.opened:
            raise UnsupportedError(
                f"a tensor is written in place in a branch or loop after {name} has changed its "
                "sizes in place",
                location=user_location(),
                hint=f"write y = y.{name.rstrip('_')}(...) instead",
            )
        real = self.tensors.real_of(base)
        if real is not None and self.tensors.sharing_memory(real):
            self.reads_under_another_name(real)
        for held, holder in self._held:
            if held() is base and holder() is not None:
                raise _item_changed("a tensor is written in place")
        self.journal.touch(self.contents(base))

    def _lose(self, base: torch.Tensor, location: Any = None) -> None:
        self.lost.setdefault(id(base), (weakref.ref(base), location or user_location()))

    def is_lost(self, tensor: Any, lost: Mapping[int, Any] | None = None) -> Any:
        """Where a tensor was perhaps written under another name (now, or in a state saved before).

        Returns:
            The place of the write and True; None for a tensor that holds what it should.
        """
        if not isinstance(tensor, compat.FunctionalTensor):
            return None
        base = self.tensors.base_of(tensor)
        found = (self.lost if lost is None else lost).get(id(base))
        return (found[1], True) if found is not None and found[0]() is base else None

    def lose_as(self, tensors: Iterable[Any], before: Iterable[Any], lost: Any) -> None:
        """New tensors are lost where those that they stand for were."""
        for tensor, old in zip(tensors, before, strict=False):
            found = self.is_lost(old, lost)
            if found is not None:
                self._lose(self.tensors.base_of(tensor), found[0])

    def about_to_read(self, tensor: torch.Tensor) -> None:
        """Refuses a read of what was perhaps written under another name."""
        found = self.is_lost(tensor) if self.lost else None
        if found is not None:
            raise UnsupportedError(
                "a tensor is written in place that shares memory with another one on some ways "
                "through the model (a branch, a loop, sizes of 1) and not on others, and the other "
                "one is read afterwards",
                location=found[0],
                hint="make a new tensor instead (y = y + 1), or clone() it where it is made",
            )

    def held_by(self, tensor: torch.Tensor, holder: Any) -> None:
        """Remembers that a list of varying length holds a tensor: it may not be written to."""
        base = self.tensors.base_of(self.tensors.lift(tensor))
        self._held.append((weakref.ref(base), weakref.ref(holder)))

    def freeze(self, value: Any, holder: Any) -> None:
        """Remembers that an object is an item of a list of varying length."""
        if isinstance(value, torch.Tensor):
            return
        if isinstance(value, (list, dict, set)) or hasattr(value, "__dict__"):
            self._frozen[id(value)] = (value, weakref.ref(holder))
        for part in _parts_inside(value):
            self.freeze(part, holder)

    def check_changeable(self, value: Any) -> None:
        """To be called before a container or object changes.

        Raises:
            UnsupportedError: a list of varying length holds it.
        """
        if any(value is iterated for iterated in self._iterated):
            raise UnsupportedError(
                "a list changes while a loop of unknown length goes over it",
                location=user_location(),
                hint="loop over a copy of it",
            )
        frozen = self._frozen.get(id(value))
        if frozen is not None and frozen[0] is value and frozen[1]() is not None:
            raise _item_changed(f"a {type(value).__name__} changes")

    @contextlib.contextmanager
    def iterating(self, containers: Sequence[Any]) -> Iterator[None]:
        """While a loop that is staged goes over lists."""
        self._iterated.extend(containers)
        try:
            yield
        finally:
            del self._iterated[len(self._iterated) - len(containers) :]

    def reads_under_another_name(self, real: torch.Tensor) -> None:
        """Refuses a write that two of the model's own tensors see."""
        raise UnsupportedError(
            "a tensor that the model keeps is written in place, and another one that it keeps is a "
            "view of it, or shares its memory otherwise",
            location=user_location(),
            hint="keep one of them, and make the view in forward",
        )

    def merged_from(self, merged: torch.Tensor, *sources: Any) -> None:
        """Remembers what a merged tensor may share memory with, to refuse later writes."""
        merged = self.tensors.base_of(merged)
        bases = [self.tensors.base_of(s) for s in sources if isinstance(s, compat.FunctionalTensor)]
        bases = [base for base in bases if base is not merged]
        if bases:
            self._merged.append((weakref.ref(merged), [weakref.ref(base) for base in bases]))

    def may_be_one(self, a: Any, b: Any) -> bool:
        """Whether two different objects may be one and the same in Python on some way."""
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
            return self.aliases.may_be_one(a, b)
        return not self._bases(a).isdisjoint(self._bases(b))

    def _bases(self, tensor: torch.Tensor) -> set[int]:
        """The tensors that a merged one may be, or look into."""
        found: set[int] = set()
        queue = [self.tensors.base_of(tensor)]
        while queue:
            item = queue.pop()
            if id(item) in found:
                continue
            found.add(id(item))
            for merged_ref, sources in self._merged:
                if merged_ref() is item:
                    queue.extend(source for ref in sources if (source := ref()) is not None)
        return found

    def outer_sources(self, base: torch.Tensor, since: int) -> list[torch.Tensor]:
        """The tensors made before `since` whose memory a tensor is in, or may be in."""
        if self.tensors.born(base) < since:
            return [base]
        found = {
            id(source): source
            for merged, sources in self._merged
            if merged() is base
            for ref in sources
            if (source := ref()) is not None and self.tensors.born(source) < since
        }
        return list(found.values())

    def share_as(
        self,
        tensors: Sequence[Any],
        before: Sequence[Any],
        since: int,
        lost: Mapping[int, Any],
    ) -> None:
        """New tensors stand for others: what these share, they may share.

        Args:
            tensors: merged or carried tensors.
            before: what each of them stands for on one way, or at the end of a trip.
            since: the journal's number when that way or trip began.
            lost: what was lost (`is_lost`) at the end of that way or trip.
        """
        groups: dict[int, list[Any]] = {}
        for tensor, old in zip(tensors, before, strict=False):
            if not isinstance(old, compat.FunctionalTensor) or tensor is old:
                continue
            base = self.tensors.base_of(old)
            groups.setdefault(id(base), []).append(tensor)
            self.merged_from(tensor, *self.outer_sources(base, since))
            found = self.is_lost(old, lost)
            if found is not None:
                self._lose(self.tensors.base_of(tensor), found[0])
        for group in groups.values():
            for tensor in group:
                self.merged_from(tensor, *(other for other in group if other is not tensor))


def _parts_inside(value: Any) -> list[Any]:
    """What a plain container holds."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _item_changed(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} that is an item of a list whose length is known only when the model runs",
        location=user_location(),
        hint="make a new one and put it into the list: items[i] = items[i] + 1; "
        "or append a clone()",
    )
