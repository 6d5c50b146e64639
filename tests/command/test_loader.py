"""Finding models in files and modules."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fxexport.command.example_inputs import merge_inputs
from fxexport.command.loader import LoadedModel, loaded_model
from fxexport.command.model_reference import parse_reference
from fxexport.errors import UsageError

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return x + 1
"""


def write(folder: Path, text: str, name: str = "some_model.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def load(path: Path | str) -> LoadedModel:
    with loaded_model(parse_reference(str(path))) as loaded:
        return loaded


def refusal(path: Path | str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (NET, "Net", "Net"),
        (NET + "model = nn.Linear(1, 1)", "model", "Linear"),
        (NET + "model = Net", "model", "Net"),
        (NET + "def get_model(): return nn.ReLU()", "get_model", "ReLU"),
        (NET + "def build_model(size=3): return nn.ReLU()", "build_model", "ReLU"),
        (NET + "model = Net()\ndef get_model(): return nn.ReLU()", "model", "Net"),
        (NET + "from torch.nn import Linear\nAlias = Net", "Net", "Net"),
        (NET + "class _Helper(nn.Module): pass", "Net", "Net"),
        ("from torch import nn\nmodel = nn.Linear(2, 2)", "model", "Linear"),
    ],
)
def test_finds_the_model_without_being_told(
    tmp_path: Path, text: str, name: str, kind: str
) -> None:
    loaded = load(write(tmp_path, text))
    assert loaded.name == f"some_model.py:{name}"
    assert type(loaded.model).__name__ == kind


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ("thing = nn.Linear(1, 1)", nn.Linear),
        ("thing = nn.ReLU", nn.ReLU),
        ("def thing(): return nn.ReLU()", nn.ReLU),
        ("thing = lambda: nn.ReLU()", nn.ReLU),
        ("import functools\nthing = functools.partial(nn.Linear, 2, 3)", nn.Linear),
    ],
)
def test_the_object_makes_or_is_a_module(tmp_path: Path, definition: str, kind: type) -> None:
    path = write(tmp_path, "import torch\nfrom torch import nn\n" + definition)
    assert isinstance(load(f"{path}:thing").model, kind)


def test_a_function_with_parameters_is_the_model_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "def double(x): return x * 2")
    assert load(f"{path}:double").model(3) == 6


def test_a_function_without_parameters_that_makes_no_model_is_itself_the_program(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "import torch\ndef program(): return torch.ones(2)")
    assert load(f"{path}:program").model().tolist() == [1, 1]


def test_a_function_that_says_it_returns_a_tensor_is_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, "import torch\ndef program() -> torch.Tensor: raise OSError")
    assert callable(load(f"{path}:program").model)


def test_a_dotted_object_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path, "class Zoo:\n    @staticmethod\n    def cat(x): return x")
    assert load(f"{path}:Zoo.cat").model(1) == 1


def test_a_module_is_loaded_by_name_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_zoo_package"
    package.mkdir()
    write(package, "from a_zoo_package.parts import Net", "__init__.py")
    write(package, NET, "parts.py")
    monkeypatch.chdir(tmp_path)
    loaded = load("a_zoo_package.parts:Net")
    assert loaded.name == "a_zoo_package.parts:Net"
    assert parse_reference("a_zoo_package.parts:Net").stem == "parts"
    assert "a_zoo_package" not in sys.modules


def test_the_files_own_folder_is_importable_only_while_it_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, "VALUE = 41", "a_neighbour_file.py")
    path = write(
        tmp_path,
        """
        from torch import nn
        class Net(nn.Module):
            def forward(self, x):
                from a_neighbour_file import VALUE
                return x + VALUE
        """,
    )
    before = list(sys.path), list(sys.argv)
    with loaded_model(parse_reference(str(path))) as loaded:
        assert loaded.model(1) == 42
        assert "a_neighbour_file" in sys.modules
    assert (sys.path, sys.argv) == before
    assert not {"a_neighbour_file", "some_model"} & set(sys.modules)


