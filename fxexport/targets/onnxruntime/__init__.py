"""ONNX Runtime: sessions, and the options of its GPU providers."""
