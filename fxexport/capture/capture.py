"""From a Python model to a captured graph. Nothing is run: capture sees fake tensors only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.assumptions import Assumptions
from fxexport.capture.builtins import Builtins
from fxexport.capture.convert import Converter
from fxexport.capture.declared import check_declared
from fxexport.capture.frames import (
    frames_of_traceback,
    locations_of_summary,
    raised_by_fxexport,
)
from fxexport.capture.keeping import StateKeeper
from fxexport.capture.modules import ScriptedMethod, module_names, weight_names
from fxexport.capture.operators import Operators
from fxexport.capture.patterns import TensorOf
from fxexport.capture.request import CaptureRequest, pinned, refuse_pinned_state
from fxexport.capture.results import Results, output_specs
from fxexport.capture.session import PinNeeded, Session
from fxexport.capture.spread import Spread
from fxexport.capture.state import kept
from fxexport.capture.torch_functions import FunctionMode
from fxexport.capture.torchscript import Interpreter
from fxexport.capture.whole import WholeFunctions
from fxexport.errors import FxExportError, ModelError, UnsupportedError
from fxexport.graph.captured import CapturedGraph, DimRange, InputSpec, OutputSpec, StateSpec
from fxexport.graph.sequences import SequenceVal
from fxexport.report.model import Report
from fxexport.source import SourceLocation

__all__ = ["CaptureRequest", "capture"]

_ATTEMPTS = 16


@dataclass
class _Found:
    """What one attempt has come to; where it pins dimensions, the rest says nothing."""

    graph: CapturedGraph
    pins: dict[str, tuple[int | None, Any]]
    state: list[StateSpec]


def capture(request: CaptureRequest, report: Report) -> CapturedGraph:
    """Captures a model.

    Args:
        request: the model and its inputs.
        report: gets a finding for everything that is decided here.

    Returns:
        The graph; its inputs are the request's with pinned dimensions made static.

    Raises:
        UnsupportedError: something in the model cannot be kept.
        ModelError: the model itself raised.
    """
    inputs = list(request.inputs)
    state: list[StateSpec] = []
    for _ in range(_ATTEMPTS):
        attempt = Report()
        found = _attempted(request, inputs, state, attempt)
        if found.pins:
            refuse_pinned_state(state, found.pins)
            inputs = pinned(request, inputs, found.pins, report)
        elif found.state != state:
            state = found.state
        else:
            for finding in attempt.findings:
                report.add(finding.kind, finding.message, finding.location)
            return found.graph
    raise UnsupportedError("the dimensions that must be static, and the state, do not settle")


def _attempted(
    request: CaptureRequest, inputs: Sequence[InputSpec], state: Sequence[StateSpec], report: Report
) -> _Found:
    """One attempt; where the model raises, dimensions of size 1 in the example may be the reason.

    A dynamic dimension is taken to be another size than 1, which decides how it broadcasts.
    """
    try:
        return _Attempt(request, inputs, state, report).run()
    except ModelError as error:
        ones = [
            dim.name
            for spec, sizes in zip(inputs, request.hints, strict=True)
            for dim, size in zip(spec.shape, sizes, strict=True)
            if isinstance(dim, DimRange) and dim.name in request.pinnable and size < 2
        ]
        for held in dict.fromkeys([*((name,) for name in ones), tuple(ones)] if ones else []):
            pins: dict[str, tuple[int | None, Any]] = dict.fromkeys(held, (None, error.location))
            tried = pinned(request, inputs, pins, Report())
            try:
                found = _Attempt(request, tried, state, Report()).run()
            except (ModelError, UnsupportedError):
                continue
            found.pins = {**pins, **found.pins}
            return found
        raise


class _Attempt:
    """One run of the model on fake tensors."""

    def __init__(
        self,
        request: CaptureRequest,
        inputs: Sequence[InputSpec],
        state: Sequence[StateSpec],
        report: Report,
    ) -> None:
        self._request = request
        self._inputs = [*inputs, *(entry.spec for entry in state)]
        self._hints = [*request.hints, *(_sizes_of(entry.initial) for entry in state)]
        self._fakes: list[Any] = []
        self._module_names = module_names(request.model)
        self._names = weight_names(request.model)
        self._assumptions = Assumptions()
        self.session = Session(
            report,
            self._assumptions.decide,
            request.decomposition_for,
            request.keep_composite,
            self._name_of,
        )
        self._assumptions.session = self.session
        whole = WholeFunctions(request.whole)
        converter = Converter(
            lambda f: (
                interpreter.replacement_for(f)
                or whole.replacement_for(f)
                or builtins.replacement_for(f)
            ),
            self._entering,
        )
        builtins = Builtins(converter.callable_for)
        self._operators = Operators(self.session, converter)
        alone = isinstance(request.model, (torch.jit.ScriptModule, ScriptedMethod))
        interpreter = Interpreter(self._operators, builtins, self._module_names, alone=alone)
        converter.runtime = builtins.operators = self._operators
        self._converter = converter
        self.session.unread_functions = converter.failures
        self._keeper = StateKeeper(self.session, request.model, request.state, state)

    def _name_of(self, tensor: torch.Tensor) -> str:
        name = self._names.get(id(tensor))
        if name is None:
            name = f"constant_{sum(n.startswith('constant_') for n in self._names.values())}"
            self._names[id(tensor)] = name
        return name

    @contextlib.contextmanager
    def _entering(self, module: torch.nn.Module) -> Iterator[None]:
        """Notes which module the ops recorded inside belong to."""
        path = self.session.recorder.module_path
        path.append(self._module_names.get(id(module), path[-1] if path else ""))
        try:
            yield
        finally:
            path.pop()

    def run(self) -> _Found:
        """The graph, and the dimensions to pin or the state to keep in another attempt."""
        session, recorder, keeper = self.session, self.session.recorder, self._keeper
        try:
            with (
                kept(self._request.model),
                session.journal.scope() as scope,
                torch.no_grad(),
                compat.below_autograd(),
                compat.mha_fastpath_disabled(),
                compat.quiet_kernels(),
                compat.counts_from_zero(),
                session.tensors.active(),
                FunctionMode(self._operators),
            ):
                values = self._make_inputs()
                own = len(values) - len(keeper.entries)
                keeper.put_in(values[own:])
                args, kwargs = self._request.rebuild(values[:own])
                try:
                    result = self._call(args, kwargs)
                    session.raise_refusals()
                    session.hold_to_example(session.env.asserts(), reached=True)
                    outputs = Results(
                        session, self._operators.lists, self._request.sequences
                    ).found(result)
                    flat = [session.node_of(output.value) for output in outputs]
                    finals, state = keeper.finish(scope)
                    if state == keeper.entries:
                        flat += [
                            keeper.final_node(entry, value)
                            for entry, value in zip(state, finals, strict=True)
                        ]
                        keeper.report_kept(state)
                    self._report_writes(
                        values[:own], [output.value for output in outputs], scope.places
                    )
                    written = [tensor for _, tensor in session.tensors.written_weights()]
                finally:
                    scope.undo()
                module = recorder.finish(
                    recorder.frame, recorder.frame.graph.find_nodes(op="placeholder"), flat, []
                )
        except PinNeeded as need:
            empty = CapturedGraph(torch.fx.GraphModule({}, torch.fx.Graph()), [], [])
            return _Found(empty, self._pins_for(need), [])
        constraints = self._assumptions.constraints()
        taken = {spec.name for spec in self._inputs}
        specs = output_specs(outputs, self._request.output_names, taken)
        graph = CapturedGraph(
            module,
            self._inputs,
            [*specs, *(OutputSpec(e.output, e.spec.kind) for e in state)],
            recorder.weights,
            constraints,
            state,
            written,
        )
        pins = self._pins_found()
        if not pins:
            check_declared(self._inputs[:own], constraints, self._request.profiled)
        return _Found(graph, pins, state)

    def _report_writes(
        self, inputs: Sequence[Any], outputs: Sequence[Any], places: Mapping[Any, Any]
    ) -> None:
        """Inputs that a call changes in PyTorch; one that is returned as well is not lost."""
        report, tensors = self.session.report, self.session.tensors
        for spec, value, fake in zip(self._inputs, inputs, self._fakes, strict=False):
            if not isinstance(value, torch.Tensor) or tensors.inner(value) is fake:
                continue
            if not any(out is value for out in outputs):
                report.add(
                    "note",
                    f"{spec.name!r} is written in place; the file leaves its input as it is",
                    places.get(("contents", id(value))),
                )

    def _make_inputs(self) -> list[Any]:
        session, recorder = self.session, self.session.recorder
        symbols: dict[str, Any] = {}
        values: list[Any] = []
        for spec, sizes in zip(self._inputs, self._hints, strict=True):
            if spec.kind == "sequence":
                values.append(self._list_input(spec))
                continue
            if spec.kind != "tensor":
                value = recorder.fresh_scalar(_SYM_OF[spec.kind])
                if spec.kind == "int":
                    self._name_number(spec, value)
                recorder.add_input(spec.name, value)
                self._fakes.append(value)
                values.append(value)
                continue
            shape = [
                self._size(dim, hint, symbols) if isinstance(dim, DimRange) else dim
                for dim, hint in zip(spec.shape, sizes, strict=True)
            ]
            with compat.only_mode(session.fake_mode):
                fake = torch.empty(shape, dtype=spec.dtype)
            recorder.add_input(spec.name, fake)
            self._fakes.append(fake)
            values.append(session.tensors.wrap(fake))
        return values

    def _list_input(self, spec: InputSpec) -> list[Any]:
        """A list of any length of tensors."""
        sequence = SequenceVal(spec.dtype, spec.items, self.session.fresh_size())
        self.session.recorder.add_input(spec.name, sequence)
        self._fakes.append(sequence)
        return [Spread(TensorOf(spec.dtype, spec.items), [sequence], sequence.length)]

    def _name_number(self, spec: InputSpec, value: Any) -> None:
        """Notes what an int input is called, and its range where it has one."""
        symbol = value.node.expr
        self.session.names[symbol] = spec.name
        if spec.values is not None:
            self.session.ranges[symbol] = spec.values
            self.session.env.set_range(symbol, *spec.values)

    def _size(self, dim: DimRange, hint: int, symbols: dict[str, Any]) -> Any:
        if dim.name not in symbols:
            env = self.session.env
            size = self.session.recorder.fresh_scalar(torch.SymInt)
            symbol = size.node.expr
            env.mark_size(symbol)
            env.set_range(symbol, dim.min, dim.max)
            # Sizes 0 and 1 are special cases; an assumption is made for the general one.
            env.hints[symbol] = sympy.Integer(hint if hint >= 2 else max(2, dim.min))
            self._assumptions.names[symbol] = self.session.names[symbol] = dim.name
            self.session.ranges[symbol] = (dim.min, dim.max)
            self.session.example_sizes[symbol] = hint
            symbols[dim.name] = size
        return symbols[dim.name]

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return self._converter.callable_for(self._request.model)(*args, **kwargs)
        except PinNeeded:
            raise
        except FxExportError as error:
            if isinstance(error, UnsupportedError) and not error.secondary:
                self.session.collect(error)
            self.session.raise_refusals()
            raise
        except Exception as error:
            self.session.raise_refusals()
            location = getattr(error, "fx_location", None)
            # An assert of the model's is raised by a line of ours, which marks it.
            of_the_model = location is not None or getattr(error, "fx_raised", False)
            of_the_model = of_the_model or isinstance(error, RecursionError)
            if raised_by_fxexport(error) and not of_the_model:
                raise
            location = location or next(iter(frames_of_traceback(error.__traceback__)), None)
            if isinstance(error, RecursionError):
                raise UnsupportedError(
                    "a recursion whose end is known only when the model runs",
                    location=location,
                    hint="write it as a loop",
                ) from error
            if isinstance(error, TypeError) and "unhashable type" in str(error):
                raise UnsupportedError(
                    "a number that is known only when the model runs is used as a key",
                    location=location,
                    hint="decide with if, or index a tensor",
                ) from error
            if isinstance(error, compat.GuardOnDataDependentSymNode):
                raise UnsupportedError(
                    "PyTorch cannot work this out for sizes known only when the model runs",
                    location=location,
                ) from error
            if isinstance(error, compat.NO_FAKE_RESULT):
                raise UnsupportedError(
                    f"PyTorch cannot say what {error} gives here without the values of the "
                    "tensors, which are known only when the model runs",
                    location=location,
                    hint="write the line with other operators",
                ) from error
            raise ModelError(
                f"the model raised {type(error).__name__}: {error}",
                location=location,
                hint=self._why_raised(location),
            ) from error

    def _why_raised(self, location: SourceLocation | None) -> str:
        """The proof that the condition of an assert, or of a raise, is decided; else empty."""
        folded = self.session.report.of_kind("folded")
        place = folded[-1].location if folded else None
        if location is None or place is None or place.file != location.file:
            return ""
        near = place.function == location.function and place.line <= location.line
        return folded[-1].message.removesuffix(" (pruned)") if near else ""

    # -- dimensions that cannot move -------------------------------------------------------------

    def _pins_found(self) -> dict[str, tuple[int | None, Any]]:
        """Dimensions that the facts of the main path hold at one size."""
        env = self.session.env
        pins: dict[str, tuple[int | None, Any]] = {}
        for symbol, name in self._assumptions.names.items():
            value = env.replace(symbol)
            bounds = env.var_to_range[symbol]
            if value.is_number or bounds.is_singleton():
                size = int(value if value.is_number else bounds.lower)
                places = locations_of_summary(compat.stack_of_fact(env, symbol))
                pins[name] = (size, next(iter(places), None))
        return pins

    def _pins_for(self, need: PinNeeded) -> dict[str, tuple[int | None, Any]]:
        names = {self._assumptions.names[symbol] for symbol in need.symbols}
        if not names <= self._request.pinnable:
            raise UnsupportedError(
                need.reason, location=need.location, hint="leave that dimension out of `dynamic`"
            ) from None
        return dict.fromkeys(names, (None, need.location))


def _sizes_of(value: Any) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


_SYM_OF = {"int": torch.SymInt, "float": torch.SymFloat, "bool": torch.SymBool}
