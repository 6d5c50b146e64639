"""What an export gives: the graph, the model, the report."""

from __future__ import annotations

import copy
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from fxexport.errors import UsageError
from fxexport.export_report import Report, in_two_lines
from fxexport.files.companions import PROFILES, STATE, Companion
from fxexport.files.model import message_of, write_model
from fxexport.files.pickled import PickledModel
from fxexport.files.state import initial_state, state_file
from fxexport.graph import CapturedGraph
from fxexport.inputs import PreparedInputs
from fxexport.inputs.weights import have_values
from fxexport.profiles import Profile, StoredProfiles
from fxexport.report.model import Verification
from fxexport.targets.onnxruntime.provider_options import provider_options
from fxexport.verify import verify
from fxexport.verify.reference import Reference
from fxexport.verify.tolerance import USUAL, Asked

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["Exported"]


@dataclass(frozen=True)
class _Program:
    """What of an export is of the process that made it.

    Attributes:
        graph: the graph.
        prepared: the inputs.
        reference: the model in PyTorch.
    """

    graph: CapturedGraph
    prepared: PreparedInputs
    reference: Reference


class Exported:
    """An exported model.

    It can be pickled: the model, its report and its profiles go along, and `save` works as before.
    The graph and the model in PyTorch stay in the process that has exported it; who asks a pickled
    one for them, or for `verify`, is told so.

    Attributes:
        report: everything that was decided, and how the file compares with PyTorch.
        profiles: the optimization profiles that travel with the file; [] where some dynamic
            dimension has no largest size.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        ir_model: ir.Model,
        report: Report,
        prepared: PreparedInputs,
        reference: Reference,
        stored: StoredProfiles,
        left_out: Collection[str] = (),
        asked: Asked = USUAL,
        timeout: float | None = None,
    ) -> None:
        """Takes the parts of an export.

        Args:
            graph: the graph.
            ir_model: what it was written as.
            report: what was decided.
            prepared: the inputs.
            reference: the model in PyTorch.
            stored: the profiles.
            left_out: weights that its file does not hold.
            asked: the tolerances that it is compared by.
            timeout: how long each run of the file has then.
        """
        self._asked = asked
        self._timeout = timeout
        self._left_out = frozenset(left_out)
        self.report = report
        self.profiles: list[Profile] = stored.profiles
        self._stored = stored
        self._ir_model = ir_model
        self._program: _Program | None = _Program(graph, prepared, reference)
        self._state: dict[str, Any] | None = None

    @property
    def graph(self) -> CapturedGraph:
        """The branch-preserving graph; it runs eagerly and prints."""
        return self._of_program("graph").graph

    @property
    def prepared(self) -> PreparedInputs:
        """The inputs of the export, flat and named."""
        return self._of_program("prepared").prepared

    @property
    def reference(self) -> Reference:
        """The model in eager PyTorch, on flat inputs."""
        return self._of_program("reference").reference

    def _of_program(self, wanted: str) -> _Program:
        if self._program is None:
            raise UsageError(
                f"this export was pickled: what {wanted!r} needs, the graph and the model in "
                "PyTorch, stayed in the process that has exported it",
                hint="ask for it there; fxexport.verify_file(path, model, inputs) compares a file "
                "that was saved with the model",
            )
        return self._program

    def __repr__(self) -> str:
        return in_two_lines(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def __copy__(self) -> Exported:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Exported:
        # Nothing changes the model or the graph; the report is what a user may write to.
        made = self.__copy__()
        made.report = copy.deepcopy(self.report, memo)
        made.profiles = copy.deepcopy(self.profiles, memo)
        return made

    def __getstate__(self) -> dict[str, Any]:
        model = PickledModel.of(self._ir_model, self._left_out)
        state = {"_program": None, "_state": self.initial_state, "_ir_model": model}
        return {**self.__dict__, **state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _ir_model=state["_ir_model"].restored())

    @property
    def initial_state(self) -> dict[str, Any]:
        """NumPy arrays for the inputs that hold state, by name: what the model held at export.

        None of them where some have no values.
        """
        if self._state is not None:
            return self._state
        return initial_state(self.graph) if have_values(self._state_tensors()) else {}

    def _state_tensors(self) -> list[torch.Tensor]:
        values = [entry.initial for entry in self.graph.state]
        return [value for value in values if isinstance(value, torch.Tensor)]

    @property
    def model(self) -> onnx.ModelProto:
        """The model as an ONNX message, made anew at each access.

        The weights are in it, but for those that its file leaves out.
        """
        return message_of(self._ir_model, self._left_out, "model.onnx.data")

    def operators(self) -> Counter[str]:
        """How often each ONNX operator is in the model, in bodies too."""
        return Counter(node.op_type for node in self._ir_model.graph.all_nodes())

    def save(self, path: str | os.PathLike[str], *, external_data: bool | None = None) -> None:
        """Writes the model and what stands beside it: all of these files, or none.

        Beside ``<name>.onnx`` stand its profiles in ``<name>.profiles.json``, and the state of the
        first call in ``<name>.state.npz``, where it has them.

        Args:
            path: where to write.
            external_data: True for weights in ``<name>.onnx.data`` beside it, None to decide by
                size.

        Raises:
            OutputError: when one of them cannot be written. Nothing has changed then.
        """
        self._write(path, external_data, self._left_out)

    def _write(
        self, path: str | os.PathLike[str], external_data: bool | None, left_out: Collection[str]
    ) -> None:
        companions = self._companions()
        write_model(
            self._ir_model,
            path,
            external_data=external_data,
            companions=companions,
            left_out=left_out,
        )

    def _companions(self) -> dict[Companion, bytes]:
        companions: dict[Companion, bytes] = {}
        if self.profiles:
            companions[PROFILES] = self._stored.to_text().encode()
        state = self.initial_state
        if state:
            companions[STATE] = state_file(state)
        return companions

    def save_report(self, path: str | os.PathLike[str]) -> None:
        """Writes the report.

        Args:
            path: where to; its ending says how: ``.html`` for one page that needs nothing beside
                it, ``.json`` for programs, anything else for text.

        Raises:
            OutputError: when it cannot be written.
        """
        self.report.save(path)

    def provider_options(self, *providers: str) -> dict[str, dict[str, str]]:
        """Options for ONNX Runtime's GPU providers; see `fxexport.provider_options`.

        Args:
            providers: which ones; by default TensorrtExecutionProvider, CUDAExecutionProvider.
        """
        return provider_options(self, providers) if providers else provider_options(self)

    def verify(
        self, *check_inputs: Any, rtol: float | None = None, atol: float | None = None
    ) -> Verification:
        """Compares the model in ONNX Runtime with PyTorch on the export's inputs and these.

        Weights that its file leaves out take part; where they have no values nothing is compared.

        Args:
            check_inputs: further inputs, each in the form of the export's `inputs`.
            rtol: what floats may be off by, as a part of PyTorch's result; by default as at export.
            atol: what they may be off by besides; by default as at export.

        Returns:
            All comparisons; `report.verification` is set to them too.

        Raises:
            UsageError: `check_inputs` do not fit, or a tolerance is none.
        """
        asked = Asked(
            self._asked.rtol if rtol is None else rtol, self._asked.atol if atol is None else atol
        )
        self._of_program("verify")
        if not have_values([*self.graph.weights.values(), *self._state_tensors()]):
            why = "its weights have no values"
            self.report.verification = Verification(ran=False, message=why)
            return self.report.verification
        with tempfile.TemporaryDirectory(prefix="fxexport-") as folder:
            path = os.path.join(folder, "model.onnx")
            self._write(path, None, ())
            return self.verify_file(path, check_inputs, asked)

    def verify_file(
        self,
        path: str,
        check_inputs: Iterable[Any] = (),
        asked: Asked | None = None,
        *,
        explain: bool = True,
    ) -> Verification:
        """Compares a file with PyTorch, as `verify` does.

        Args:
            path: the file; one that `save` has written, or another one with these inputs and
                outputs.
            check_inputs: further inputs.
            asked: the tolerances; by default as at export.
            explain: whether values in the file have the names of those in the graph, so that the
                first one that is wrong can be looked for.
        """
        self.report.verification = verify(
            self.graph,
            path,
            self.reference,
            self.prepared,
            list(check_inputs),
            asked=self._asked if asked is None else asked,
            explain=explain,
            timeout=self._timeout,
        )
        return self.report.verification
