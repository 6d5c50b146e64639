"""What Python's and PyTorch's functions become where rewritten code or a model calls them."""
