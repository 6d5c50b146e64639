"""All that is refused in one export is listed, each with the user's line and the library's."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport.report.json import error_as_json


def refusals(model: Callable[..., Any], *args: Any) -> list[fxexport.FxExportError]:
    """The first refusal and the others, in the order of the program."""
    args = args or (torch.ones(3),)
    with pytest.raises(fxexport.FxExportError) as caught:
        fxexport.export(model, args, dynamic=True, verify=False)
    return [caught.value, *caught.value.others]


def marks(found: list[fxexport.FxExportError]) -> list[str]:
    """The comments on the lines that are refused."""
    codes = [error.location.code for error in found if error.location is not None]
    assert len(codes) == len(found)
    return [code.partition("# ")[2] for code in codes]


def in_a_row(x: torch.Tensor) -> Any:
    a = x.numpy()  # first
    x = x + 1
    b = x.apply_(abs)  # second
    y = x * 2
    y[0] = x.map_(x, max)  # third
    x.apply_(abs)  # fourth
    return a, b, y


def what_depends(x: torch.Tensor) -> Any:
    a = x.numpy()  # first
    b = a + 1
    c = [b, a]
    if b.sum() > 0:
        c = b
    for item in c:
        x = x + item
    d = -x
    e = torch.ones(2).apply_(abs) if d is None else torch.zeros(2) + d
    return e


def in_branches_and_loops(x: torch.Tensor) -> Any:
    if x.sum() > 0:
        a = x.numpy()  # first
        b = x.apply_(abs)  # second
    else:
        a = b = x
    for _ in range(x.shape[0]):
        c = x.numpy()  # third
        d = x.apply_(abs)  # fourth
    while x.max() < 3:
        x = x + 1
        x.map_(x, max)  # fifth
    return a, b, c, d


def helper(x: torch.Tensor) -> Any:
    y = x.numpy()  # in a helper
    z = x.apply_(abs)  # in a helper, again
    return y, z


def in_helpers(x: torch.Tensor) -> Any:
    u = helper(x)
    v = x.map_(x, max)  # after it
    w = [helper(x), u]
    return u, v, w


class InModules(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        self.kept = x.numpy()  # first
        with torch.no_grad():
            y = x.apply_(abs)  # second
        try:
            z = x.map_(x, max)  # third
        except ValueError:
            z = x
        size = self.kept + 1  # what depends on an attribute
        x.map_(x, max)  # fourth
        return y, z, size


def once_in_a_loop(x: torch.Tensor) -> Any:
    for _ in range(3):
        x.numpy()  # first
    return [x.apply_(abs) for _ in range(3)]  # second


EXPECTED: dict[Callable[..., Any], list[str]] = {
    in_a_row: ["first", "second", "third", "fourth"],
    what_depends: ["first"],
    in_branches_and_loops: ["first", "second", "third", "fourth", "fifth"],
    in_helpers: ["in a helper", "in a helper, again", "after it"],
    InModules(): ["first", "second", "third", "fourth"],
    once_in_a_loop: ["first", "second"],
}


@pytest.mark.parametrize("model", EXPECTED, ids=lambda m: getattr(m, "__name__", "InModules"))
def test_each_refusal_is_listed_once(model: Callable[..., Any]) -> None:
    assert marks(refusals(model)) == EXPECTED[model]


class Endless:
    """An iterator whose end is refused."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> torch.Tensor:
        self.x = self.x * 2
        if self.x.numpy().sum() > 100:  # first
            raise StopIteration
        return self.x


def endless(x: torch.Tensor) -> Any:
    y = x.apply_(abs)  # before
    for item in Endless(x):
        x = x + item
    return x, y


def test_a_loop_whose_end_is_refused_ends() -> None:
    assert marks(refusals(endless)) == ["before", "first"]


def test_a_refused_model_is_left_as_it_was() -> None:
    model = InModules()
    before = dict(vars(model))
    refusals(model)
    assert vars(model) == before


def test_a_model_that_is_refused_for_one_reason_names_no_others() -> None:
    assert len(refusals(lambda x: x.numpy())) == 1


# -- the library's line -------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that is installed, with a function that cannot be exported."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    text = "def inner(x):\n    return x.numpy()  # theirs\n\n\ndef outer(x):\n    return inner(x)\n"
    (folder / "some_library.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    import some_library  # type: ignore[import-not-found]

    yield some_library
    del sys.modules["some_library"]


def test_a_refusal_in_a_library_names_both_lines(library: Any) -> None:
    def model(x: torch.Tensor) -> Any:
        return library.outer(x)  # ours

    (error,) = refusals(model)
    assert error.location is not None and error.location.within is not None
    assert error.location.code.endswith("# ours")
    assert error.location.within.code.endswith("# theirs")
    assert error.location.within.function == "inner"
    assert "# ours" in str(error) and "# theirs" in str(error)
    told = error_as_json(error)
    assert told["location"]["file"] == __file__
    assert told["within"]["file"].endswith("some_library.py")


def test_a_refusal_in_the_users_own_file_names_one_line() -> None:
    (error,) = refusals(lambda x: x.numpy())
    assert error.location is not None and error.location.within is None
    assert error_as_json(error)["within"] is None


def test_where_a_library_calls_the_user_back_the_users_line_is_the_inner_one(library: Any) -> None:
    library.inner = lambda x: x.numpy()  # ours
    (error,) = refusals(library.outer)
    assert error.location is not None and error.location.within is None
    assert error.location.code.endswith("# ours")


# -- source that stands in no file --------------------------------------------------------------

PROGRAM = """
import torch, fxexport

def model(x):
    y = x + 1
    return y.numpy()

try:
    fxexport.export(model, (torch.ones(3),), verify=False)
except fxexport.FxExportError as error:
    print(error.location.line, error.location.function)
"""


@pytest.mark.parametrize("way", ["-", "-c"])
def test_a_program_that_python_is_given_otherwise_names_its_line(way: str) -> None:
    command = [sys.executable, "-W", "ignore", way, *([PROGRAM] if way == "-c" else [])]
    done = subprocess.run(
        command, input=PROGRAM, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["6", "model"]


@pytest.mark.parametrize("shown", [True, False], ids=["source is shown", "source is not shown"])
def test_source_that_is_executed_names_its_line(shown: bool) -> None:
    text = textwrap.dedent("""
        def model(x):
            y = x + 1
            return y.numpy()
    """)
    name = "<ipython-input-1-abc>" if shown else "<string>"
    space: dict[str, Any] = {}
    if shown:  # as IPython does
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), space)
    try:
        (error,) = refusals(space["model"])
        location = error.location
        assert location is not None and (location.file, location.line) == (name, 4)
        assert location.code == ("return y.numpy()" if shown else "")
    finally:
        linecache.cache.pop(name, None)


def test_executed_source_that_cannot_be_shown_is_named_beside_the_line_that_calls_it() -> None:
    space: dict[str, Any] = {}
    exec("def hidden(x):\n    return x.numpy()\n", space)
    hidden = space["hidden"]
    (error,) = refusals(lambda x: hidden(x))  # the call
    assert error.location is not None and error.location.code.endswith("# the call")
    inner = error.location.within
    assert inner is not None and (inner.file, inner.line) == ("<string>", 2)
    assert "in source without a file" in str(error)
