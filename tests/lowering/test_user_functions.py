"""Functions that are one node: registered ones, compiled ones, and ``symbolic`` methods."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.errors import UnsupportedError, VerificationError
from tests.support.complex_values import check

ROWS = [(torch.tensor([1.0, -1.0, 2.0]),), (torch.tensor([-1.0]),), (torch.zeros(0),),
        (torch.tensor([0.4, -1.0, -1.0, 3.0]),)]  # fmt: skip


def scaled(x: Tensor, by: float, *, shift: Tensor | None = None) -> Tensor:
    """What capture cannot read."""
    y = torch.from_numpy(x.numpy() * by)
    return y if shift is None else y + shift


def lower_scaled(op: Any, x: Any, by: float, *, shift: Any = None) -> Any:
    y = op.Mul(x, by)
    return y if shift is None else op.Add(y, shift)


def above(x: Tensor, least: float) -> tuple[Tensor, Tensor]:
    kept = [k for k in range(len(x)) if float(x[k]) > least]
    return torch.tensor(kept, dtype=torch.int64), x[kept] * 2


def lower_above(op: Any, x: Any, least: float) -> Any:
    kept = op.Squeeze(op.NonZero(op.Greater(x, least)), [0])
    return kept, op.Gather(x, kept) * 2.0


def fake_above(x: Tensor, least: float) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    return x.new_empty(count, dtype=torch.int64), x.new_empty(count)


def with_scaled() -> Any:
    return fxexport.register_function(scaled, lower_scaled, lambda x, by, shift=None: x)


def test_a_registered_function_is_a_node_in_branches_and_loops() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = scaled(x, 2.0)
        kept, values = above(y, 0.5)
        if len(kept) > 1:
            y = scaled(y, 3.0, shift=x)
        for _ in range(len(values)):
            y = scaled(y, 0.5)
        return y, kept, values.sum()

    with with_scaled(), fxexport.register_function(above, lower_above, fake_above):
        check(program, *ROWS)


def test_it_is_called_as_before_once_it_is_removed() -> None:
    registration = with_scaled()
    registration.remove()
    with pytest.raises(UnsupportedError, match="numpy"):
        fxexport.export(lambda x: scaled(x, 2.0), ROWS[0])


def test_arguments_that_no_node_takes_are_refused() -> None:
    class Box:
        pass

    with with_scaled(), pytest.raises(UnsupportedError, match="it got a Box") as caught:
        fxexport.export(lambda x: scaled(x, Box()), ROWS[0])  # type: ignore[arg-type]
    assert "test_user_functions.scaled" in caught.value.message


@pytest.mark.parametrize(
    ("lowering", "text"),
    [
        (lambda op, x, by: (x, x), r"2 results \(float, float\), and PyTorch gives 1 result"),
        (
            lambda op, x, by: op.cast(x, 7),
            r"1 result \(int64\), and .* 1 result \(float",
        ),
        (lambda op, x, by: None, "NoneType"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(lowering: Any, text: str) -> None:
    with (
        fxexport.register_function(scaled, lowering, lambda x, by: x),
        pytest.raises(UnsupportedError, match=text),
    ):
        fxexport.export(lambda x: scaled(x, 2.0), ROWS[0])


def test_a_wrong_form_is_found_and_told_as_the_users() -> None:
    with (
        fxexport.register_function(scaled, lambda op, x, by: op.Add(x, by), lambda x, by: x),
        pytest.raises(VerificationError) as caught,
    ):
        fxexport.export(lambda x: scaled(x, 2.0), ROWS[0])
    assert "check the ONNX forms" in caught.value.hint
    assert "test_user_functions.scaled" in caught.value.hint


def test_a_node_of_another_domain_is_not_compared(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"

    def lowering(op: Any, x: Any, by: float) -> Any:
        return op.write("Scale", [x], {"by": by}, domain="mine")[0]

    with fxexport.register_function(scaled, lowering, lambda x, by: x):
        exported = fxexport.export(lambda x: scaled(x, 2.0), ROWS[0], file)
    assert not exported.report.verification.ran
    assert "lacks an operator: mine:Scale" in exported.report.verification.message
    model = onnx.load(file)
    assert {(each.domain, each.version) for each in model.opset_import} >= {("mine", 1)}
    onnx.checker.check_model(model)


@pytest.mark.parametrize("argument", ["function", "lowering", "fake"])
def test_what_cannot_be_called_is_refused_at_once(argument: str) -> None:
    given: dict[str, Any] = {"function": scaled, "lowering": lower_scaled, "fake": scaled}
    with pytest.raises(TypeError, match=argument):
        fxexport.register_function(**{**given, argument: 3})


# -- compiled code ---------------------------------------------------------------------------------

SOURCE = """
#include <Python.h>
static PyObject* twice(PyObject* self, PyObject* x) { return PyNumber_Add(x, x); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled_ext", NULL, -1, methods};
PyMODINIT_FUNC PyInit_compiled_ext(void) { return PyModule_Create(&module); }
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A package in C, as those behind pybind are."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    headers = Path(sysconfig.get_paths()["include"])
    if compiler is None or not (headers / "Python.h").exists():
        pytest.skip("needs a C compiler and Python's headers")
    folder = tmp_path_factory.mktemp("extension")
    (folder / "ext.c").write_text(SOURCE)
    library = folder / "compiled_ext.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-I{headers}", "ext.c", "-o", library],
        cwd=folder,
        check=True,
    )
    spec = importlib.util.spec_from_file_location("compiled_ext", library)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_compiled_code_is_named_with_the_way_out(extension: Any) -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            return extension.twice(x)

    for program in (lambda x: extension.twice(x), Twice.apply):
        with pytest.raises(UnsupportedError, match="twice is compiled code") as caught:
            fxexport.export(program, ROWS[0])
        assert "register_function(compiled_ext.twice, lowering, fake)" in caught.value.hint


