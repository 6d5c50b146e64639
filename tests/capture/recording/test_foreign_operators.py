"""Operators of other libraries that can only be run are refused by name, and never run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import onnxruntime
import pytest
import torch

import fxexport
from tests.support.harness import run_model

X = torch.tensor([1.0, -2.0, 3.0])
RAN: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def library() -> Iterator[None]:
    """A library of operators without fake kernels."""

    def ran(x: torch.Tensor) -> torch.Tensor:
        if not isinstance(x, torch._subclasses.FakeTensor):
            RAN.append("with real tensors")
        RAN.append("ran")
        return x * 2

    made = torch.library.Library("fxexport_foreign", "DEF")
    for schema in ("doubled(Tensor x) -> Tensor", "counted(Tensor x) -> int"):
        made.define(schema)
        made.impl(schema.partition("(")[0], ran, "CPU")
    made.define("written(Tensor(a!) x) -> ()")
    made.impl("written", lambda x: RAN.append("ran"), "CPU")
    made.define("of_others(Tensor x) -> Tensor")
    made.impl("of_others", lambda x: x * 2 + 1, "CompositeImplicitAutograd")
    torch.library.custom_op(
        "fxexport_foreign::made", ran, mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    yield
    made._destroy()


def doubled(x: torch.Tensor) -> Any:
    return torch.ops.fxexport_foreign.doubled(x)


def counted(x: torch.Tensor) -> Any:
    return x * torch.ops.fxexport_foreign.counted(x)


def written(x: torch.Tensor) -> Any:
    y = x.clone()
    torch.ops.fxexport_foreign.written(y)
    return y


def made(x: torch.Tensor) -> Any:
    return torch.ops.fxexport_foreign.made(x)


def in_a_branch(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        return torch.ops.fxexport_foreign.doubled.default(x)
    return x


def in_a_try(x: torch.Tensor) -> Any:
    try:
        return torch.ops.fxexport_foreign.doubled(x)
    except Exception:
        return x


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("program", [doubled, counted, written, made, in_a_branch, in_a_try])
def test_what_can_only_be_run_is_refused_by_name(
    program: Callable[[torch.Tensor], Any], dynamic: bool
) -> None:
    RAN.clear()
    with pytest.raises(fxexport.UnsupportedError) as refused:
        fxexport.export(program, (X,), dynamic=dynamic, verify=False)
    assert "fxexport_foreign::" in refused.value.message
    assert refused.value.location is not None
    assert refused.value.location.file == __file__
    assert not RAN


def test_what_is_made_of_others_is_exported() -> None:
    def program(x: torch.Tensor) -> Any:
        return torch.ops.fxexport_foreign.of_others(x)

    assert run_model(lambda: program, [(X,), (X[:1],)]).status == "agree"


def test_a_method_of_a_compiled_class_is_refused_by_name() -> None:
    options = onnxruntime.SessionOptions()

    def program(x: torch.Tensor) -> Any:
        options.add_session_config_entry(x, x)
        return x

    with pytest.raises(fxexport.UnsupportedError, match="add_session_config_entry is compiled"):
        fxexport.export(program, (X,), verify=False)


class Fields(OrderedDict[str, Any]):
    """As results of models are: attributes that are items too."""

    def __setitem__(self, key: str, value: object) -> None:
        super().__setitem__(key, value)
        super().__setattr__(key, value)


class Rows(list[Any]):
    def append(self, row: object) -> None:
        super().append(row)


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_pythons_own_methods_of_a_subclass_are_not_compiled_code(kind: str) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        if kind == "dict":
            fields = Fields()
            fields["x"] = x * 2
            return fields.x + 1  # type: ignore[attr-defined, no-any-return]
        rows = Rows()
        rows.append(x * 2)
        return rows[0] + 1  # type: ignore[no-any-return]

    exported = fxexport.export(program, (torch.ones(3),), verify=False)
    assert torch.equal(exported.graph.run(torch.ones(3))[0], torch.full((3,), 3.0))
