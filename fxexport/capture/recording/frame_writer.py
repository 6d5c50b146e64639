"""Nested graphs being written: which node yields which value, and what a body captures."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import sympy
import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.types import (
    SYM,
    SYM_OF,
    GraphValue,
    Number,
    Operand,
    Size,
    SymbolicNumber,
    Value,
    python_type,
)
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars
from fxexport.graph.sequences import SequenceVal, sequence_length
from fxexport.graph.size_expressions import Number as NumberNode
from fxexport.graph.size_expressions import emit_expression
from fxexport.graph.unranked import UnrankedVal
from fxexport.source.frames import user_frames, user_location

__all__ = ["FrameWriter"]

_Sym = TypeVar("_Sym", bound=SymbolicNumber)


class FrameWriter:
    """Writes nodes into the innermost open frame.

    A value used in a body but made outside it becomes a captured input of that body when it is
    first met; Python closures then just work.
    """

    def __init__(self, env: compat.SizeEnv) -> None:
        self.env = env
        self.frame = Frame(fx.Graph(), None)
        self.weights: dict[str, torch.Tensor] = {}
        self._weight_fakes: dict[str, torch.Tensor] = {}
        # Paths of the modules that are being called, innermost last.
        self.module_path: list[str] = []
        self.emitted = 0
        self._counter = 0

    # -- frames ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def body(self) -> Iterator[Frame]:
        """Records into a new graph inside the present one."""
        outer = self.frame
        self.frame = Frame(fx.Graph(), outer)
        try:
            yield self.frame
        finally:
            self.frame = outer

    def finish(
        self,
        frame: Frame,
        inputs: Sequence[fx.Node],
        outputs: Sequence[Operand],
        captured: Sequence[fx.Node],
    ) -> fx.GraphModule:
        """Closes a frame: its placeholders become `inputs`, then one for each of `captured`."""
        graph = fx.Graph()
        placeholders = list(inputs)
        for outer in captured:
            placeholders.append(self._capture(frame, outer))
        copies: dict[fx.Node, fx.Node] = {}
        for node in placeholders:
            copy = copies[node] = graph.node_copy(node)
            copy.target = copy.name  # two placeholders may have been given one name
        for node in frame.graph.nodes:
            if node not in copies:
                copies[node] = graph.node_copy(node, copies.__getitem__)
        graph.output(fx.map_arg(tuple(outputs), copies.__getitem__))
        return fx.GraphModule(frame.bodies, graph)

    def _placeholder(self, frame: Frame, name: str, meta: dict[str, Value]) -> fx.Node:
        with frame.graph.inserting_before(next(iter(frame.graph.nodes), None)):
            node = frame.graph.placeholder(name)
        node.meta.update(val=meta.get("val"), source=meta.get("source", ()))
        return node

    def add_input(self, name: str, value: GraphValue) -> fx.Node:
        """Adds a placeholder for a fake tensor or symbolic scalar to the present frame."""
        node = self.frame.graph.placeholder(name)
        node.meta.update(val=value, source=user_frames())
        self.bind(value, node)
        return node

    # -- values ------------------------------------------------------------------------------

    def bind(self, value: Value, node: fx.Node) -> None:
        """Says that `node` of the present frame yields `value`."""
        if isinstance(value, torch.Tensor):
            self.frame.tensors[id(value)] = (value, node)
            for dim, size in enumerate(value.shape):
                self._bind_size(size, torch.ops.aten.sym_size.int, node, dim)
        elif isinstance(value, UnrankedVal):
            self.frame.tensors[id(value)] = (value, node)
        elif isinstance(value, SequenceVal):
            self.frame.tensors[id(value)] = (value, node)
            self._bind_size(value.length, sequence_length, node)
        elif isinstance(value, SYM):
            self._bind_scalar(value, node)
        elif isinstance(value, (tuple, list)):
            for k, item in enumerate(value):
                if isinstance(item, (torch.Tensor, SequenceVal, UnrankedVal, *SYM, tuple, list)):
                    self.bind(item, self.emit(operator.getitem, node, k, val=item))

    def _bind_size(self, size: Size, read: Callable[..., Value], *args: Operand) -> None:
        """Says how a size that is a symbol is read from a node, where nothing tells it yet."""
        if not isinstance(size, torch.SymInt):
            return
        expr = compat.raw_expression(size)
        if not isinstance(expr, sympy.Symbol) or expr in self.frame.symbols:
            return
        if self._find_symbol(expr) is not None:
            return
        frame = self.frame
        self.frame.symbols[expr] = lambda: self._emit_in(frame, read, args, size)

    def _bind_scalar(self, value: SymbolicNumber, node: fx.Node) -> None:
        expr = compat.raw_expression(value)
        if isinstance(value, torch.SymBool):
            self.frame.expressions[expr] = node
            frame = self.frame
            self.frame.expressions[sympy.Not(expr)] = lambda: self._emit_in(
                frame, scalars.not_, (node,)
            )
            if isinstance(expr, sympy.Eq) and isinstance(expr.lhs, sympy.Symbol):
                self.frame.symbols[expr.lhs] = lambda: self._emit_in(frame, scalars.to_int, (node,))
        elif isinstance(expr, sympy.Symbol):
            # A number read from a tensor that was made of a known size is that size.
            if self._find_symbol(expr) is None:
                self.frame.symbols[expr] = node
        else:
            self.frame.expressions[expr] = node

    def node_of(self, value: Value) -> Operand:
        """The node (in the present frame) or constant for a fake tensor or scalar.

        Raises:
            UnsupportedError: a scalar whose origin is not in the graph.
        """
        if isinstance(value, (torch.Tensor, SequenceVal, UnrankedVal)):
            return self.tensor_node(value)
        if isinstance(value, SYM):
            with compat.no_recording():
                return self._expression_node(value)
        if isinstance(value, (list, tuple)):
            items = [self.node_of(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, dict):
            return {key: self.node_of(item) for key, item in value.items()}
        return cast("Operand", value)

    def tensor_node(self, tensor: torch.Tensor | SequenceVal | UnrankedVal) -> fx.Node:
        """The node of the present frame for a fake tensor or a sequence."""
        return self._tensor_node(tensor, self.frame)

    def _tensor_node(
        self, tensor: torch.Tensor | SequenceVal | UnrankedVal, frame: Frame
    ) -> fx.Node:
        held = frame.tensors.get(id(tensor))
        if held is not None:
            return held[1]
        if frame.parent is None:
            raise UnsupportedError(
                "a tensor that was made inside a branch or a loop is used outside it, through a "
                "function or object that does not say so",
                code=Code.INNER_VALUE,
                location=user_location(),
                hint="bind the tensor itself to a variable, and use that afterwards",
            )
        return self._capture(frame, self._tensor_node(tensor, frame.parent))

    def _capture(self, frame: Frame, outer: fx.Node) -> fx.Node:
        """The placeholder in `frame` for a node of its parent."""
        node = frame.captures.get(outer)
        if node is None:
            node = frame.captures[outer] = self._placeholder(frame, outer.name, outer.meta)
            value = outer.meta.get("val")
            if isinstance(value, (torch.Tensor, SequenceVal)):
                frame.tensors[id(value)] = (value, node)
        return node

    def has_node(self, tensor: torch.Tensor) -> bool:
        """Whether a fake tensor has a node in an open frame."""
        frame: Frame | None = self.frame
        while frame is not None and id(tensor) not in frame.tensors:
            frame = frame.parent
        return frame is not None

    def knows(self, symbol: sympy.Symbol) -> bool:
        """Whether a symbol has a node in an open frame."""
        return self._find_symbol(symbol) is not None

    @contextlib.contextmanager
    def reopened(self, frame: Frame) -> Iterator[None]:
        """Records into a frame again that `body` has left."""
        outer, self.frame = self.frame, frame
        try:
            yield
        finally:
            self.frame = outer

    def savepoint(self) -> Callable[[], None]:
        """Returns a function that forgets all that the present frame records from now on."""
        return self.frame.savepoint()

    def _find_symbol(self, symbol: sympy.Symbol) -> Frame | None:
        frame: Frame | None = self.frame
        while frame is not None:
            if symbol in frame.symbols:
                return frame
            frame = frame.parent
        return None

    def _leaf(self, expr: sympy.Basic) -> fx.Node | None:
        """The node here for a symbol or an expression that some open frame has already."""
        chain: list[Frame] = []
        frame: Frame | None = self.frame
        while frame is not None:
            table = frame.symbols if isinstance(expr, sympy.Symbol) else frame.expressions
            found = table.get(expr)
            if callable(found):
                found = table[expr] = found()
            if found is not None:
                break
            chain.append(frame)
            frame = frame.parent
        else:
            if isinstance(expr, sympy.Symbol):
                raise UnsupportedError(
                    "a number that was computed inside a branch or a loop is used outside it",
                    code=Code.INNER_VALUE,
                    location=user_location(),
                    hint="return it from the branch, or compute it before",
                )
            return None
        for inner in reversed(chain):
            if isinstance(found, fx.Node):
                found = self._capture(inner, found)
        return found

    def _expression_node(self, value: SymbolicNumber) -> NumberNode:
        expr = value.node.expr
        if expr.is_number or expr in (sympy.true, sympy.false):
            return emit_expression(expr, lambda _: None, self.emit)
        raw = compat.raw_expression(value)
        if raw != expr:
            # A fact learnt since then may have renamed the symbol to one that is not bound here.
            try:
                return self._emit_size(raw)
            except UnsupportedError:
                pass
        return self._emit_size(expr)

    def _emit_size(self, expr: sympy.Basic) -> NumberNode:
        def emit(function: Callable[..., NumberNode], *args: NumberNode) -> NumberNode:
            if not any(isinstance(arg, fx.Node) for arg in args):
                return function(*args)
            return self.emit(function, *args, val=None)

        def leaf(part: sympy.Basic) -> NumberNode | None:
            known = self._leaf(part)
            if known is None and part is not expr and part.args and not part.is_number:
                return self._emit_size(part)  # so that its node says what it yields, as this one
            return known

        try:
            node = emit_expression(expr, leaf, emit)
        except NotImplementedError as error:
            raise UnsupportedError(
                f"fxexport cannot write {error} into the file",
                code=Code.NO_ONNX_FORM,
                location=user_location(),
            ) from None
        if isinstance(node, fx.Node):
            if expr not in self.frame.expressions and node.target in scalars.SCALAR_FUNCTIONS:
                # Just written for this expression: what it yields is known, and is said.
                node.meta["val"] = self.scalar_of(expr)
            self.frame.expressions[expr] = node
        return node

    def fact_node(self, fact: sympy.Basic) -> NumberNode:
        """The node for a condition as it is, though it may be known to hold already."""
        with compat.no_recording():
            return self._emit_size(fact)

    def scalar_of(self, expr: sympy.Basic) -> SymbolicNumber:
        """A symbolic scalar for an expression of known symbols."""
        if compat.is_boolean(expr):
            return torch.SymBool(self._sym_node(expr, bool))
        if expr.is_integer:
            return torch.SymInt(self._sym_node(expr, int))
        return torch.SymFloat(self._sym_node(expr, float))

    def _sym_node(self, expr: sympy.Basic, kind: type) -> compat.SymNode:
        return compat.make_sym_node(expr, self.env, kind)

    # -- recording ---------------------------------------------------------------------------

    def emit(
        self, function: Callable[..., Value], *args: Operand, val: Value = None, **kwargs: Operand
    ) -> fx.Node:
        """Adds a call_function node to the present frame; arguments are nodes or constants."""
        return self._emit_in(self.frame, function, args, val, kwargs)

    def _emit_in(
        self,
        frame: Frame,
        function: Callable[..., Value],
        args: tuple[Operand, ...],
        val: Value = None,
        kwargs: dict[str, Operand] | None = None,
    ) -> fx.Node:
        self.emitted += 1
        node = frame.graph.call_function(function, args, kwargs or {})
        node.meta["source"] = user_frames()
        node.meta["module"] = self.module_path[-1] if self.module_path else ""
        node.meta["val"] = val if val is not None else self._sample(function, args)
        return node

    def _sample(self, function: Callable[..., Value], args: tuple[Operand, ...]) -> Number | None:
        """A scalar of the type that a scalar function yields, of a value of its own.

        No two numbers share one: whatever comes later takes equal symbols for equal numbers.
        """
        kind = scalars.result_type(function, [python_type(arg) for arg in args])
        return None if kind is None else self.fresh_scalar(SYM_OF[kind])

    def add_body(self, module: fx.GraphModule, stem: str) -> fx.Node:
        """Hangs a finished body on the present frame; returns the get_attr node for it."""
        name = f"{stem}_{self._counter}"
        self._counter += 1
        self.frame.bodies[name] = module
        return self.frame.graph.create_node("get_attr", name)

    def add_weight(self, name: str, tensor: torch.Tensor, fake: torch.Tensor) -> None:
        """Makes a real tensor a weight of the file that `fake` stands for."""
        root = self.frame
        while root.parent is not None:
            root = root.parent
        attribute = "w_" + "".join(c if c.isalnum() else "_" for c in name)
        while attribute in root.bodies:
            attribute += "_"
        node = root.graph.create_node("get_attr", attribute)
        node.meta.update(val=fake, source=(), weight=name)
        root.tensors[id(fake)] = (fake, node)
        self.weights[name] = tensor
        self._weight_fakes[name] = fake
        root.bodies[attribute] = tensor  # type: ignore[assignment]

    def weight_fake(self, name: str) -> torch.Tensor | None:
        """The fake tensor that stands for a weight as the file holds it."""
        return self._weight_fakes.get(name)

    def fresh_scalar(self, kind: type[_Sym]) -> _Sym:
        """A new symbolic scalar of the given Sym type that nothing is known about."""
        with self.env.ignore_fresh_unbacked_symbols():
            if kind is torch.SymInt:
                return cast("_Sym", self.env.create_unbacked_symint())
            if kind is torch.SymFloat:
                return cast("_Sym", self.env.create_unbacked_symfloat())
            return cast("_Sym", self.env.create_unbacked_symbool())
