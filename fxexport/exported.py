"""What an export gives: the graph, the model, the report."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import torch

from fxexport.files.companions import PROFILES, STATE, Companion
from fxexport.files.model import message_of, write_model
from fxexport.files.state import initial_state, state_file
from fxexport.graph import CapturedGraph
from fxexport.inputs import PreparedInputs
from fxexport.inputs.weights import have_values
from fxexport.page.save import save_report
from fxexport.profiles import Profile, StoredProfiles
from fxexport.report import Report
from fxexport.report.model import Verification
from fxexport.targets.onnxruntime.provider_options import provider_options
from fxexport.verify import verify
from fxexport.verify.reference import Reference
from fxexport.verify.tolerance import USUAL, Asked

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["Exported"]


class Exported:
    """An exported model.

    Attributes:
        graph: the branch-preserving graph; it runs eagerly and prints.
        report: everything that was decided, and how the file compares with PyTorch.
        profiles: the optimization profiles that travel with the file; [] where some dynamic
            dimension has no largest size.
        prepared: the inputs of the export, flat and named.
        reference: the model in eager PyTorch, on flat inputs.
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
        """
        self._asked = asked
        self._left_out = frozenset(left_out)
        self.graph = graph
        self.report = report
        self.profiles: list[Profile] = stored.profiles
        self.prepared = prepared
        self.reference = reference
        self._stored = stored
        self._ir_model = ir_model

    @property
    def initial_state(self) -> dict[str, Any]:
        """NumPy arrays for the inputs that hold state, by name: what the model held at export.

        None of them where some have no values.
        """
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
        if self.initial_state:
            companions[STATE] = state_file(self.graph)
        return companions

    def save_report(self, path: str | os.PathLike[str]) -> None:
        """Writes the report.

        Args:
            path: where to; its ending says how: ``.html`` for one page that needs nothing beside
                it, ``.json`` for programs, anything else for text.

        Raises:
            OutputError: when it cannot be written.
        """
        save_report(path, self.report)

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
        )
        return self.report.verification
