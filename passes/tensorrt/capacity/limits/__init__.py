"""The largest size that a dimension can have, from the sizes of inputs."""
