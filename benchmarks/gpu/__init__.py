"""The steps of `benchmarks/gpu.sh`, one file each. A step that fails or runs out of time does not stop the next."""
