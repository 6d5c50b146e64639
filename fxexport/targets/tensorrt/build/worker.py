"""The child process that builds: some graphs crash TensorRT's builder, and none may take us along.

``python -m fxexport.targets.tensorrt.worker FD`` reads one JSON request from standard input and
writes one JSON message a line to the file descriptor FD (TensorRT itself prints to standard
output). The last message is ``{"event": "done", ...}``; a child that ends without it has crashed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

Send = Callable[..., None]


def main() -> None:
    """Reads the request, builds, and says how that went."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the builder would not see Python's exception
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8", buffering=1) as pipe:

        def send(event: str, **data: Any) -> None:
            pipe.write(json.dumps({"event": event, **data}) + "\n")
            pipe.flush()

        request = json.load(sys.stdin)
        try:
            trt = importlib.import_module(request["package"])
        except Exception as error:  # a missing library raises whatever it likes
            message = f"{request['title']} is installed but does not start: {error}"
            send("finding", message=message, install=True)
            send("done", ok=False)
            return
        send("done", ok=_build(trt, request, send))


def _build(trt: Any, request: Mapping[str, Any], send: Send) -> bool:
    logger = _logger(trt, send)
    if hasattr(trt, "init_libnvinfer_plugins"):
        trt.init_libnvinfer_plugins(logger, "")
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt, request))
    parser = trt.OnnxParser(network, logger)
    send("phase", name="parse")
    if not parser.parse_from_file(request["model"]):
        for k in range(parser.num_errors):
            send("finding", **_parser_error(parser.get_error(k)))
        return False
    _let_attention_be_decomposed(trt, network)
    config = _config(trt, builder, request, send)
    if config is None or not _add_profiles(builder, network, config, request, send):
        return False
    send("network", package=trt.__version__, layers=network.num_layers)
    config.progress_monitor = monitor = _monitor(trt, send)  # kept alive: TensorRT does not
    send("phase", name="build")
    engine = builder.build_serialized_network(network, config)
    del monitor
    if engine is None:
        return False
    if request.get("engine"):
        with open(request["engine"], "wb") as file:
            file.write(engine)
            file.flush()
            os.fsync(file.fileno())
    _save_timing_cache(config, request, send)
    send("engine", size=engine.nbytes)
    return True


