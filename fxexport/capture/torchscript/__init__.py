"""Reading TorchScript: an interpreter of its graphs that calls the same operators."""

from fxexport.capture.torchscript.interpreter import Interpreter

__all__ = ["Interpreter"]
