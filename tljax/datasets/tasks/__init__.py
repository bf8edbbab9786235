"""The tasks, one file each: a file here that holds a `CARD` and `examples(archive)` is a task."""
