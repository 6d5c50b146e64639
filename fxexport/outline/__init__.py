"""The outline of an ONNX file, from any exporter: its control flow as a tree, and what it promises.

`read.outline_of` reads a file; the other modules show an outline, or two of them side by side.
"""
