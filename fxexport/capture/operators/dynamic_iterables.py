"""Things to iterate over whose length is known only when the model runs."""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import GeneratorType
from typing import Any

import torch

from fxexport.capture.recording.types import Function, Size
from fxexport.capture.session.list_runs import Views
from fxexport.capture.session.session import Session
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = [
    "Dynamic",
    "Exhausted",
    "Filtered",
    "Generated",
    "drawn",
    "draws_alone",
    "dynamic_enumerate",
    "dynamic_map",
    "dynamic_range",
    "dynamic_reversed",
    "dynamic_zip",
    "rows",
]


class Dynamic:
    """A sequence of dynamic length: its length and a function that gives its k-th item.

    Attributes:
        length: number of items (SymInt).
        item: gives the item at an index from 0 to length - 1.
        lists: the Python lists whose items these are, or are made of.
        once: whether Python would have an iterator here, which is used up by one loop.
        computed: whether code of the program makes its items, as they are asked for.
        used: whether it has been; known only at run time after a branch, hence no plain bool.
        views: the list's items, where they are views of a tensor.
    """

    def __init__(
        self,
        length: Size,
        item: Callable[[Size], Any],
        text: str,
        lists: Iterable[Sequence[object]] = (),
        once: bool = False,
        views: Views | None = None,
        computed: bool = False,
    ) -> None:
        self.length = length
        self.item = item
        self.text = text
        self.lists = tuple(lists)
        self.once = once
        self.computed = computed
        self.used: object = False
        self.views = views
        self._found = [list(items) for items in self.lists]

    def refuse_if_stale(self) -> None:
        """Checks that a loop over it would find the items that Python would find.

        Raises:
            UnsupportedError: Python would find other items, or none.
        """
        if self.used is not False:
            raise UnsupportedError(
                f"{self.text} may have been used up before this line; it then has no items left",
                code=Code.USED_ITERATOR,
                location=user_location(),
                hint="create it again for each loop",
            )
        for items, found in zip(self.lists, self._found, strict=True):
            if len(items) != len(found) or any(map(operator.is_not, items, found)):
                raise UnsupportedError(
                    f"a list changes after {self.text} was created from it, but before the loop",
                    code=Code.CHANGED_WHILE_READ,
                    location=user_location(),
                    hint="create it in the line of the loop",
                )

    def are(self, count: int) -> Any:
        """Whether there are just so many items."""
        return self.length == count if self.views is None else self.views.are(count)

    def has(self, count: int) -> Any:
        """Whether there are at least so many items."""
        if self.views is None or not count:
            return self.length >= count
        return self.views.has(count - 1)

    def __iter__(self) -> Iterator[Any]:
        raise UnsupportedError(
            f"{self.text} has a length that is known only when the model runs, and it is used "
            "where Python needs all its items at once",
            code=Code.OPEN_LIST,
            location=user_location(),
            hint="use a for statement over it, or make that dimension static",
        )


class Filtered:
    """What ``filter(test, items)`` gives: each item is tested when it is asked for.

    Attributes:
        test: tells of an item whether it is kept; it may be known only when the model runs.
        items: an iterator, or a `Dynamic`.
        make: gives what is made of an item that is kept.
    """

    def __init__(
        self,
        test: Function,
        items: Any,
        truth: Callable[[object], bool],
        make: Function = lambda item: item,
    ) -> None:
        """`truth` decides a test where Python itself goes through the items."""
        self.test, self.items, self.make = test, items, make
        self._truth = truth
        self.used: object = False

    @property
    def once(self) -> bool:
        """Whether a loop over it is noted; a Python iterator inside notes that by itself."""
        return isinstance(self.items, Dynamic) or getattr(self.items, "once", False)

    def refuse_if_stale(self) -> None:
        """Checks that a loop over it would find the items that Python would find.

        Raises:
            UnsupportedError: Python may find none.
        """
        if self.used is not False:
            raise UnsupportedError(
                "a filter or generator may have been used up before this line; it then has no "
                "items left",
                code=Code.USED_ITERATOR,
                location=user_location(),
                hint="create it again for each loop",
            )

    def __iter__(self) -> Filtered:
        return self

    def __next__(self) -> object:
        source = iter(self.items)
        while True:
            item = next(source)
            if self._truth(self.test(item)):
                return self.make(item)


class Generated:
    """What a generator function of the program gives: a generator, in two forms.

    Attributes:
        used: whether all its items have been handed out, known only at run time after a branch;
            None in a loop over it, and after one that may have been left.
        produce: ``produce(consumer, stopped)`` hands each item to a consumer, until it stops.
    """

    def __init__(
        self,
        plain: Callable[[], Generator[Any, Any, Any]],
        produce: Callable[[Function, Function], object],
        *,
        managing: bool = False,
    ) -> None:
        """`plain` makes the generator; `managing` if it sees exceptions of a with statement."""
        self._managing = managing
        self.used: object = False
        self.produce = produce
        self._make = plain
        self._generator: Generator[Any, Any, Any] | None = None

    @property
    def is_new(self) -> bool:
        """Whether it can be gone through, and nobody has drawn an item from the generator."""
        return self.is_unused and not self._managing

    @property
    def is_unused(self) -> bool:
        """Whether nobody has drawn an item from the generator."""
        return self._generator is None and self.used is False

    def start_again(self) -> None:
        """Takes back that items were drawn, where all that drawing them did was taken back."""
        self._generator = None

    def refuse_if_used(self) -> None:
        """Refuses to go through what may have been gone through before."""
        if self.used is not False:
            raise UnsupportedError(
                "a generator may have been used before this line, up to an item that only the run "
                "knows",
                code=Code.USED_ITERATOR,
                location=user_location(),
                hint="create it again for each loop",
            )

    def __iter__(self) -> Generator[Any, Any, Any]:
        self.refuse_if_used()
        if self._generator is None:
            self._generator = self._make()
        return self._generator

    def __next__(self) -> Any:
        return next(iter(self))

    def __getattr__(self, name: str) -> Any:
        if name not in ("send", "throw", "close") and not name.startswith("gi_"):
            raise AttributeError(name)
        return getattr(iter(self), name)


