"""What is known of PyTorch's kernels themselves: errors, values they ask for, matrices."""
