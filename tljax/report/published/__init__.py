"""The published results of the paper that tljax reproduces."""