def _logger(trt: Any, send: Send) -> Any:
    class MessageSender(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                send("log", level="error", text=message)
            elif severity == trt.ILogger.WARNING:
                send("log", level="warning", text=message)

    return MessageSender()


def _monitor(trt: Any, send: Send) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            send("start", name=phase_name, parent=parent_phase, steps=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            send("step", name=phase_name, step=step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            send("finish", name=phase_name)

    return Monitor()


def _let_attention_be_decomposed(trt: Any, network: Any) -> None:
    """Where a GPU has no kernel for an Attention, it is computed in steps, not refused."""
    for k in range(network.num_layers):
        layer = network.get_layer(k)
        if str(layer.type).endswith("ATTENTION_INPUT"):
            layer.__class__ = trt.IAttentionInputLayer  # as TensorRT's samples do
            layer.attention.decomposable = True


def _network_flags(trt: Any, request: Mapping[str, Any]) -> int:
    """Types are the file's own unless a precision is allowed on top of them."""
    flags = trt.NetworkDefinitionCreationFlag
    options = request["options"]
    if options["fp16"] or options["bf16"] or not hasattr(flags, "STRONGLY_TYPED"):
        return 0
    if request["package"] == "tensorrt_rtx":
        return 0  # always strongly typed
    return 1 << int(flags.STRONGLY_TYPED)


def _config(trt: Any, builder: Any, request: Mapping[str, Any], send: Send) -> Any:
    options = request["options"]
    config = builder.create_builder_config()
    for name, flag in (
        ("fp16", "FP16"),
        ("bf16", "BF16"),
        ("version_compatible", "VERSION_COMPATIBLE"),
    ):
        if not options[name]:
            continue
        if not hasattr(trt.BuilderFlag, flag):
            send("finding", message=f"{request['title']} has no builder flag {flag}")
            return None
        config.set_flag(getattr(trt.BuilderFlag, flag))
    if options["workspace"] is not None:
        config.set_memory_pool_limit(
            trt.MemoryPoolType.WORKSPACE, int(options["workspace"] * 2**20)
        )
    if options["optimization_level"] is not None:
        config.builder_optimization_level = options["optimization_level"]
    if request["hardware_level"] != "NONE":
        config.hardware_compatibility_level = getattr(
            trt.HardwareCompatibilityLevel, request["hardware_level"]
        )
    if options["timing_cache_file"]:
        _load_timing_cache(config, options["timing_cache_file"], send)
    return config


def _load_timing_cache(config: Any, path: str, send: Send) -> None:
    """Gives the build the times of an earlier one; what is no cache, or another's, starts anew."""
    data = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            data = file.read()
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        send("note", text=f"{path} is no timing cache of this TensorRT and GPU")
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _save_timing_cache(config: Any, request: Mapping[str, Any], send: Send) -> None:
    """Keeps the times, whole or not at all; the engine is worth more than they are."""
    path = request["options"]["timing_cache_file"]
    cache = config.get_timing_cache() if path else None
    if cache is None:
        return
    new = f"{path}.{os.getpid()}.new"
    try:
        with open(new, "wb") as file:
            file.write(cache.serialize())
        os.replace(new, path)
    except OSError as error:
        send("note", text=f"{path} could not be written: {error.strerror}")
        with contextlib.suppress(OSError):
            os.unlink(new)


def _add_profiles(
    builder: Any, network: Any, config: Any, request: Mapping[str, Any], send: Send
) -> bool:
    inputs = [network.get_input(k) for k in range(network.num_inputs)]
    for number, profile in enumerate(request["profiles"]):
        made = builder.create_optimization_profile()
        used = False
        for tensor in inputs:
            ranges = profile.get(tensor.name)
            if tensor.is_shape_tensor:
                if not _set_values(made, tensor, ranges, number, send):
                    return False
                used = True
            elif any(size < 0 for size in tensor.shape):
                if ranges is None or ranges["kind"] != "shape":
                    send("finding", input=tensor.name, message=_no_shapes(tensor, number))
                    return False
                made.set_shape(tensor.name, *_triple(ranges))
                used = True
        if used and config.add_optimization_profile(made) < 0:
            send("finding", message=f"TensorRT does not accept profile {number}: see its messages")
            return False
    if not request["profiles"]:
        for tensor in inputs:
            if tensor.is_shape_tensor or any(size < 0 for size in tensor.shape):
                kind = "values" if tensor.is_shape_tensor else "input"
                send("finding", **{kind: tensor.name}, message=_no_shapes(tensor, 0))
                return False
    return True


def _set_values(made: Any, tensor: Any, ranges: Any, number: int, send: Send) -> bool:
    """The range of an input whose values decide sizes."""
    if ranges is None or ranges["kind"] != "value":
        send(
            "finding",
            values=tensor.name,
            message=f"the values of input {tensor.name!r} decide sizes, so profile {number} must "
            "give their min, opt and max",
        )
        return False
    made.set_shape_input(tensor.name, *(tuple(int(v) for v in part) for part in _triple(ranges)))
    return True


def _triple(ranges: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return tuple(ranges["min"]), tuple(ranges["opt"]), tuple(ranges["max"])


def _no_shapes(tensor: Any, number: int) -> str:
    return (
        f"input {tensor.name!r} has dynamic sizes, and profile {number} says nothing of them"
        if not tensor.is_shape_tensor
        else f"the values of input {tensor.name!r} decide sizes, and there is no profile"
    )


def _parser_error(error: Any) -> dict[str, Any]:
    stack = []
    if error.local_function_stack_size():
        stack = list(error.local_function_stack())
    return {
        "message": error.desc(),
        "code": str(error.code()).rsplit(".", 1)[-1],
        "node": error.node_name(),
        "operator": error.node_operator(),
        "stack": stack,
        "stage": "parse",
    }


if __name__ == "__main__":
    main()
