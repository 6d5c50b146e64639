"""Short-time spectra, there and back: frames, windows and lengths as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import fxexport
from fxexport.graph.complex_values import as_real
from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from tests.support.complex_values import check, spectrum

HANN, HAMMING, SHORT = torch.hann_window(64), torch.hamming_window(64), torch.hann_window(40)


def signal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


FORWARD: dict[str, dict[str, Any]] = {
    "centred": {"window": HANN},
    "not centred": {"window": HANN, "center": False},
    "zeros around": {"window": HANN, "pad_mode": "constant"},
    "scaled": {"window": HANN, "normalized": True},
    "both sides": {"window": HANN, "onesided": False},
    "a shorter window": {"window": SHORT, "win_length": 40},
    "no window": {},
}
BACK: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "centred": ({"window": HANN}, {}),
    "not centred": ({"window": HAMMING, "center": False}, {}),
    "scaled": ({"window": HANN, "normalized": True}, {}),
    "both sides": ({"window": HANN, "onesided": False}, {}),
    "a shorter window": ({"window": SHORT, "win_length": 40}, {}),
    "a complex signal": ({"window": HANN, "onesided": False}, {"return_complex": True}),
}


def there_and_back(name: str, of_length: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    options, more = BACK[name]

    def program(x: torch.Tensor) -> torch.Tensor:
        c = torch.stft(x, 64, 16, return_complex=True, **options)
        length = x.shape[-1] if of_length else None
        return torch.istft(c, 64, 16, length=length, **options, **more)

    return program


@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("name", FORWARD)
def test_spectrum_of_any_length(name: str) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return torch.stft(x, 64, 16, return_complex=True, **FORWARD[name])

    check(program, *((signal(*shape),) for shape in ((2, 400), (1, 513), (3, 64))))


@pytest.mark.filterwarnings("ignore:stft with return_complex=False")
def test_spectrum_as_pairs_and_of_one_signal() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return torch.stft(x, 64, 16, window=HANN, return_complex=False)

    check(program, (signal(400),), (signal(99),))


@pytest.mark.parametrize("name", BACK)
def test_signal_as_long_as_its_frames(name: str) -> None:
    program = there_and_back(name, of_length=False)
    check(program, *((signal(*shape),) for shape in ((2, 400), (1, 515))))


@pytest.mark.parametrize("name", [name for name in BACK if name != "not centred"])
def test_signal_of_a_given_length(name: str) -> None:
    """Not without the first half frame: its last samples have no weight, and PyTorch raises."""
    program = there_and_back(name, of_length=True)
    check(program, *((signal(*shape),) for shape in ((2, 400), (1, 515))))


def test_what_is_promised_is_what_pytorch_needs() -> None:
    """A signal is reflected at its ends, so it is longer than half a frame."""
    exported = fxexport.export(there_and_back("centred", True), signal(2, 400), dynamic=True)
    assert exported.report.verification.ok
    assert {one.text for one in exported.graph.constraints} == {"x_d0 >= 1", "x_d1 >= 33"}


@pytest.mark.filterwarnings("ignore:The length of signal is shorter")
def test_length_from_an_input() -> None:
    def program(c: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        return torch.istft(c, 64, 16, window=HANN, length=int(n))

    rows = [(spectrum(2, 33, 20, seed=1), torch.tensor(n)) for n in (300, 250, 400)]
    check(program, *rows, dynamic=True)


def test_any_length_may_be_asked_for() -> None:
    """One frame has a sample to give only where a length is named."""

    def program(c: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        return torch.istft(c, 64, 24, window=HAMMING, length=int(n))

    sizes = [(20, 300), (1, 1), (1, 32), (4, 100)]
    rows = [(spectrum(2, 33, frames, seed=n), torch.tensor(n)) for frames, n in sizes]
    check(program, *rows, dynamic=True)


@pytest.mark.parametrize(
    ("options", "broken"),
    [
        ({"window": HANN, "center": False}, (2, 33, 9)),  # the first sample has no weight
        ({"window": torch.zeros(64)}, (2, 33, 9)),
        ({"window": HANN, "center": False, "length": 8}, (2, 33, 9)),
        ({"window": SHORT, "win_length": 40, "length": 190}, (2, 33, 9)),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_samples_that_no_window_reaches_raise(
    options: dict[str, Any], broken: tuple[int, ...], inside: bool
) -> None:
    c = spectrum(*broken)

    def program(c: torch.Tensor) -> torch.Tensor:
        if not inside or c.real.sum() < 1e9:
            return torch.istft(c, 64, 16, **options)
        return c.real.sum(1)

    with pytest.raises(RuntimeError, match="window overlap"):
        program(c)
    exported = fxexport.export(program, c, dynamic=True, verify=False)
    session = OrtSession(exported.model.SerializeToString())
    with pytest.raises(RuntimeFailure, match="windows of istft overlap"):
        session.run({session.input_names[0]: as_real(c)})


def test_the_windows_of_many_frames_may_overlap_where_those_of_few_do_not() -> None:
    def program(c: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        return torch.istft(c, 64, 16, window=SHORT, win_length=40, length=int(n))

    rows = [(spectrum(2, 33, frames), torch.tensor(150)) for frames in (20, 11, 9)]
    check(program, *rows[:2], dynamic=True)
    exported = fxexport.export(program, rows[0], dynamic=True, verify=False)
    session = OrtSession(exported.model.SerializeToString())
    with pytest.raises(RuntimeError, match="window overlap"):
        program(*rows[2])
    with pytest.raises(RuntimeFailure, match="windows of istft overlap"):
        session.run(dict(zip(session.input_names, map(as_real, rows[2]), strict=True)))


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (lambda c: torch.istft(c, 64, 65), "hop_length"),
        (lambda c: torch.istft(c, 64, 16, win_length=8), "hop_length"),
        (lambda c: torch.istft(c, 64, length=0), "sample"),
        (lambda c: torch.istft(c.real, 64), "complex tensor"),
        (lambda c: torch.istft(c, 32), "frequencies"),
        (lambda c: torch.istft(c, 64, window=SHORT), "window"),
    ],
)
def test_what_pytorch_refuses_is_refused(program: Any, said: str) -> None:
    with pytest.raises(fxexport.FxExportError, match=said):
        fxexport.export(program, spectrum(2, 33, 20), verify=False)
