"""Operators of linear algebra, by loops: ONNX has none of them but a determinant."""