# Iterators that go through what is there and run no code of the program.
_MADE: tuple[Any, ...] = (
    [], (), range(0), range(2**70), {}, {}.values(), {}.items(), set(), "", b"", deque(),
)  # fmt: skip
_PLAIN = (*(type(iter(made)) for made in _MADE), type(reversed([])), type(reversed({})))


def draws_alone(session: Session, iterator: object) -> bool:
    """Whether an item can be drawn in one body of the graph and the next one in another.

    A function with yield, or `itertools.accumulate`, keeps values of its own from item to item.
    """
    if isinstance(iterator, _PLAIN):
        return True
    if isinstance(iterator, GeneratorType):
        frame = iterator.gi_frame
        if iterator.gi_code.co_name != "<genexpr>":
            return False
        return frame is None or draws_alone(session, frame.f_locals.get(".0"))
    if isinstance(iterator, Filtered):
        return draws_alone(session, iterator.items)
    if isinstance(iterator, (map, filter, zip, enumerate, reversed, itertools.starmap)):
        return all(draws_alone(session, source) for source in session.journal.sources(iterator))
    return False


class Exhausted(Exception):
    """There are no more items to loop over."""


def drawn(draw: Callable[[], Any]) -> Any:
    """The next item of an iterator."""
    try:
        return draw()
    except StopIteration:
        raise Exhausted from None


def dynamic_range(*args: Size) -> range | Dynamic:
    """`range` whose bounds and step may be symbolic; a step that is not known is not 0."""
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    if not any(isinstance(arg, torch.SymInt) for arg in (start, stop, step)):
        return range(start, stop, step)
    if isinstance(step, int) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    if isinstance(step, torch.SymInt):
        # (stop - start) / step rounded up, whichever way the range goes.
        length = torch.sym_max(0, -((start - stop) // step))
    else:
        span = stop - start if step > 0 else start - stop
        length = torch.sym_max(0, (span + (abs(step) - 1)) // abs(step))
    return Dynamic(length, lambda k: start + k * step, "range(...)")


def rows(tensor: torch.Tensor) -> Dynamic | tuple[torch.Tensor, ...]:
    """The rows of a tensor along its first dimension."""
    if tensor.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    length = tensor.shape[0]
    if isinstance(length, torch.SymInt):
        return Dynamic(length, lambda k: tensor.select(0, k), "a tensor")
    return tensor.unbind(0)


def _as_dynamic(value: object) -> Any:
    if isinstance(value, torch.Tensor):
        return rows(value)
    return value


def _length(value: Dynamic | range) -> Size:
    return value.length if isinstance(value, Dynamic) else len(value)


def _item(value: Dynamic | range, k: Size) -> object:
    if isinstance(value, Dynamic):
        return value.item(k)
    return value.start + k * value.step


def dynamic_enumerate(iterable: object, start: Size = 0) -> Iterable[object]:
    """`enumerate` over anything."""
    source = _as_dynamic(iterable)
    if isinstance(source, Dynamic):
        return Dynamic(
            source.length,
            lambda k: (k + start, source.item(k)),
            "enumerate(...)",
            source.lists,
            once=True,
            computed=source.computed,
        )
    if isinstance(start, torch.SymInt):
        return ((start + k, item) for k, item in enumerate(source))
    return enumerate(source, start)


def dynamic_zip(sources: Sequence[Dynamic | range]) -> Dynamic:
    """`zip` over what is read by an index."""
    length: Any = None
    for source in sources:
        here = _length(source)
        length = here if length is None else torch.sym_min(length, here)
    return Dynamic(
        length,
        lambda k: tuple(_item(s, k) for s in sources),
        "zip(...)",
        [one for source in sources for one in _lists_of(source)],
        once=True,
        computed=any(isinstance(s, Dynamic) and s.computed for s in sources),
    )


def _lists_of(source: object) -> tuple[Sequence[object], ...]:
    return source.lists if isinstance(source, Dynamic) else ()


def dynamic_reversed(iterable: object) -> Iterable[object]:
    """`reversed` over anything."""
    source = _as_dynamic(iterable)
    if isinstance(source, Dynamic):
        last = source.length - 1
        return Dynamic(
            source.length, lambda k: source.item(last - k), "reversed(...)", source.lists, once=True
        )
    return reversed(source)


def dynamic_map(function: Function, sources: Sequence[Dynamic | range]) -> Dynamic:
    """`map` over what is read by an index; `function` is converted already."""
    zipped = dynamic_zip(sources)
    return Dynamic(
        zipped.length,
        lambda k: function(*zipped.item(k)),
        "map(...)",
        zipped.lists,
        once=True,
        computed=True,
    )