def test_the_file_finds_itself_by_module_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        import inspect, pickle, sys
        from dataclasses import dataclass
        from torch import nn
        @dataclass
        class Config:
            width: "int" = 3
        class Net(nn.Module):
            def forward(self, x):
                return x
        copied = pickle.loads(pickle.dumps(Config()))
        source = inspect.getsource(Net)
        arguments = sys.argv
        main = __name__ == "__main__"
        """,
    )
    with loaded_model(parse_reference(str(path))) as loaded:
        module = sys.modules[type(loaded.model).__module__]
    assert module.copied == module.Config()
    assert module.source.startswith("class Net")
    assert module.arguments == [str(path)]
    assert module.main is False


@pytest.mark.parametrize("name", ["json.py", "torch.py", "my-model.py", "2nd.py"])
def test_an_unlucky_file_name_hides_no_library(tmp_path: Path, name: str) -> None:
    import json

    assert isinstance(load(write(tmp_path, NET, name)).model, nn.Module)
    assert sys.modules["json"] is json
    assert sys.modules["torch"] is torch


def test_the_same_name_in_two_folders_gives_two_models(tmp_path: Path) -> None:
    found = []
    for k in (1, 2):
        folder = tmp_path / str(k)
        folder.mkdir()
        write(folder, f"VALUE = {k}", "helper_of_two.py")
        path = write(
            folder,
            "import helper_of_two\nfrom torch import nn\nclass Net(nn.Module):\n"
            "    value = helper_of_two.VALUE\n    def forward(self, x): return x\n",
        )
        found.append(load(path).model.value)
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (NET + "class Other(nn.Module): pass", "more than one model: Net, Other", ":Other"),
        (
            NET + "def get_model(): pass\ndef build_model(): pass",
            "more than one model: get_model, build_model",
            ":build_model",
        ),
        ("x = 1", "defines no model", "get_model()"),
        ("def run(x): return x", "defines no model", "some_model.py:run"),
        ("from torch.nn import Linear", "defines no model", "get_model()"),
        ("model = 3", "of type int, which is not a model", "nn.Module"),
        ("def get_model(): return 3", "returned int", "return the model"),
        ("def get_model(width): pass", "needs arguments: width", "get_model()"),
        (
            "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, width): pass",
            "needs arguments: width",
            "def get_model(): return Net(...)",
        ),
    ],
)
def test_what_is_no_model_or_leaves_a_choice_is_refused(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    error = refusal(write(tmp_path, text))
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("Nett", "has no 'Nett'", "Did you mean"),
        ("Zebra", "has no 'Zebra'", "It has: Net"),
        ("torch", "of type module", "nn.Module"),
        ("Plain", "the class Plain, which is not an nn.Module", "nn.Module"),
        ("build", "needs arguments: width", "build(...)"),
    ],
)
def test_a_wrong_object_is_refused(tmp_path: Path, name: str, message: str, hint: str) -> None:
    path = write(
        tmp_path, NET + "class Plain: pass\ndef build(width) -> 'nn.Module': return Net()\n"
    )
    error = refusal(f"{path}:{name}")
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("x = 1\ndef f(:\n", "is not valid Python", 2),
        ("x = 1\n\nraise ValueError('no luck')", "raised ValueError: no luck", 3),
        ("import sys\nsys.exit(4)", "ended itself with sys.exit(4)", 2),
        ("import there_is_no_such_library", "No module named 'there_is_no_such_library'", 1),
        ("def get_model():\n    raise OSError('disk')", "get_model() raised OSError: disk", 2),
        ("import torch\ntorch.zeros(2).reshape(3)", "raised RuntimeError", 2),
    ],
)
def test_an_error_in_the_file_is_shown_at_its_line(
    tmp_path: Path, text: str, message: str, line: int
) -> None:
    path = write(tmp_path, text)
    error = refusal(path)
    assert message in error.message
    assert error.location is not None
    assert (error.location.file, error.location.line) == (str(path), line)
    assert "some_model" not in sys.modules


def test_a_relative_import_points_to_the_packages_name(tmp_path: Path) -> None:
    assert "package.some_model:" in refusal(write(tmp_path, "from .parts import Net")).hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing.py", "no file missing.py"),
        ("missing.py:Net", "no file missing.py"),
        ("no/such/folder/m.py", "no folder"),
        (".", "is a folder"),
        ("weights.bin", "is not a Python file"),
        ("weights.pt", "is no TorchScript archive"),
        ("there_is_no_such_module:Net", "no importable module there_is_no_such_module"),
        ("os.there_is_no_such_part:Net", "no importable module os.there_is_no_such_part"),
        ("", "MODEL is empty"),
    ],
)
def test_a_reference_to_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("weights.pt", "weights.bin"):
        (tmp_path / name).write_bytes(b"")
    assert message in refusal(text).message


@pytest.mark.parametrize(
    ("definition", "args", "kwargs"),
    [
        ("", (), {}),
        ("example_inputs = (1, 2)", (1, 2), {}),
        ("example_inputs = [1, 2]", (1, 2), {}),
        ("example_inputs = {'x': 1}", (), {"x": 1}),
        ("example_inputs = 1.5", (1.5,), {}),
        ("example_inputs = ({'x': 1},)", ({"x": 1},), {}),
        ("def example_inputs(): return (1, 2)", (1, 2), {}),
        ("def get_inputs(): return {'x': 1}", (), {"x": 1}),
        ("get_inputs = (7,)", (7,), {}),
        ("example_inputs = (1,)\nget_inputs = (2,)", (1,), {}),
    ],
)
def test_the_files_example_inputs_are_read(
    tmp_path: Path, definition: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    loaded = load(write(tmp_path, NET + definition))
    assert (loaded.args, loaded.kwargs) == (args, kwargs)


def test_a_tensor_alone_is_one_example_input(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, NET + "example_inputs = torch.ones(2, 2)"))
    assert [tuple(value.shape) for value in loaded.args] == [(2, 2)]


@pytest.mark.parametrize(
    "definition",
    ["check_inputs = [(1,), {'x': 2}, [3]]", "def check_inputs(): return [1, {'x': 2}, (3,)]"],
)
def test_the_files_check_inputs_are_read(tmp_path: Path, definition: str) -> None:
    assert load(write(tmp_path, NET + definition)).check_inputs == [(1,), {"x": 2}, (3,)]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("def example_inputs(): return 1 / 0", "example_inputs() in some_model.py raised"),
        ("def get_inputs(n): return n", "get_inputs() in some_model.py raised TypeError"),
        ("check_inputs = 3", "check_inputs in some_model.py is of type int"),
    ],
)
def test_wrong_inputs_of_the_file_are_refused(
    tmp_path: Path, definition: str, message: str
) -> None:
    assert message in refusal(write(tmp_path, NET + definition)).message


def takes_two(x: Any, y: Any = 5) -> Any:
    return x, y


def takes_named(x: Any, *, flag: bool) -> Any:
    return x, flag


def takes_any(x: Any, **others: Any) -> Any:
    return x, others


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "given", "expected"),
    [
        (takes_two, (), {}, {"x": 1}, ((1,), {})),
        (takes_two, (1,), {}, {"x": 2}, ((2,), {})),
        (takes_two, (1,), {}, {"y": 2}, ((1, 2), {})),
        (takes_two, (), {"x": 1}, {"y": 2}, ((1, 2), {})),
        (takes_two, (), {}, {"y": 2, "x": 1}, ((1, 2), {})),
        (takes_two, (1, 2), {}, {}, ((1, 2), {})),
        (takes_named, (1,), {}, {"flag": True}, ((1,), {"flag": True})),
        (takes_any, (1,), {}, {"z": 3}, ((1,), {"z": 3})),
    ],
)
def test_inputs_by_name_lie_over_the_examples(
    function: Any, args: Any, kwargs: Any, given: Any, expected: Any
) -> None:
    assert merge_inputs(function, args, kwargs, given) == expected


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((), {}, "no example input for x"),
        ((), {"y": 1}, "no example input for x"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"z": 1}, "no input 'z'"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(args: Any, given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        merge_inputs(takes_two, args, {}, given)
    assert "x" in str(caught.value)