def test_compiled_code_is_exported_once_it_is_registered(extension: Any) -> None:
    def program(x: Tensor) -> Tensor:
        return extension.twice(x) if x.sum() > 0 else x

    with fxexport.register_function(
        extension.twice, lambda op, x: op.Add(x, x), lambda x: x.new_empty(x.shape)
    ):
        check(program, *ROWS)


# -- symbolic --------------------------------------------------------------------------------------


class Reduced(torch.autograd.Function):
    """Its symbolic method is written for an operator set in which axes were an attribute."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, axis: int) -> tuple[Tensor, Tensor]:
        return (x * factor).sum(axis, keepdim=True), x.clamp(-1.0)

    @staticmethod
    def symbolic(g: Any, x: Any, factor: float, axis: int) -> Any:
        assert x.type().dim() == 2 and x.type().sizes()[1] == 3
        y = g.op("Mul", x, g.op("Constant", value_t=torch.tensor(factor)))
        return g.op("ReduceSum", y, axes_i=[axis], keepdims_i=1), g.op("Clip", x, min_f=-1.0)


class Plugin(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("plug::Twice", x, factor_f=2.0, names_s=["a"])


class Failing(Plugin):
    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        raise ValueError("no form")


def reduced(x: Tensor) -> tuple[Tensor, Tensor]:
    return Reduced.apply(x, 2.0, 1)


@pytest.mark.parametrize("symbolic", [True, ["Reduced"], [f"{__name__}.Reduced"]])
def test_symbolic_writes_the_nodes_where_it_is_asked_for(symbolic: Any) -> None:
    exported = fxexport.export(
        reduced, (torch.randn(4, 3),), dynamic={"x": {0: "n"}}, symbolic=symbolic
    )
    assert exported.report.verification.ok
    kinds = [node.op_type for node in exported.model.graph.node]
    assert kinds == ["Mul", "ReduceSum", "Clip"]
    assert "apply" in exported.graph.module.code


@pytest.mark.parametrize("symbolic", [False, [], ["Plugin"]])
def test_forward_is_read_where_it_is_not(symbolic: Any) -> None:
    exported = fxexport.export(
        reduced, (torch.randn(4, 3),), dynamic={"x": {0: "n"}}, symbolic=symbolic
    )
    assert exported.report.verification.ok
    assert "apply" not in exported.graph.module.code


def test_symbolic_of_another_domain_keeps_its_attributes(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    fxexport.export(lambda x: Plugin.apply(x) + 1, ROWS[0], file, symbolic=True)
    node = onnx.load(file).graph.node[0]
    assert (node.domain, node.op_type) == ("plug", "Twice")
    found = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert found == {"factor": 2.0, "names": [b"a"]}


def test_what_symbolic_raises_is_told_as_its_own() -> None:
    with pytest.raises(UnsupportedError, match=r"Failing.symbolic raised ValueError: no form"):
        fxexport.export(Failing.apply, ROWS[0], symbolic=True)


def test_nothing_is_known_of_how_a_function_lays_out_its_result() -> None:
    def cumsum(x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy().cumsum(0))

    def program(x: Tensor) -> Tensor:
        return cumsum(x).as_strided((2, 2), (1, 1))

    with (
        fxexport.register_function(cumsum, lambda op, x: op.CumSum(x, 0), lambda x: x),
        pytest.raises(UnsupportedError, match="cumsum"),
    ):
        fxexport.export(program, (torch.ones(4),))
