"""One function for each ATen operator that writes it in ONNX; a file for each family."""
