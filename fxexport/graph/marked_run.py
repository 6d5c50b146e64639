"""Runs a captured graph on values that carry something along, as the ties that they hang on."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import fx
from torch.utils import _pytree as pytree

from fxexport.graph.arguments import filled
from fxexport.graph.ops import branch, loop
from fxexport.graph.paths import Path

__all__ = ["MarkedRun"]


class _Marked(Protocol):
    @property
    def value(self) -> Any:
        """What runs."""


V = TypeVar("V", bound=_Marked)


class MarkedRun(ABC, Generic[V]):
    """One run of a graph.

    Args:
        kind: the class of the values, which hold in `value` what runs.
        bare: makes a value that carries nothing: a weight, a body, a number of the run itself.
    """

    def __init__(self, kind: type[V], bare: Callable[[Any], V]) -> None:
        self._kind = kind
        self._bare = bare

    # -- what a kind of mark says ----------------------------------------------------------------

    @abstractmethod
    def marked(self, value: Any) -> V:
        """An argument of the graph, or a constant in it, with what it carries."""

    @abstractmethod
    def called(
        self,
        node: fx.Node,
        arguments: tuple[Sequence[Any], Mapping[str, Any]],
        plain: tuple[Sequence[Any], Mapping[str, Any]],
        result: Any,
    ) -> Any:
        """What an operator has given, marked: one value, or a list for several results.

        Args:
            node: that of the operator.
            arguments: its marked arguments, by place and by name.
            plain: the same without marks.
            result: what it gave.
        """

    @abstractmethod
    def branched(self, path: Path, test: V, results: list[V]) -> list[V]:
        """The results of a branch whose condition was `test`."""

    @abstractmethod
    def looped(self, path: Path, bound: V, tests: Sequence[V], results: list[V]) -> list[V]:
        """The results of a loop.

        Args:
            path: where it is.
            bound: the largest number of iterations.
            tests: its conditions, first that of the first iteration; each that held but the last.
            results: what it carried and collected.
        """

    @abstractmethod
    def stacked(self, tensor: torch.Tensor, rows: Sequence[V]) -> V:
        """The rows that a loop has collected, as one tensor."""

    def iterates(self) -> None:
        """A loop begins an iteration."""

    # -- the run ---------------------------------------------------------------------------------

    def graph(self, module: fx.GraphModule, path: Path, arguments: Sequence[V]) -> list[V]:
        """Runs a graph, or a body."""
        env: dict[fx.Node, Any] = {}
        left = iter(arguments)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                env[node] = next(left)
            elif node.op == "get_attr":
                env[node] = self._bare(operator.attrgetter(str(node.target))(module))
            elif node.op == "call_function":
                env[node] = self._call(node, (*path, node.name), env)
            else:
                return [self.given(value) for value in filled(node.args[0], env)]
        return []

    def given(self, value: Any) -> V:
        """A value with its mark; one without gets it."""
        return value if isinstance(value, self._kind) else self.marked(value)

    def plain(self, value: Any) -> Any:
        """A value without its mark."""
        return value.value if isinstance(value, self._kind) else value

    def is_marked(self, value: Any) -> bool:
        """Whether a value has a mark."""
        return isinstance(value, self._kind)

    def _call(self, node: fx.Node, path: Path, env: Mapping[fx.Node, Any]) -> Any:
        args, kwargs = filled((node.args, node.kwargs), env)
        if node.target is operator.getitem:
            return args[0][args[1]]
        if node.target is branch:
            return self._branch(path, *args, **kwargs)
        if node.target is loop:
            return self._loop(path, *args, **kwargs)
        plain = pytree.tree_map(self.plain, (args, kwargs), is_leaf=self.is_marked)
        assert callable(node.target)
        result = node.target(*plain[0], **plain[1])
        return self.called(node, (args, kwargs), plain, result)

    def _branch(
        self, path: Path, condition: Any, then_body: V, else_body: V, operands: Sequence[Any]
    ) -> list[V]:
        test = self.given(condition)
        body, side = (then_body, "then") if bool(test.value) else (else_body, "else")
        results = self.graph(body.value, (*path, side), [self.given(value) for value in operands])
        return self.branched(path, test, results)

    def _loop(
        self,
        path: Path,
        trip_count: Any,
        condition: Any,
        body: V,
        carried: Sequence[Any],
        captured: Sequence[Any],
        scan_shapes: Sequence[Any] = (),
    ) -> list[V]:
        bound, test = self.given(trip_count), self.given(condition)
        state = [self.given(value) for value in carried]
        outer = [self.given(value) for value in captured]
        tests = [test]
        rows: list[list[V]] = []
        while bool(test.value) and (bound.value is None or len(rows) < bound.value):
            self.iterates()
            step = [self._bare(len(rows)), *state, *outer]
            test, *results = self.graph(body.value, (*path, "body"), step)
            tests.append(test)
            state, row = results[: len(state)], results[len(state) :]
            rows.append(row)
        scans = [
            self._stacked([row[k] for row in rows], shape) for k, shape in enumerate(scan_shapes)
        ]
        return self.looped(path, bound, tests, [*state, *scans])

    def _stacked(self, rows: Sequence[V], empty: Any) -> V:
        if rows:
            tensor = torch.stack([torch.as_tensor(row.value) for row in rows])
        else:
            sizes, dtype = empty
            shape = [int(self.plain(size) or 0) for size in sizes]
            tensor = torch.empty((0, *shape), dtype=self.plain(dtype))
        return self.stacked(tensor, rows)
