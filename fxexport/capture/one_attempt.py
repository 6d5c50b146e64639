"""One run of the model on fake tensors: the graph, or what another run must do otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.cases import Case, case_of, in_cases
from fxexport.capture.functions.builtins import Builtins
from fxexport.capture.functions.kept_whole import UserFunctions, WholeFunctions
from fxexport.capture.functions.native_calls import NativeCalls
from fxexport.capture.functions.pieces import PieceFunctions
from fxexport.capture.functions.torch_functions import FunctionMode
from fxexport.capture.model_errors import told
from fxexport.capture.operators.operators import Operators
from fxexport.capture.python.converter import ReplacementFor
from fxexport.capture.recording.types import GraphValue, SymbolicNumber, Value
from fxexport.capture.request import CaptureRequest, Pins
from fxexport.capture.results import Results, output_specs
from fxexport.capture.session.example_sizes import hold_to_example
from fxexport.capture.session.journal import SlotKey
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.module_names import ScriptedMethod, module_names, weight_names
from fxexport.capture.session.refusals import CaseNeeded, Place
from fxexport.capture.session.session import PinNeeded, Session
from fxexport.capture.sizes.account import Account
from fxexport.capture.sizes.case_prover import CaseProver
from fxexport.capture.sizes.declared_ranges import check_declared
from fxexport.capture.sizes.guarded_relations import name_relations
from fxexport.capture.sizes.questions import size_policy
from fxexport.capture.sizes.relations import Relations
from fxexport.capture.staging.patterns import TensorOf
from fxexport.capture.state.keeper import StateKeeper
from fxexport.capture.state.leaves import kept
from fxexport.capture.taken_ranks import refuse_taken_ranks
from fxexport.capture.torchscript import Interpreter
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.decisions import ProgramRead
from fxexport.graph.sequences import SequenceVal
from fxexport.graph.signature import DimRange, InputSpec, OutputSpec, StateSpec
from fxexport.report.model import Report
from fxexport.source.exceptions import raised_by_fxexport
from fxexport.source.frames import call_model, locations_of_summary
from fxexport.source.location import SourceLocation

__all__ = ["Attempt", "Found"]


@dataclass
class Found:
    """The result of one attempt; where it pins dimensions, only `pins` is meaningful.

    With a `case` nothing else is: the next attempt must tell it apart.
    """

    graph: CapturedGraph
    pins: Pins
    state: list[StateSpec]
    case: Case | None = None
    unread: frozenset[str] = frozenset()


class Attempt:
    """One run of the model on fake tensors."""

    def __init__(
        self,
        request: CaptureRequest,
        inputs: Sequence[InputSpec],
        state: Sequence[StateSpec],
        report: Report,
        cases: Sequence[Case] = (),
        *,
        going_on: bool = False,
        apart: frozenset[Place] = frozenset(),
    ) -> None:
        self._request = request
        self._cases = cases
        self._inputs = [*inputs, *(entry.spec for entry in state)]
        self._hints = [*request.hints, *(_sizes_of(entry.initial) for entry in state)]
        self._fakes: list[GraphValue] = []
        self._module_names = module_names(request.model)
        self._names = weight_names(request.model)
        # symbol of an input dimension -> its name
        self._dimensions: dict[sympy.Symbol, str] = {}
        self.session = Session(
            report,
            size_policy(self._dimensions),
            CaseProver(),
            request.decomposition_for,
            request.keep_composite,
            self._name_of,
            going_on=going_on,
            max_depth=request.max_depth,
            unread=request.unread,
            apart=apart,
        )
        Account(self.session, self._dimensions)
        self._operators = Operators(self.session, self._entering, self._replacements)
        self._keeper = StateKeeper(self.session, request.model, request.state, state)

    def _replacements(self, operators: Operators) -> ReplacementFor:
        """Finds what stands for functions that are not rewritten."""
        alone = isinstance(self._request.model, (torch.jit.ScriptModule, ScriptedMethod))
        native = NativeCalls(operators)
        builtins = Builtins(operators, native)
        interpreter = Interpreter(operators, native, self._module_names, alone=alone)
        whole = WholeFunctions(self._request.library_functions)
        named = UserFunctions(operators, self._request.user_functions)
        finders = (
            named.replacement_for,
            interpreter.replacement_for,
            whole.replacement_for,
            PieceFunctions(operators).replacement_for,
            builtins.replacement_for,
        )
        return lambda function: next(filter(None, (find(function) for find in finders)), None)

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

    def _position(self) -> str:
        """Where in the model capture is, for whoever waits."""
        recorder = self.session.recorder
        module = "".join(recorder.module_path[-1:])
        count = f"{recorder.emitted} operators"
        return f"{module}, {count}" if module else count

    def run(self) -> Found:
        """The graph, and the dimensions to pin or the state to keep in another attempt."""
        self._request.watch(self._position)
        try:
            return self._run()
        finally:
            self.session.env.close()

    def _run(self) -> Found:
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
                    hold_to_example(
                        session.env, session.example_sizes, session.env.asserts(), reached=True
                    )
                    found = Results(
                        session,
                        self._operators.lists,
                        self._request.sequences,
                        strict=self._request.strict_outputs,
                    ).found
                    outputs = call_model(lambda: found(result))  # no line of who calls export
                    flat = [session.node_of(output.value) for output in outputs]
                    given = [output.value for output in outputs]
                    finals, state = keeper.finish(scope, (args, kwargs), given)
                    if state == keeper.entries:
                        flat += [
                            keeper.final_node(entry, value)
                            for entry, value in zip(state, finals, strict=True)
                        ]
                        keeper.report_kept(state)
                    self._report_writes(values[:own], given, scope.locations)
                    written = [tensor for _, tensor in session.tensors.written_weights()]
                finally:
                    scope.undo()
                module = recorder.finish(
                    recorder.frame, recorder.frame.graph.find_nodes(op="placeholder"), flat, []
                )
        except PinNeeded as need:
            empty = CapturedGraph(torch.fx.GraphModule({}, torch.fx.Graph()), [], [])
            if isinstance(need, CaseNeeded):
                return Found(empty, {}, [], case_of(need, self._dimensions, self._cases))
            return Found(empty, self._pins_for(need), [])
        refuse_taken_ranks(module, [output.name for output in outputs])
        name_relations(module.graph, self._dimensions)
        constraints = Relations(session, self._dimensions).constraints()
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
            program=self._program_read(),
        )
        pins = self._pins_found()
        if not pins:
            check_declared(self._inputs[:own], constraints, self._request.profiled)
        return Found(graph, pins, state, unread=self._read_and_written())

    def _program_read(self) -> ProgramRead:
        met = self.session.decisions
        return ProgramRead(
            self._operators.converter.read_functions,
            {decision: frozenset(outcomes) for decision, outcomes in met.folded.items()},
            frozenset(met.plain),
        )

    def _read_and_written(self) -> frozenset[str]:
        """The weights that a call changes, and whose values have decided something here."""
        tensors = self.session.tensors
        changed = [*self._keeper.changed, *(tensor for _, tensor in tensors.written_weights())]
        names = {self._name_of(tensor) for tensor in changed}
        return frozenset(names & tensors.constants.read)

    def _report_writes(
        self,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        locations: Mapping[SlotKey, SourceLocation | None],
    ) -> None:
        """Reports inputs that a call changes in PyTorch, unless they are returned as well."""
        report, tensors = self.session.report, self.session.tensors
        for spec, value, fake in zip(self._inputs, inputs, self._fakes, strict=False):
            if not isinstance(value, torch.Tensor) or tensors.inner(value) is fake:
                continue
            if not any(out is value for out in outputs):
                report.add(
                    "note",
                    f"{spec.name!r} is written in place; the file leaves its input as it is",
                    locations.get(("contents", id(value))),
                )

    def _make_inputs(self) -> list[Value]:
        session, recorder = self.session, self.session.recorder
        symbols: dict[str, torch.SymInt] = {}
        values: list[Value] = []
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

    def _list_input(self, spec: InputSpec) -> list[Value]:
        """A list of any length of tensors."""
        sequence = SequenceVal(spec.dtype, spec.items, self.session.fresh_size())
        self.session.recorder.add_input(spec.name, sequence)
        self._fakes.append(sequence)
        return [Spread(TensorOf(spec.dtype, spec.items), [sequence], sequence.length)]

    def _name_number(self, spec: InputSpec, value: SymbolicNumber) -> None:
        """Notes what an int input is called, and its range where it has one."""
        symbol = value.node.expr
        self.session.names[symbol] = spec.name
        if spec.values is not None:
            self.session.ranges[symbol] = spec.values
            self.session.env.set_range(symbol, *spec.values)

    def _size(self, dim: DimRange, hint: int, symbols: dict[str, torch.SymInt]) -> torch.SymInt:
        if dim.name not in symbols:
            env = self.session.env
            size = self.session.recorder.fresh_scalar(torch.SymInt)
            symbol = size.node.expr
            env.mark_size(symbol)
            env.set_range(symbol, dim.min, dim.max)
            self._dimensions[symbol] = self.session.names[symbol] = dim.name
            self.session.ranges[symbol] = (dim.min, dim.max)
            self.session.example_sizes[symbol] = hint
            if dim.name not in self._request.pinnable:
                self.session.asked.add(symbol)
            symbols[dim.name] = size
        return symbols[dim.name]

    def _call(self, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        def run() -> Value:
            model = self._operators.convert(self._request.model)
            return call_model(lambda: model(*args, **kwargs))

        try:
            return in_cases(self.session, self._cases, self._dimensions, run)
        except PinNeeded:
            raise
        except FxExportError as error:
            if isinstance(error, UnsupportedError) and not error.secondary:
                self.session.collect(error)
            self.session.raise_refusals()
            raise
        except Exception as error:
            self.session.raise_refusals()
            if raised_by_fxexport(error) and not isinstance(error, RecursionError):
                raise
            names = {str(symbol): name for symbol, name in self._dimensions.items()}
            raise told(error, self.session.report, names) from error

    # -- dimensions that cannot move -------------------------------------------------------------

    def _pins_found(self) -> Pins:
        """Dimensions that the facts of the main path hold at one size."""
        env = self.session.env
        pins: Pins = {}
        for symbol, name in self._dimensions.items():
            value = env.replace(symbol)
            bounds = env.var_to_range[symbol]
            if value.is_number or bounds.is_singleton():
                size = int(value if value.is_number else bounds.lower)
                locations = locations_of_summary(compat.stack_of_fact(env, symbol))
                pins[name] = (size, next(iter(locations), None))
        return pins

    def _pins_for(self, need: PinNeeded) -> Pins:
        names = {self._dimensions[symbol] for symbol in need.symbols}
        if not names <= self._request.pinnable:
            raise UnsupportedError(
                need.reason,
                code=Code.NAMED_SIZE_IS_FIXED,
                location=need.location,
                hint="leave that dimension out of `dynamic`",
            ) from None
        return dict.fromkeys(names, (None, need.location))


def _sizes_of(value: Value) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


_SYM_OF: dict[str, type[SymbolicNumber]] = {
    "int": torch.SymInt,
    "float": torch.SymFloat,
    "bool": torch.SymBool,
}
