"""TensorRT: building engines in a child process, finding what it refuses, running engines.

`tensorrt` and `tensorrt_rtx` have one Python API; the latter builds on machines without a GPU.
Nothing here imports either of them in this process, except for running an engine.
"""
