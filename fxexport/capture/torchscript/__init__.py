"""The TorchScript front-end: scripted modules, functions and archives."""

from fxexport.capture.torchscript.interpreter import Interpreter

__all__ = ["Interpreter"]
