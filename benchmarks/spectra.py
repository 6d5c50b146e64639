"""How long spectrograms take in ONNX Runtime, beside PyTorch: one thread, the best of many calls.

python benchmarks/spectra.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import onnxruntime  # type: ignore[import-untyped]
import torch

import fxexport

SECONDS, RATE = 10, 16_000
CALLS = 20


def mel(frame: int, hop: int, bands: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The logarithm of a mel spectrogram; random bands cost what real ones do."""
    window = torch.hann_window(frame)
    filters = torch.rand(frame // 2 + 1, bands)

    def spectrogram(x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, frame, hop, window=window, return_complex=True)
        return (spectrum.abs().pow(2).transpose(1, 2) @ filters).clamp(min=1e-10).log10()

    return spectrogram


def there_and_back(frame: int, hop: int) -> Callable[[torch.Tensor], torch.Tensor]:
    window = torch.hann_window(frame)

    def same(x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, frame, hop, window=window, return_complex=True)
        return torch.istft(spectrum, frame, hop, window=window, length=x.shape[-1])

    return same


PROGRAMS = {
    "mel 400/160": mel(400, 160, 80),
    "mel 512/128": mel(512, 128, 80),
    "mel 1024/256": mel(1024, 256, 80),
    "mel 2048/512": mel(2048, 512, 128),
    "there and back 400/100": there_and_back(400, 100),
    "there and back 1024/256": there_and_back(1024, 256),
}


def best(call: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def main() -> None:
    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    x = torch.randn(1, SECONDS * RATE)
    print("| program | PyTorch, ms | ONNX Runtime, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for name, program in PROGRAMS.items():
        exported = fxexport.export(program, x, dynamic={"x": {1: "n"}}, verify=False)
        data = exported.model.SerializeToString()
        session = onnxruntime.InferenceSession(data, options)
        feed = {"x": x.numpy()}
        with torch.no_grad():
            eager = best(lambda program=program: program(x))  # type: ignore[misc]
        file = best(lambda session=session, feed=feed: session.run(None, feed))  # type: ignore[misc]
        print(f"| {name} | {eager:.2f} | {file:.2f} | {file / eager:.2f} |")


if __name__ == "__main__":
    main()
