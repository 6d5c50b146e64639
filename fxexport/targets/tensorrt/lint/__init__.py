"""What TensorRT refuses, found in the graph and in the ONNX file before TensorRT sees it."""
